"""Load rows and sequence values of a snapshot into tables that exist and have no indexes yet.

Several connections share one large table by its extents. Invariant: the server's own count of every COPY is added up, and a
table whose sum differs from the snapshot's is reported. Spec 75-restore.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from vault.errors import SourceError
from vault.limits import MIB
from vault.model import Extent, MergedRows, SequenceItem, TableItem, TableName
from vault.ops.restore import generated_columns
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.contents import bytes_of, rows_of
from vault.ops.restore.plan.decision import RowMode, TableRows
from vault.ops.restore.plan.extensions import brought_members
from vault.ops.restore.plan.steps import RestorePlan
from vault.ops.restore.sessions import Sessions
from vault.ops.restore.some_columns import narrowed
from vault.ops.restore.suspended_checks import SuspendedChecks
from vault.pipeline import copytext
from vault.pipeline.shares import Portion
from vault.ports import Progress, TargetSession
from vault.repo.snapshot import Snapshot
from vault.sql import cron
from vault.sql.encoding import codec_of
from vault.sql.names import show_name
from vault.sql.sqlstate import FOREIGN_KEY_VIOLATION, way_past

_COPY_BYTES: Final = 32 * MIB
"""Text of one COPY: small enough to share a table between connections, large enough that its round trips do not count."""
_FIRED: Final = "fired while rows came, and what they wrote is not the snapshot's: {}"
_SEQUENCES_MAX: Final = 50
"""Set in one transaction, which holds a lock of each."""
_CHECKS_MAX: Final = 100
"""CHECKs that rows of one COPY may violate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """Rows that a foreign key refused: those that they refer to may come later."""

    table: TableItem
    why: str
    task: Callable[[], None]


_Piece = list[Extent]


