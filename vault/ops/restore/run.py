"""Run a restore plan: roles, definitions, rows, what comes after rows, privileges, and last what would fire or recompute.

An entry that fails never stops the rest: it is recorded, and the restore counts as incomplete. A lost connection or a damaged
snapshot ends it. Invariant: from the moment a table can hold rows it has its owner, no grants, and its row security.
Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vault.errors import NotThere, SourceError
from vault.model import Identity, MergedRows, SchemaEntry, TableName
from vault.ops.restore import cluster
from vault.ops.restore.causes import Causes
from vault.ops.restore.failures import Failure, Failures
from vault.ops.restore.large_objects import create_large_objects
from vault.ops.restore.plan.contents import Contents, Item
from vault.ops.restore.plan.decision import Action
from vault.ops.restore.plan.extensions import Extensions
from vault.ops.restore.plan.graph import EntryGraph
from vault.ops.restore.plan.steps import ExchangeSteps, RestorePlan
from vault.ops.restore.referring_rows import Beside, cut_off_rows, lost_by_key, lost_rows
from vault.ops.restore.routine_circles import Circles
from vault.ops.restore.rows import RowLoader
from vault.ops.restore.schedule import Schedule
from vault.ops.restore.search_path import search_paths
from vault.ops.restore.sessions import Sessions, watched
from vault.ports import Progress, Target, TargetSession
from vault.repo.snapshot import Snapshot
from vault.sql import privileges, sqlstate, statements
from vault.sql.roles import standard_public

_MADE_BESIDE: Final = "made as "
_TOGETHER: Final = frozenset({"TABLE", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT", "TABLE ATTACH", "COMMENT"})
"""There are many of them, each is short work, and all may run in one transaction."""
_TOGETHER_MAX: Final = 20
"""Entries in one transaction, which holds the locks of all: four a table with an identity."""
_MAY_COME_LATER: Final = sqlstate.NOT_FOUND | {sqlstate.INSUFFICIENT_PRIVILEGE, sqlstate.INVALID_SCHEMA_NAME}
"""Who may not use a schema is told that what is in it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """`tables` and `rows` that were loaded; `entries` executed. Empty `failed` = everything planned is there, as recorded.

    `merged`: what became of the rows of tables that were there; `beside`: what refers to them and is not as in the snapshot.
    """

    tables: int
    rows: int
    entries: int
    failed: tuple[Failure, ...]
    merged: Mapping[TableName, MergedRows] = field(default_factory=dict)
    large_objects: int = 0
    beside: tuple[Beside, ...] = ()


def gather(snapshot: Snapshot) -> Contents:
    """Read from a snapshot what a plan needs. Raises  IntegrityError; NotThere: it holds no database"""
    database = snapshot.manifest.database
    if database is None:
        raise NotThere("the snapshot holds no database", hint="choose another with: pgvault snapshots")
    order = snapshot.order()
    return Contents(
        server=database.server,
        items=tuple(
            Item(entry=entry, needs=item.needs) for item, entry in zip(order, snapshot.entries(order), strict=True)
        ),
        roles=snapshot.roles(),
        tables=tuple(snapshot.tables()),
        sequences=database.sequences.sums.items,
        large_objects=database.large_objects.sums.items,
        catalog=snapshot.catalog(),
    )


