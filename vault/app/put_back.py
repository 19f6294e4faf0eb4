"""Single rows put back, without a terminal: asked for, planned against an open target, run.

Nothing is written before `run`. What is run is what was planned, with the rows as they are by then.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from vault.app import wiring
from vault.app.database import ChosenDatabase
from vault.app.diff import scratch
from vault.app.restore import RestoreFlags, RestoreRequest
from vault.app.state import state_directory
from vault.app.undo_file import StateUndoFile
from vault.errors import Unreachable, UnsafeError, UsageError
from vault.model import TableName
from vault.model.put_back import Evidence, WantedRows
from vault.ops.view.table import find_table
from vault.sql.names import one_line, show_name, split_name

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ids import SnapshotId
    from vault.model import Column, TableItem
    from vault.ops.put_back.plan import PutBackPlan
    from vault.ops.put_back.run import Choose, PutBack
    from vault.ops.query.rows import RowMatcher
    from vault.ports import Progress
    from vault.ports_of_put_back import PutBackSession
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Indexed, Open

_EVIDENCE: Final = (
    "take a snapshot of the damage (pgvault backup) and add --damaged-by latest; or name the transaction with --xid N (--even-if-changed"
    " --dry-run shows which wrote what); or choose rows with --where EXPR; or add --even-if-changed: both overwrite later work too"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFlags:
    """The command's flags about single rows, as typed. `sample`: how many rows the plan shows; None: it depends on who looks."""

    rows: str | None = None
    damaged_by: str | None = None
    xid: int | None = None
    even_if_changed: bool = False
    where: str | None = None
    with_references: bool = False
    fire_triggers: bool = False
    sample: int | None = None

    @property
    def named(self) -> str:
        """The first of them that is only about single rows, as it is typed."""
        flags = {
            "--damaged-by": self.damaged_by is not None,
            "--xid": self.xid is not None,
            "--even-if-changed": self.even_if_changed,
            "--where": self.where is not None,
            "--with-references": self.with_references,
            "--fire-triggers": self.fire_triggers,
            "--sample": self.sample is not None,
        }
        return next((name for name, given in flags.items() if given), "")


def check(rows: RowFlags, restore: RestoreFlags) -> TableName | None:
    """The table that they are about; None: its schema is not named. Raises  UsageError: what cannot be meant, and what to type"""
    if rows.rows is None:
        raise UsageError(f"{rows.named} is about single rows", hint="add --rows missing, changed or all")
    others = {"-s": restore.schema_only, "-a": restore.data_only, "-c": restore.clean, "--dir": restore.directories}
    for name, given in others.items():
        if given:
            raise UsageError(f"--rows and {name} exclude each other", hint=f"leave {name} out")
    if len(restore.only) != 1 or len(parts := split_name(restore.only[0])) > 2:
        raise UsageError("--rows is about one table", hint="name it: --only SCHEMA.TABLE")
    evidence = [name for name, given in (("--damaged-by", rows.damaged_by), ("--xid", rows.xid)) if given is not None]
    if len(evidence) + rows.even_if_changed > 1:
        raise UsageError("--damaged-by, --xid and --even-if-changed exclude each other", hint="keep one of them")
    if not evidence and not rows.even_if_changed and rows.where is None:
        raise UsageError(
            "nothing says which rows are the damage", why="later changes of the same rows would be lost", hint=_EVIDENCE
        )
    if rows.xid is not None and rows.rows != WantedRows.CHANGED.value:
        raise UsageError(
            "--xid tells of overwritten rows alone",
            why="a deleted row does not say who deleted it",
            hint="add --rows changed; for deleted rows --damaged-by SNAP",
        )
    return TableName(schema=parts[0], name=parts[1]) if len(parts) == 2 else None