class RowLoader:
    """`tables` and `rows` count what was loaded; `merged` tells of tables that were there."""

    def __init__(
        self, plan: RestorePlan, snapshot: Snapshot, *, sessions: Sessions, failures: Failures, progress: Progress
    ) -> None:
        self._plan = plan
        self._snapshot = snapshot
        self._sessions = sessions
        self._failures = failures
        self._progress = progress
        self._lock = threading.Lock()
        self._rows: dict[TableName, int] = {}
        self._broken: set[TableName] = set()
        coming = {item.name for item in plan.tables} | plan.created_tables
        self._kept = frozenset(plan.row_steps.owner_of_sequence.values()) - coming
        """Tables with sequences whose rows stay as they are."""
        self.merged: dict[TableName, MergedRows] = {}
        self._again: list[_Refused] = []
        self._brought = brought_members(plan.contents.catalog, plan.target)
        self._without_sequence: set[TableName] = set()
        self._unchecked: set[TableName] = set()
        """Tables whose rows came while foreign keys were off, though their keys stood before."""
        self._checks = SuspendedChecks(failures)

    @property
    def tables(self) -> int:
        return sum(1 for rows in self._rows.values() if rows)

    @property
    def rows(self) -> int:
        return sum(self._rows.values())

    def load_tables(self, failed: Collection[int]) -> None:
        """`failed`: positions of definitions that do not exist; rows of such tables are reported as missing."""
        self._progress.stage("rows", self._plan.bytes)
        identities = (self._plan.contents.items[at].identity for at in failed)
        self._without_sequence = {
            identity.relation for identity in identities if identity.desc == "SEQUENCE" and len(identity.names) == 2
        }
        self._load_steps(self._plan.row_steps.tables, failed)
        self._resume_checks()

    def compare_generated(self) -> None:
        """Generated columns of what was loaded, or was there, with what was saved, before there are indexes."""
        steps = [step for step in self._plan.row_steps.tables if any(item.generated for item in step.items)]
        for step in steps:
            if (merged := self.merged.get(step.item.name)) is not None and merged.differing:
                why = "rows of the same key have other values there"
                self._progress.event("note", f"generated columns of {step.item.name} are not compared: {why}")
        items = [item for step in steps if self._is_whole(step) for item in step.items]
        items += [table for steps in self._plan.exchanges for table in steps.tables if table.name in self._rows]
        tables = generated_columns.loaded(items, self._plan.contents.tables)
        if tables:
            with self._sessions.borrow() as session:
                generated_columns.compare(
                    session, tables, self._snapshot, failures=self._failures, progress=self._progress
                )

    def _is_whole(self, step: TableRows) -> bool:
        """All of the snapshot's rows are there as they were saved, whoever wrote them."""
        merged = self.merged.get(step.item.name)
        if step.mode is RowMode.JOBS or step.without or not self._broken.isdisjoint(item.name for item in step.items):
            return False
        return merged is None or not merged.differing

    def load_late(self, failed: Collection[int]) -> None:
        """Rows that start jobs, when everything else is there."""
        self._load_steps(self._plan.row_steps.late, failed)

    def _load_steps(self, steps: Sequence[TableRows], failed: Collection[int]) -> None:
        """Rows that a foreign key refused come again, as long as others came meanwhile; what is left waits for `load_refused`."""
        created = self._created(failed)
        for task in self._tasks([step for step in steps if step.mode is RowMode.MEMBER], created):
            task()
        self._sessions.parallel(self._tasks([step for step in steps if step.mode is not RowMode.MEMBER], created))
        self._load_again()
        refused = {waiting.table.name for waiting in self._again}
        for step in steps:
            loaded = self._rows.get(step.item.name, 0)
            if (
                step.mode in (RowMode.NEW, RowMode.MEMBER)
                and step.item.name not in refused
                and loaded != rows_of(step.item)
            ):
                self._fail(step.item, f"{loaded} of {rows_of(step.item)} rows are there")

    def _load_again(self) -> None:
        before = 0
        while self._again and len(self._again) != before:
            before, again, self._again = len(self._again), self._again, []
            self._sessions.parallel(waiting.task for waiting in again)

    def load_refused(self) -> None:
        """Rows that a foreign key refused, once more when all that they may refer to is there and attached."""
        self._load_again()
        refused, self._again = self._again, []
        for left in refused:
            self._fail(left.table, left.why)

    def finish_checks(self) -> None:
        """CHECKs that stood against rows, when all rows are there."""
        self._resume_checks()
        self._checks.tell()

    def _resume_checks(self) -> None:
        with self._sessions.borrow() as session:
            self._checks.resume(session)

    def verify_references(self) -> None:
        """Foreign keys that were off while rows came into tables that were there."""
        tables = [*self.merged, *sorted(self._unchecked)]
        changed = bool(self._unchecked) or any(
            done.added or done.removed or done.changed for done in self.merged.values()
        )
        if not tables or not self._plan.target.may_replicate:
            return
        with self._sessions.borrow() as session:
            try:
                broken = session.broken_references(tables)
            except SourceError as error:
                self._failures.add("foreign keys", f"not verified: {error.why}")
                return
        for reference in broken:
            name = f"FK CONSTRAINT {reference.name} of {show_name(reference.table)}"
            if reference.rows > 0:
                self._failures.add(name, f"{reference.rows} rows refer to rows that are not there")
            elif changed:
                self._failures.add(name, f"not verified: {reference.unverified}")

    def load_all(self, session: TargetSession, table: TableItem) -> None:
        """Every row of a table that is created anew, in the caller's transaction. Raises  SourceError: not all arrived"""
        blocks = self._snapshot.rows_of(self._snapshot.extents(table))
        rows = session.load(table, blocks)
        if rows != rows_of(table):
            raise SourceError(f"rows of {table.name}", why=f"{rows} of {rows_of(table)} arrived")
        self._rows[table.name] = rows

    def forget(self, tables: Sequence[TableItem]) -> None:
        """Rows that `load_all` brought are not there after all."""
        for table in tables:
            self._rows.pop(table.name, None)

    def set_values(self, session: TargetSession, names: frozenset[TableName]) -> None:
        """Values of sequences that are created anew. Raises  SourceError"""
        items = [item for item in self._snapshot.sequences() if item.name in names] if names else []
        for batch in _batches(items):
            session.set_sequences(batch)

    def set_sequences(self) -> None:
        """None goes back to values that were handed out since, unless all rows that may have them were replaced."""
        picked = self._plan.picked.sequences
        exchanged = frozenset[TableName]().union(*(steps.sequences for steps in self._plan.exchanges))
        ways: dict[bool, list[SequenceItem]] = {False: [], True: []}
        for item in self._snapshot.sequences() if picked is None or picked else ():
            if item.name in exchanged or (picked is not None and item.name not in picked):
                continue
            if item.name not in self._plan.row_steps.read_only:
                ways[self._stays_ahead(item.name)].append(item)
            elif self._is_missed(item.name):
                self._failures.add(f"SEQUENCE SET {item.name}", f"role {self._plan.target.user} may not set it")
        with self._sessions.borrow() as session:
            for forward, items in ways.items():
                for batch in _batches(items):
                    self._set_batch(session, batch, forward=forward)

    def _set_batch(self, session: TargetSession, batch: Sequence[SequenceItem], *, forward: bool) -> None:
        """One by one where they cannot be set together, so that each that cannot be is named; to set one again harms nothing."""
        try:
            session.set_sequences(batch, forward=forward)
            return
        except SourceError:
            pass
        for item in batch:
            because = f"SEQUENCE {item.name.name}" if item.name in self._without_sequence else ""
            action = partial(session.set_sequences, [item], forward=forward)
            self._try(f"SEQUENCE SET {item.name}", action, because=because)

    def _is_missed(self, sequence: TableName) -> bool:
        """A sequence of the platform only matters if rows of its table came."""
        table = self._plan.row_steps.owner_of_sequence.get(sequence)
        return sequence.schema not in self._plan.options.selectors.platform_schemas or bool(
            table is not None and self._rows.get(table)
        )

    def _stays_ahead(self, sequence: TableName) -> bool:
        if self._plan.fresh:
            return False
        owner = self._plan.row_steps.owner_of_sequence.get(sequence)
        return not self._plan.options.replace or owner in self._broken or owner in self._kept

    def _created(self, failed: Collection[int]) -> dict[TableName, bool]:
        """Tables that the snapshot defines -> whether they exist now. Members of extensions are not among them."""
        created: dict[TableName, bool] = {}
        for at in self._plan.definitions.before_rows:
            identity = self._plan.contents.items[at].identity
            if identity.desc == "TABLE" and len(identity.names) == 2:
                created[identity.relation] = at not in failed
        return created

    def _tasks(self, steps: Sequence[TableRows], created: dict[TableName, bool]) -> Iterator[Callable[[], None]]:
        for step in steps:
            table = step.item
            if step.mode in (RowMode.MERGE, RowMode.EXACT):
                yield partial(self._merge, step)
            elif step.mode is RowMode.JOBS:
                yield partial(self._schedule, table)
            elif not created.get(table.name, True):
                self._fail(table, "not loaded: the table could not be created", because=f"TABLE {table.name.name}")
            elif step.mode is RowMode.NEW:
                # through a root that was there, past its triggers and foreign keys
                standing = table.load_via_root is not None and not created.get(table.load_via_root, False)
                for extents in self._pieces(table):
                    yield partial(self._load, table, extents, standing=standing)
            else:
                yield partial(self._load_member, table)

    def _merge(self, step: TableRows, again: Portion | None = None) -> None:
        share = again or Portion(self._progress, sum(map(bytes_of, step.items)))
        with self._sessions.borrow() as session:
            narrow, blocks = narrowed(step, self._snapshot)
            try:
                rows = sum(map(rows_of, step.items))
                done = session.merge(narrow, share.passing(blocks), rows=rows, exact=step.mode is RowMode.EXACT)
            except SourceError as error:
                why = ": ".join(filter(None, ["left as it was", error.why or error.message, way_past(error.sqlstate)]))
                if error.sqlstate == FOREIGN_KEY_VIOLATION and not self._plan.target.may_replicate:
                    self._later(_Refused(table=step.item, why=why, task=partial(self._merge, step, share)))
                else:
                    self._fail(step.item, why)
                return
        if done.refused:
            self._fail(
                step.item, f"{done.refused} rows did not arrive: another row's unique key, or a trigger, kept them out"
            )
        if done.fired:
            self._fail(step.item, _FIRED.format(", ".join(done.fired)))
        with self._lock:
            self.merged[step.item.name] = done
            self._rows[step.item.name] = done.added + done.changed
        share.done(rows=done.added + done.changed, tables=1)

    def _schedule(self, table: TableItem) -> None:
        """Jobs through pg_cron's functions, which schedule for the restoring role alone."""
        user = self._plan.target.user
        codec = codec_of(self._plan.contents.server.encoding)
        rows = copytext.to_utf8(copytext.whole_rows(self._snapshot.rows(table)), codec)
        with self._sessions.borrow() as session:
            for job in copytext.records(rows, table.columns):
                called = f"cron job {job.get('jobname') or job.get('jobid')}"
                if job.get("username") != user:
                    self._failures.add(called, f"not scheduled: it belongs to {job.get('username')}, not to {user}")
                    continue
                self._try(called, partial(session.run, [cron.schedule(job)]))

    def _pieces(self, table: TableItem) -> Iterator[list[Extent]]:
        piece: list[Extent] = []
        size = 0
        for extent in self._snapshot.extents(table):
            if piece and size + extent.bytes > _COPY_BYTES:
                yield piece
                piece, size = [], 0
            piece.append(extent)
            size += extent.bytes
        if piece:
            yield piece

    def _load_member(self, table: TableItem) -> None:
        """Rows of an extension's table: CREATE EXTENSION may have put its own there, which the snapshot's replace."""
        with self._sessions.borrow() as session:
            if table.name not in self._brought and not session.is_empty(table):
                self._fail(table, "not loaded: the extension was there before, and its table has rows")
                return
        self._load(table, list(self._snapshot.extents(table)), standing=True, replace=True)

    def _later(self, refused: _Refused) -> None:
        with self._lock:
            self._again.append(refused)

    def _load(
        self, table: TableItem, extents: _Piece, *, standing: bool, replace: bool = False, again: Portion | None = None
    ) -> None:
        """`standing`: its triggers and foreign keys are there before its rows; `again`: what was told of them before they were refused"""
        share = again or Portion(self._progress, sum(extent.bytes for extent in extents))
        fired: tuple[str, ...] = ()
        with self._sessions.borrow() as session:
            for _ in range(_CHECKS_MAX):
                blocks = share.passing(self._snapshot.rows_of(extents))
                try:
                    if standing:
                        done = session.load_standing(table, blocks, replace=replace)
                        rows, fired = done.added, done.fired
                    else:
                        rows = session.load(table, blocks)
                    break
                except SourceError as error:
                    if error.sqlstate == FOREIGN_KEY_VIOLATION:
                        task = partial(self._load, table, extents, standing=standing, replace=replace, again=share)
                        self._later(_Refused(table=table, why=error.why or error.message, task=task))
                        return
                    if not self._checks.suspend(session, error) and not session.look_in_path(table, error):
                        self._fail(table, error.why or error.message)
                        return
            else:
                self._fail(table, f"its rows violate more than {_CHECKS_MAX} checks")
                return
        with self._lock:
            is_first = table.name not in self._rows
            self._rows[table.name] = self._rows.get(table.name, 0) + rows
            if standing and self._plan.target.may_replicate:
                self._unchecked.add(table.name)
        if fired:
            self._fail(table, _FIRED.format(", ".join(fired)))
        share.done(rows=rows, tables=int(is_first))

    def _fail(self, table: TableItem, why: str, *, because: str = "") -> None:
        """Once a table: what follows from the first reason is not told again."""
        with self._lock:
            if table.name in self._broken:
                return
            self._broken.add(table.name)
        self._failures.add(f"TABLE DATA {table.name}", why, because=because)

    def _try(self, name: str, action: Callable[[], None], *, because: str = "") -> None:
        try:
            action()
        except SourceError as error:
            self._failures.add(name, error.why or error.message, because=because)


def _batches(items: Sequence[SequenceItem]) -> Iterator[Sequence[SequenceItem]]:
    return (items[start : start + _SEQUENCES_MAX] for start in range(0, len(items), _SEQUENCES_MAX))