def run(plan: RestorePlan, snapshot: Snapshot, *, target: Target, progress: Progress, jobs: int = 2) -> RestoreReport:
    """Restore, over `jobs` connections. The caller closes `target`, also after an error.

    Raises  IntegrityError: the snapshot is damaged; Unreachable: the target was lost. Both leave a part of the restore behind
    """
    failures = Failures(progress)
    for name, why in plan.refused:
        failures.add(name, why, known=True)
    contents = plan.contents
    paths = search_paths(contents.roles, {entry.owner for entry in contents.entries})
    meant = contents.meanings(plan.target.version_num)
    opened = Sessions(
        target,
        encoding=contents.server.encoding,
        jobs=jobs,
        search_paths=paths,
        meanings=meant,
        stopping=failures.stop,
    )
    with opened as sessions, watched(target, progress):
        restore = _Restore(plan, sessions, failures, progress)
        rows = RowLoader(plan, snapshot, sessions=sessions, failures=failures, progress=progress)
        progress.stage("roles")
        with sessions.borrow() as session:
            cluster.create_roles(plan, session, failures)
            cluster.set_settings(plan, session, failures, here=False)
        restore.create_definitions()
        restore.exchange_all(rows, after_rows=False)
        rows.load_tables(restore.failed)
        rows.compare_generated()
        rows.set_sequences()
        with sessions.borrow() as session:
            large_objects = create_large_objects(plan, snapshot, session, failures)
        restore.create_after_rows()
        restore.exchange_all(rows, after_rows=True)
        rows.load_refused()
        rows.verify_references()
        restore.set_privileges()
        restore.finish()
        rows.load_late(restore.failed)
        rows.load_refused()
        rows.finish_checks()
        sessions.flush()
        with sessions.borrow() as session:
            fewer = lost_rows(plan, session)
            brought = {name for name, done in rows.merged.items() if done.added or done.changed}
            lost = (*fewer, *lost_by_key(plan, snapshot, session, brought=brought, told=fewer))
            beside = (*lost, *cut_off_rows(plan, snapshot, session, lost=lost, brought=brought))
    for table in beside:
        if table.asked:
            failures.add(f"TABLE DATA {table.table}", f"{table.why}; -c brings them")
    return RestoreReport(
        tables=rows.tables,
        rows=rows.rows,
        entries=restore.entries,
        failed=failures.all(),
        merged=rows.merged,
        large_objects=large_objects,
        beside=beside,
    )


