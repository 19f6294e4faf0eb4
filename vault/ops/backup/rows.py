"""Rows of every table: taken over where the previous snapshot proves them unchanged, else read by several connections.

Three passes over the tables: ask the server which extents may have changed, read those in batches, and put the tables together in list
order. Rows stream: a batch is read, cut and handed to the writer's workers, and only ids stay behind. Trust is checked: a random sample
of the extents that the rule calls unchanged is read all the same and compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

from vault.crypto.keys import Keys
from vault.errors import IntegrityError, Malformed, SourceError
from vault.format.lists import EXTENTS, TABLES
from vault.limits import EXTENT_BLOCKS, MIB
from vault.model import Extent, ObjectType, TableItem, TableName
from vault.ops.backup.previous_snapshot import Previous
from vault.ops.backup.reuse import TablePlan, in_one_order, lacks_values, snapshot_reason, table_reason, unchanged
from vault.ops.backup.stored_lists import ListWriter
from vault.pipeline.cut import cut_rows, fastcdc
from vault.pipeline.generated import DigestSums
from vault.pipeline.shares import Portion
from vault.ports import Capture, Entropy, ExtentJob, ExtentRows, ExtentState, Progress, RowReader, SourceTable
from vault.repo.idle import Idle
from vault.repo.snapshot import Snapshot
from vault.repo.workers import ordered

_BATCH_BYTES = 64 * MIB
_BATCH_JOBS_MAX = 200
_SAMPLE_ONE_IN = 512
"""Of the reusable extents, at least one a backup."""
_PROBES = 12
_PROBED_EXTENTS_MIN = 32
"""Where a tenth of the extents did not change, 12 probes miss it once in four times, and that tenth is read for nothing."""
_LOOK_EXTENTS = 16
"""Extents that are asked for in one query; of large tables 128 MiB, which takes the server 0.1 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """`jobs`: connections; `entropy`: draws the sample.

    `full`: read everything, and compare what could have been taken over; `distrust`: why nothing is even compared, or empty.
    """

    jobs: int
    full: bool
    entropy: Entropy
    distrust: str = ""