def _require_schema(snapshot: Snapshot, word: str) -> None:
    """Of a table that is named alone the name with its schema is told. Raises  UsageError; NotThere: no such table, with what is like it"""
    if len(split_name(word)) < 2:
        name = show_name(find_table(snapshot, word).name)
        raise UsageError(
            f"--only {one_line(word)} names no schema",
            why="rows are put back into the one table that is named whole",
            hint=f"did you mean --only {shlex.quote(name)}?",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPutBack:
    """A plan, and the session that has its rows staged."""

    settings: Settings
    good: Snapshot
    evidence: Snapshot
    plan: PutBackPlan
    session: PutBackSession

    def run(self) -> PutBack:
        """Raises  UnsafeError: the plan is refused; StateUnusable: the undo cannot be written; as ops.put_back.run"""
        from vault.ops.put_back.run import run

        self.require_allowed()
        now = datetime.fromtimestamp(wiring.SystemClock().now_ms() / 1000, UTC)
        stem = f"{now:%Y%m%dT%H%M%SZ}-{show_name(self.plan.table)}"
        return run(self.plan, self.session, StateUndoFile(state_directory(self.settings), stem))

    def require_allowed(self) -> None:
        """Raises  UnsafeError"""
        from vault.ops.put_back.plan import refusals

        for why in refusals(self.plan):
            hint = "add --with-references" if "--with-references" in why else ""
            raise UnsafeError(f"rows of {self.plan.table} are not put back", why=why, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStates:
    """The repository with the good snapshot and the evidence, and the databases that it has snapshots of, each with its source."""

    repository: Open
    good: Snapshot
    evidence: Snapshot
    kind: Evidence
    sources: Mapping[tuple[str, int], str]


@contextmanager
def open_states(
    settings: Settings, snapshot: str, asked: RestoreRequest, *, rows: RowFlags, progress: Progress
) -> Iterator[OpenedStates]:
    """Without a snapshot of the damage, the live database is captured as one that nobody keeps.

    Raises  NotThere; UsageError: the evidence is of another source, or not later than the good snapshot; as `live.captured`
    """
    from vault.app import live
    from vault.repo.lineage import sources_of

    opened = wiring.open_repository(settings, copies=rows.damaged_by is not None)
    good_id = wiring.named_for_certain(settings, opened, snapshot)
    sources = sources_of(opened.snapshots())
    if rows.damaged_by is not None:
        indexed = opened.indexed(settings.cache_dir, at_opening=True)
        read = _heard(indexed, progress)
        good = read(good_id)
        _require_schema(good, asked.flags.only[0])
        evidence = read(wiring.named_for_certain(settings, opened, rows.damaged_by))
        _require_later(good, evidence)
        yield OpenedStates(repository=opened, good=good, evidence=evidence, kind=Evidence.SNAPSHOT, sources=sources)
        return
    manifest = opened.manifest(good_id)
    if check(rows, asked.flags) is None:
        _require_schema(opened.indexed(settings.cache_dir).known(good_id, manifest), asked.flags.only[0])
    chosen = ChosenDatabase(conninfo=asked.conninfo, variables=asked.variables)
    with ExitStack() as stack:
        try:
            indexed, live_id = stack.enter_context(
                live.captured(
                    settings,
                    opened,
                    chosen,
                    selection=manifest.selection,
                    allow_cleartext=asked.allow_cleartext,
                    progress=progress,
                )
            )
        except Unreachable as error:
            error.advise(asked.advice)
            raise
        read = _heard(indexed, progress)
        yield OpenedStates(
            repository=opened,
            good=read(good_id),
            evidence=read(live_id),
            kind=Evidence.NONE if rows.xid is None else Evidence.TRANSACTION,
            sources=sources,
        )


def _heard(indexed: Indexed, progress: Progress) -> Callable[[SnapshotId], Snapshot]:
    """What opens a snapshot of which every byte that is read is told."""
    from vault.repo.snapshot import Snapshot

    reader = indexed.reader()
    reader.tally.heard = progress.advance
    return lambda found: Snapshot(found, indexed.open.manifest(found), reader)


def _require_later(good: Snapshot, evidence: Snapshot) -> None:
    if evidence.manifest.source != good.manifest.source:
        raise UsageError(
            "--damaged-by names a snapshot of another source",
            why=f"the good one is of {good.manifest.source}, the other of {evidence.manifest.source}",
            hint="list them with: pgvault snapshots",
        )
    if evidence.manifest.sequence <= good.manifest.sequence:
        raise UsageError(
            "the snapshot with the damage is not later than the good one",
            hint="pgvault restore GOOD ... --damaged-by LATER; pgvault snapshots lists them in order",
        )


@contextmanager
def open_put_back(
    settings: Settings, opened: OpenedStates, asked: RestoreRequest, *, rows: RowFlags, progress: Progress
) -> Iterator[PlannedPutBack]:
    """Connect, stage, compare, plan.

    Raises  UsageError, NotThere, UnsafeError: as `check`, and as ops.put_back.run.prepare; the target is a source
    """
    from vault.ops.diff.rows import KEY_BYTES
    from vault.ops.put_back.run import States, prepare
    from vault.ops.put_back.scope import PutBackRequest

    table = check(rows, asked.flags)
    assert table is not None, "`open_states` has looked"
    state_directory(settings).make()  # before anything is done: the undo will be written there
    settings = settings.with_variables(asked.variables)
    assert asked.conninfo is not None, "a table is named, so a database is"
    with wiring.open_put_back_target(
        settings, asked.conninfo, allow_cleartext=asked.allow_cleartext, advice=asked.advice
    ) as target:
        _refuse_source(target.facts.database_key, opened.sources, asked.flags)
        request = PutBackRequest(
            table=table,
            wanted=WantedRows(rows.rows),
            evidence=opened.kind,
            xid=rows.xid,
            with_references=rows.with_references,
            fire=rows.fire_triggers,
        )
        states = States(
            good=opened.good,
            evidence=opened.evidence,
            scratch=scratch(settings),
            key=wiring.system_entropy(KEY_BYTES),
        )
        session = target.put_back()
        with _choice(settings, opened.good, rows.where, progress) as choose:
            progress.stage(f"comparing rows of {show_name(table)}, here and in the database")
            plan = prepare(states, session, request, facts=target.facts, sample=rows.sample or 0, choose=choose)
        yield PlannedPutBack(settings=settings, good=opened.good, evidence=opened.evidence, plan=plan, session=session)


@contextmanager
def _choice(settings: Settings, good: Snapshot, condition: str | None, progress: Progress) -> Iterator[Choose | None]:
    """What evaluates --where: PostgreSQL, in a throwaway server, so that nothing of it reaches the target."""
    if condition is None:
        yield None
        return
    from vault.app.query import row_matcher
    from vault.ops.query.rows import RowQuery

    with ExitStack() as stack:

        def choose(item: TableItem, columns: Sequence[Column]) -> RowMatcher:
            query = RowQuery(good, item)
            query.columns = tuple(columns)
            matcher = row_matcher(settings, good, query, condition=condition, notify=progress.stage)
            return stack.enter_context(matcher)

        yield choose


def _refuse_source(key: tuple[str, int], sources: Mapping[tuple[str, int], str], flags: RestoreFlags) -> None:
    if key in sources and not flags.into_source:
        raise UnsafeError(
            "the target is a source of this repository",
            why=f"it is backed up here as {sources[key]}",
            hint="add --into-source if rows shall go back into that very database",
        )