class _Restore:
    """Entries, roles and settings of one run. `failed` holds positions of entries that are missing or weaker."""

    def __init__(self, plan: RestorePlan, sessions: Sessions, failures: Failures, progress: Progress) -> None:
        self._plan = plan
        self._contents = plan.contents
        self._graph = EntryGraph(plan.contents)
        self._extensions = Extensions.of(plan.contents.catalog, plan.target)
        self._sessions = sessions
        self._failures = failures
        self._progress = progress
        self._causes = Causes(plan, self._graph, failures)
        self.failed = self._causes.failed
        self._done: set[int] = set()
        self._waiting = set(plan.definitions.before_rows)
        self._circles = Circles(plan.contents, self._waiting)
        self._postponed: list[int] | None = None
        """While what comes after the rows is created: entries that failed for want of a privilege or a name."""
        self._unowned: dict[int, str] = {}
        """What its owner was refused for, with the reason."""

    @property
    def entries(self) -> int:
        return len(self._done)

    def create_definitions(self) -> None:
        self._progress.stage("definitions")
        with self._sessions.borrow() as session:
            if self._plan.fresh and self._plan.options.wanted.everything:
                self._try("SCHEMA public", partial(self._prepare_public, session))
            for positions in self._runs(self._plan.definitions.before_rows):
                self._create_together(session, positions)

    def _runs(self, positions: Iterable[int]) -> Iterator[list[int]]:
        """Entries that may be made together, and each other one by itself; in the order given."""
        run: list[int] = []
        for at in positions:
            plain = self._is_plain(at)
            if run and (not plain or len(run) == _TOGETHER_MAX):
                yield run
                run = []
            run.append(at)
            if not plain:
                yield run
                run = []
        if run:
            yield run

    def _create_together(self, session: TargetSession, positions: Sequence[int]) -> None:
        """In one transaction if nothing special is done with any of them; else, or if one fails, each by itself."""
        if len(positions) > 1 and session.create_together([self._contents.items[at].entry for at in positions]):
            self._done.update(positions)
            self._waiting.difference_update(positions)
            return
        for at in positions:
            self._create(session, at)

    def _is_plain(self, at: int) -> bool:
        """Whether `_create` would hand the entry to the session as it is."""
        entry, decision = self._contents.items[at].entry, self._plan.decisions[at]
        special = self._plan.definitions.row_security.get(at) or self._after_version(entry)
        exchanged = decision.action is Action.REPLACE or self._circles.provisional(at) is not None
        return entry.identity.desc in _TOGETHER and not special and not exchanged

    def create_after_rows(self) -> None:
        self._progress.stage("indexes, constraints, policies")
        schedule = Schedule(self._contents.items, self._plan.definitions.after_rows)
        self._postponed = []
        self._sessions.parallel(schedule.tasks(self._create_borrowing))
        self._serial(self._plan.definitions.attachments)

    def set_privileges(self) -> None:
        """Then once more what needs them: an index is built as its table's owner, who may only now use a function's schema."""
        self._progress.stage("privileges")
        postponed, self._postponed = sorted(self._postponed or ()), None
        with self._sessions.borrow() as session:
            for entry in self._plan.access.drops:
                self._try(f"POLICY {entry.tag}", partial(session.run, [entry.drop]))
            for identity in self._plan.access.resets:
                self._try(f"ACL {'.'.join(identity.names)}", partial(self._reset, session, identity))
        self._serial(self._plan.access.privileges)
        self._serial(tuple(postponed))
        self._set_owners()

    def finish(self) -> None:
        """What would fire or recompute, then settings of the database."""
        self._progress.stage("event triggers and materialized views")
        self._serial(self._plan.definitions.last)
        with self._sessions.borrow() as session:
            cluster.set_settings(self._plan, session, self._failures, here=True)

    def _serial(self, positions: tuple[int, ...]) -> None:
        with self._sessions.borrow() as session:
            for at in positions:
                self._create(session, at)

    def _create_borrowing(self, at: int) -> None:
        with self._sessions.borrow() as session:
            self._create(session, at)

    def _create(self, session: TargetSession, at: int) -> None:
        entry = self._contents.items[at].entry
        name = entry.label
        needs = self._contents.items[at].needs
        if self._postponed is not None and not set(self._postponed).isdisjoint(needs):
            self._postponed.append(at)
            return
        missing = self._causes.missing(needs)
        if entry.identity.desc == "FK CONSTRAINT" and missing:
            needed = self._contents.items[min(missing)].entry
            cause = needed.label
            self._fail(at, name, f"not created: it needs {cause}, which failed", because=cause)
            return
        early = self._plan.definitions.row_security.get(at, ())
        try:
            then = [self._contents.items[position].entry.definition for position in early]
            notes = self._create_or_replace(session, at, [*then, *self._after_version(entry)])
        except SourceError as error:
            if self._circles.open(session, at, error):
                self._create(session, at)
                return
            if self._postponed is not None and error.sqlstate in _MAY_COME_LATER:
                self._postponed.append(at)
                return
            weaker = self._weaker(session, at, error)
            cause = self._causes.of_weaker(at) if weaker else self._causes.of(at, error)
            why = weaker or error.why or error.message
            if self._circles.is_left(session, at):
                why += "; what is there under its name does nothing, and others call it"
            self._fail(at, name, why, because=cause, state=error.sqlstate)
            return
        self._done.update((at, *early))
        self._waiting.difference_update((at, *early))
        for note in notes:
            if note.startswith(f"owner {entry.owner} not set"):
                self._unowned[at] = note
            else:
                self._failures.add(name, note)
                if note.startswith(_MADE_BESIDE):
                    self._causes.beside.add(at)

    def _set_owners(self) -> None:
        """Once more, where it was refused: the new owner must be allowed to create in the schema, which a grant may tell."""
        with self._sessions.borrow() as session:
            for at, note in sorted(self._unowned.items()):
                entry = self._contents.items[at].entry
                statement = statements.set_owner(entry)
                try:
                    session.run([] if statement is None else [statement])
                except SourceError:
                    self._failures.add(entry.label, note)

    def _create_or_replace(self, session: TargetSession, at: int, then: list[str]) -> Sequence[str]:
        entry, decision = self._contents.items[at].entry, self._plan.decisions[at]
        if decision.action is Action.REPLACE and decision.present is not None:
            if entry.identity.desc == "ACL":
                self._reset(session, entry.identity)
                return session.create(entry, then=then)
            return session.replace(entry, decision.present, again=self._again(at))
        if (stand_in := self._circles.provisional(at)) is not None:
            notes = session.replace(entry, stand_in)
            self._reset(session, entry.identity)
            return notes
        versioned = self._extensions.executed(entry)
        if versioned is entry:
            return session.create(entry, then=then)
        try:
            return session.create(versioned, then=then)
        except SourceError as error:
            notes = session.create(entry, then=then)
            return [*notes, f"the recorded version could not be installed, the default was: {error.why}"]

    def exchange_all(self, rows: RowLoader, *, after_rows: bool) -> None:
        for steps in self._plan.exchanges:
            if self._waits_for_keys(steps) == after_rows:
                self._exchange(steps, rows)

    def _waits_for_keys(self, steps: ExchangeSteps) -> bool:
        """Whether it holds no rows, and needs what comes after them: a view that groups by a primary key does."""
        after = {*self._plan.definitions.after_rows, *self._plan.definitions.attachments}
        needs = (need for at in steps.exchange.entries for need in self._contents.items[at].needs)
        return not steps.tables and not steps.sequences and not after.isdisjoint(needs)

    def _exchange(self, steps: ExchangeSteps, rows: RowLoader) -> None:
        """Drop and create anew in one transaction, with rows and values; where anything of it fails, all is as it was."""
        notes: list[tuple[str, str]] = []
        try:
            with self._sessions.borrow() as session, session.together():
                session.run(steps.exchange.drops)
                for at in steps.definitions:
                    early = [
                        self._contents.items[position].entry.definition for position in steps.row_security.get(at, ())
                    ]
                    notes += self._anew(session, at, early)
                for table in steps.tables:
                    rows.load_all(session, table)
                rows.set_values(session, steps.sequences)
                for at in steps.then:
                    notes += self._anew(session, at, [])
        except SourceError as error:
            rows.forget(steps.tables)
            self.failed.update(steps.exchange.entries)
            why = f"not replaced, all is as it was: {error.message}: {error.why}"
            for at in steps.exchange.replaced:
                entry = self._contents.items[at].entry
                self._failures.add(entry.label, why)
            cause = self._contents.items[steps.exchange.replaced[0]].entry.label
            for at in steps.exchange.awaited:
                label = self._contents.items[at].entry.label
                self._failures.add(label, f"not created: it goes with {cause}, which was not replaced", because=cause)
            return
        self._done.update(steps.exchange.entries)
        for name, note in notes:
            self._failures.add(name, note)

    def _anew(self, session: TargetSession, at: int, then: list[str]) -> list[tuple[str, str]]:
        entry = self._contents.items[at].entry
        notes = session.create(entry, then=[*then, *self._after_version(entry)])
        return [(entry.label, note) for note in notes]

    def _again(self, at: int) -> list[str]:
        """What goes with a function or view if it has to be dropped for being replaced."""
        parts = self._graph.parts(at)
        positions = (*parts, *(position for part in (at, *parts) for position in self._graph.about(part)))
        return [
            self._contents.items[position].entry.definition
            for position in positions
            if position in self._plan.decisions
        ]

    def _reset(self, session: TargetSession, identity: Identity) -> None:
        session.reset_privileges(identity.kind, identity.names, identity.args)

    def _after_version(self, entry: SchemaEntry) -> list[str]:
        before, after = self._contents.server.version_num, self._plan.target.version_num
        return privileges.without_maintain(entry.identity, before=before, after=after)

    def _weaker(self, session: TargetSession, at: int, why: SourceError) -> str | None:
        try:
            return session.create_weaker(self._contents.items[at].entry, why)
        except SourceError:
            return None

    def _fail(self, at: int, name: str, why: str, *, because: str = "", state: str = "") -> None:
        self.failed.add(at)
        self._failures.add(name, why, because=because, state=state)

    def _prepare_public(self, session: TargetSession) -> None:
        """As initdb leaves it: pg_dump records the schema only where it differs from that."""
        version_num = self._plan.target.version_num
        session.run(standard_public(version_num))
        session.reset_privileges("schema", ["public"])

    def _try(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except SourceError as error:
            self._failures.add(name, error.why or error.message)