class RowCapture:
    """Make one, iterate `tables` once, then ask for the sums."""

    def __init__(
        self,
        capture: Capture,
        lists: ListWriter,
        *,
        before: Snapshot | None,
        keys: Keys,
        options: RowOptions,
        progress: Progress,
    ) -> None:
        self._capture = capture
        self._lists = lists
        self._previous = Previous(before)
        self._parent = None if before is None else before.manifest
        self._seed = keys.cut_seed
        self._id_key = keys.id_key
        self._options = options
        self._progress = progress
        self._readers: Idle[RowReader] = Idle(capture.reader)
        self.counted: list[tuple[TableName, int]] = []
        self.read_bytes = self.extents = self.extents_reused = 0
        self.suspect = ""
        self._shares: Mapping[int, int] = {}

    def tables(self, *, cancel: Callable[[], None]) -> Generator[TableItem, None, None]:
        """Every table in list order. `cancel`: ends the capture when reading fails. Raises  SourceError, StoreError, IntegrityError"""
        self._tell_unplanned()
        plans = self._draw_sample(self._plans(sorted(self._capture.tables, key=_table_key), cancel))
        self._shares = {plan.table.oid: plan.share for plan in plans}
        self._progress.stage("rows", sum(plan.bytes_to_read for plan in plans))
        reading = ordered(
            self._read_batch,
            _batches(plans),
            threads=self._options.jobs,
            ahead=self._options.jobs + 1,
            cancel=cancel,
        )
        with closing(reading) as batches:
            read = (extent for batch in batches for extent in batch)
            for plan in plans:
                item = self._table_item(plan, read)
                self._progress.advance(0, tables=1)
                self.counted.append((plan.table.name, TABLES.sums(item).rows))
                yield item
            assert next(read, None) is None, "every extent belongs to a table; taking the last one ends the reading"
        for reader in self._readers.drain():
            reader.close()

    def _tell_unplanned(self) -> None:
        for table in self._capture.tables:
            if table.unplanned:
                name = str(table.name)
                self._progress.event("note", f"{name} is read whole, by plain COPY: {table.unplanned}")

    def _plans(self, tables: Sequence[SourceTable], cancel: Callable[[], None]) -> list[TablePlan]:
        if self._options.distrust or snapshot_reason(self._parent, self._capture.server):
            return [_read_all(table, None) for table in tables]
        known = {table.oid: self._known(table) for table in tables}
        self._ask(_probes(known.values()), known, cancel)
        self._ask(_looks(self._unasked(known.values())), known, cancel)
        return [_plan(candidate) for candidate in known.values()]

    def _known(self, table: SourceTable) -> _Known:
        old = self._previous.table(table.name)
        return _Known(table=table, old=old, comparable=old is not None and not table_reason(old, table))

    def _ask(self, looks: Iterator[list[ExtentJob]], known: Mapping[int, _Known], cancel: Callable[[], None]) -> None:
        """Ask the server for the extents of each look, several looks at a time."""
        jobs = self._options.jobs
        looking = ordered(self._look, looks, threads=jobs, ahead=4 * jobs, cancel=cancel)
        with closing(looking) as answers:
            for ranges, answered in answers:
                for look, states in zip(ranges, answered, strict=True):
                    known[look.table.oid].states.extend(states)

    def _unasked(self, known: Iterable[_Known]) -> Iterator[tuple[SourceTable, Extent]]:
        """The extents that may be taken over if the server calls them unchanged, and was not asked for yet."""
        for candidate in known:
            if candidate.old is None or not candidate.comparable or candidate.changed_everywhere:
                continue
            probed = {state.start for state in candidate.states}
            try:
                for extent in self._previous.taken_over(candidate.old, self._lists.adopt):
                    if extent.start < candidate.table.blocks and not lacks_values(candidate.table, extent):
                        candidate.extents.append(extent)
                        if extent.start not in probed:
                            yield candidate.table, extent
            except IntegrityError:
                candidate.damaged = True  # reading again heals what is damaged

    def _look(self, ranges: Sequence[ExtentJob]) -> tuple[Sequence[ExtentJob], Sequence[Sequence[ExtentState]]]:
        assert self._parent is not None
        assert self._parent.database is not None
        reader = self._readers.borrow()
        states = reader.states(ranges, self._parent.database.server.horizon)
        self._readers.give_back(reader)
        return ranges, states

    def _draw_sample(self, plans: list[TablePlan]) -> list[TablePlan]:
        """Mark a random sample of the reusable extents, or all, to be read all the same."""
        if self._options.full:
            for plan in plans:
                plan.reuse[:] = plan.reuse.replace(b"\1", b"\2")
            return plans
        reusable = [(plan, at) for plan in plans for at, mark in enumerate(plan.reuse) if mark]
        for _ in range(-(-len(reusable) // _SAMPLE_ONE_IN)):
            plan, at = reusable[int.from_bytes(self._options.entropy(8), "big") % len(reusable)]
            plan.reuse[at] = 2
        return plans

    def _table_item(self, plan: TablePlan, read: Iterator[Extent]) -> TableItem:
        count = len(plan.reuse)
        self.extents += count
        self.extents_reused += 0 if self._options.full else plan.reused
        table = plan.table
        if count and plan.old is not None and plan.reuse.count(1) == count == _old_count(plan.old):
            return replace(plan.old, kind=table.kind, key_columns=table.key_columns, load_via_root=table.load_via_root)
        extents = self._merged(plan, read)
        inline = next(extents) if count == 1 else None
        return TableItem(
            name=table.name,
            oid=table.oid,
            filenode=table.filenode,
            kind=table.kind,
            access_method=table.access_method,
            columns=table.columns,
            key_columns=table.key_columns,
            fingerprint=table.fingerprint,
            load_via_root=table.load_via_root,
            condition=table.condition,
            extents=self._lists.build(islice(extents, count), EXTENTS),
            inline=inline,
            generated=table.generated,
        )

    def _merged(self, plan: TablePlan, read: Iterator[Extent]) -> Iterator[Extent]:
        """The table's extents in order: taken over, or the next one that was read."""
        old = iter(()) if plan.old is None or not plan.reused else self._previous.extents(plan.old)
        before = next(old, None)
        for position, mark in enumerate(plan.reuse):
            start = position * EXTENT_BLOCKS
            while before is not None and before.start < start:
                before = next(old, None)
            if mark == 1:
                assert before is not None
                assert before.start == start, "only extents of the previous snapshot are marked for reuse"
                yield before
                continue
            fresh = next(read)
            self.read_bytes += fresh.bytes
            if mark and _comparable(fresh, before) != before:
                self._doubt(plan.table, start)
            yield fresh

    def _doubt(self, table: SourceTable, start: int) -> None:
        name = str(table.name)
        self.suspect = self.suspect or f"rows of {name} from block {start} on changed without a trace"
        self._progress.event("error", self.suspect)

    def _read_batch(self, batch: list[ExtentJob]) -> list[Extent]:
        reader = self._readers.borrow()
        extents = [self._extent(rows) for rows in reader.read(iter(batch))]
        extents = [self._with_values(reader, job, extent) for job, extent in zip(batch, extents, strict=False)]
        self._readers.give_back(reader)
        if len(extents) != len(batch):
            raise SourceError("rows of an extent are missing", why="the reader ended early", hint="run it again")
        return extents

    def _with_values(self, reader: RowReader, job: ExtentJob, extent: Extent) -> Extent:
        """With what its generated columns are; digests alone where two queries may give rows in different orders."""
        blocks = reader.generated(job) if job.table.generated else None
        if blocks is None:
            return extent
        sums = DigestSums(len(job.table.generated), id_key=self._id_key)
        text, values = _sound(sums.passing(blocks), job.table), None
        if in_one_order(job.table):
            base_of = self._previous.value_bases(job.table.name, job.start)
            cut = cut_rows(text, fastcdc(self._seed))
            values = self._lists.store_chunks(cut, ObjectType.ROW_CHUNK, base_of=base_of)
        else:
            deque(text, maxlen=0)
        read = sums.digests()
        if read.rows != extent.rows:
            raise _torn(job.table, f"{read.rows} values for {extent.rows} rows")
        return replace(extent, digests=read.digests, values=values)

    def _extent(self, rows: ExtentRows) -> Extent:
        size = 0
        share = Portion(self._progress, self._shares[rows.job.table.oid])

        def blocks() -> Iterator[bytes]:
            nonlocal size
            for block in share.passing(rows.blocks()):
                size += len(block)
                yield block

        chunks = self._lists.store_chunks(
            cut_rows(blocks(), fastcdc(self._seed)),
            ObjectType.ROW_CHUNK,
            base_of=self._previous.bases(rows.job.table.name, rows.job.start),
        )
        share.done(rows=rows.rows)
        return Extent(start=rows.job.start, blocks=rows.job.blocks, rows=rows.rows, bytes=size, chunks=chunks)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of one table's extents before and now. `comparable`: its extents may be taken over one by one."""

    table: SourceTable
    old: TableItem | None
    comparable: bool
    extents: list[Extent] = field(default_factory=list)
    states: list[ExtentState] = field(default_factory=list)
    damaged: bool = False

    @property
    def changed_everywhere(self) -> bool:
        """So say the probes; then it is read, which is right whatever the other extents are."""
        return bool(self.states) and all(state.changed for state in self.states)


def _sound(text: Iterator[bytes], table: SourceTable) -> Iterator[bytes]:
    """Values that do not fit are the source's fault. Raises  SourceError"""
    try:
        yield from text
    except Malformed as error:
        raise _torn(table, error.message) from error


def _torn(table: SourceTable, what: str) -> SourceError:
    return SourceError(
        f"generated columns of {table.name} cannot be read: {what}",
        why="the stream was cut short, or the table changed under its lock",
        hint="run the backup again",
    )


def _comparable(fresh: Extent, before: Extent | None) -> Extent:
    """Digests and values that one of the two does not have are not compared."""
    whole = before is None or (bool(fresh.digests), fresh.values is None) == (
        bool(before.digests),
        before.values is None,
    )
    return fresh if whole or before is None else replace(fresh, digests=before.digests, values=before.values)


def _plan(known: _Known) -> TablePlan:
    if known.old is None or known.damaged or not known.extents:
        return _read_all(known.table, None if known.damaged else known.old)
    reuse = unchanged(known.states, known.extents, extents=_extent_count(known.table))
    return TablePlan(table=known.table, old=known.old, reuse=reuse)


def _probes(known: Iterable[_Known]) -> Iterator[list[ExtentJob]]:
    """A few extents from all over each large table, in two questions: after a day that changed it everywhere, the rest need not be asked."""
    for candidate in known:
        count = _extent_count(candidate.table)
        if candidate.comparable and count >= _PROBED_EXTENTS_MIN:
            starts = [at * count // _PROBES * EXTENT_BLOCKS for at in range(_PROBES)]
            ranges = [ExtentJob(table=candidate.table, start=start, blocks=EXTENT_BLOCKS) for start in starts]
            yield ranges[: _PROBES // 2]
            yield ranges[_PROBES // 2 :]


def _looks(asked: Iterator[tuple[SourceTable, Extent]]) -> Iterator[list[ExtentJob]]:
    """Ranges for one question each: enough extents to pay for the round trip, few enough that connections share a large table."""
    ranges: list[ExtentJob] = []
    extents = 0
    for table, extent in asked:
        last = ranges[-1] if ranges else None
        if last is not None and last.table.oid == table.oid and last.start + last.blocks == extent.start:
            start = ranges.pop().start
        else:
            start = extent.start
        ranges.append(ExtentJob(table=table, start=start, blocks=extent.start + EXTENT_BLOCKS - start))
        extents += 1
        if extents >= _LOOK_EXTENTS:
            yield ranges
            ranges, extents = [], 0
    if ranges:
        yield ranges


def _table_key(table: SourceTable) -> bytes:
    return f"{table.name.schema}\0{table.name.name}".encode()


def _extent_count(table: SourceTable) -> int:
    return -(-table.blocks // EXTENT_BLOCKS) if table.ranges else 1


def _old_count(old: TableItem) -> int:
    return 1 if old.inline is not None else old.extents.sums.items


def _read_all(table: SourceTable, old: TableItem | None) -> TablePlan:
    return TablePlan(table=table, old=old, reuse=bytearray(_extent_count(table)))


def _batches(plans: Sequence[TablePlan]) -> Iterator[list[ExtentJob]]:
    """Jobs in table order, in batches of about _BATCH_BYTES of text, so that connections share the work evenly."""
    batch: list[ExtentJob] = []
    size = 0
    for plan in plans:
        table = plan.table
        for position, mark in enumerate(plan.reuse):
            if mark == 1:
                continue
            blocks = EXTENT_BLOCKS if table.ranges else 0
            batch.append(ExtentJob(table=table, start=position * EXTENT_BLOCKS, blocks=blocks))
            size += plan.share
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_JOBS_MAX:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
