"""Rows put back: the differences of two snapshots staged on the target, compared there with what is live, planned, and written.

`prepare` changes nothing but temporary tables; `run` is one transaction, whose undo is durable before the first row is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

from vault.errors import Unreachable, UsageError, VaultError
from vault.model import Column, TableItem, TableName, TargetFacts
from vault.model.put_back import Decided, Fate, PutBackScope, StagedTable, StandingReference, StandingTable, WantedRows
from vault.model.words import counted
from vault.ops.diff.rows import TableChanges, changed_tables
from vault.ops.diff.scratch import Scratch
from vault.ops.put_back.plan import PutBackPlan
from vault.ops.put_back.scope import (
    Compared,
    PutBackRequest,
    missing_table,
    names,
    needed,
    ordered,
    refusals,
    related,
    require_root,
    staged_table,
)
from vault.ops.put_back.staged_rows import RowChooser, StagedRows
from vault.pipeline import copytext
from vault.ports_of_put_back import PutBackSession
from vault.repo.leaves import leaves, roots
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of


class UndoFile(Protocol):
    """Where the undo is written. Nothing is there before the first piece."""

    def write(self, piece: bytes) -> None: ...
    def finish(self) -> str:
        """Make it durable; returns what people are told to type to use it."""

    def discard(self) -> None:
        """Nothing was written after all. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The good snapshot, and the one with the damage. `scratch`, `key`: as for `diff`."""

    good: Snapshot
    evidence: Snapshot
    scratch: Scratch
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """What was done. `undo`: the file that takes it back; None if nothing was written."""

    plan: PutBackPlan
    decided: tuple[Decided, ...]
    undo: str | None

    @property
    def written(self) -> int:
        return sum(one.written for one in self.decided)

    @property
    def is_whole(self) -> bool:
        """Every row that was asked for came, or was there."""
        lacks = any(one.in_conflict or one.conflicts for one in self.decided)
        return not (lacks or self.plan.left or (self.plan.unseen and self.written))


Choose = Callable[[TableItem, Sequence[Column]], RowChooser]
"""What says which rows of a table of the good snapshot are meant; their fields are values of these columns."""


def prepare(
    states: States,
    session: PutBackSession,
    request: PutBackRequest,
    *,
    facts: TargetFacts,
    sample: int,
    choose: Choose | None = None,
) -> PutBackPlan:
    """Stage, compare, and say what would be done. `sample`: rows to show of each kind; `choose`: None means all rows

    Raises  NotThere: the table is not in the snapshot, or not on the target; UsageError, UnsafeError: as scope.require_fit;
            SourceError, Unreachable, IntegrityError
    """
    request = _through_root(states, request)
    staging = _Staging(states, session, request, choose)
    with staging:
        staging.stage_all()
    replica = facts.may_replicate and not request.fire
    scope = PutBackScope(
        tables=ordered(list(staging.staged.values()), staging.references),
        references=staging.references,
        wanted=request.wanted,
        evidence=request.evidence,
        xid=request.xid,
        with_references=request.with_references,
        fire=request.fire,
        replica=replica,
    )
    left = tuple(session.mark(scope))
    decided = tuple(session.decide(scope))
    own = scope.of(request.table)
    plan = PutBackPlan(
        table=request.table,
        scope=scope,
        decided=decided,
        left=left,
        came=staging.came,
        notes=tuple(staging.notes),
        unseen=tuple(staging.unseen),
    )
    if own is None:
        return plan
    partnerless = sum(one.fates.get(Fate.PARTNERLESS, 0) for one in decided)
    written = [one.table for one in decided if one.written]
    return replace(
        plan,
        writers=tuple(session.writers(own)),
        sampled=tuple(session.sample(own, sample)) if sample else (),
        needed=needed(left, partnerless),
        refused=tuple(refusals(scope, staging.standing, written)),
    )


def _through_root(states: States, request: PutBackRequest) -> PutBackRequest:
    """A partition's rows by the table that it is one of: the keys are its, and where a row lies by now nobody knows."""
    above = roots(states.good, request.table)
    if not above:
        return request
    meant = frozenset(item.name for item in leaves(states.good, request.table))
    now = next(iter(reversed(roots(states.evidence, request.table))), above[-1])
    return replace(request, table=now, leaves=meant)


class _Staging:
    """Which tables have rows that belong to what was asked for, and those rows on the target."""

    def __init__(self, states: States, session: PutBackSession, request: PutBackRequest, choose: Choose | None) -> None:
        self._states, self._session, self._request, self._choose = states, session, request, choose
        every = session.references()
        self._family = related(request.table, every)
        self.references: tuple[StandingReference, ...] = tuple(
            one for one in every if one.child in self._family or one.parent in self._family
        )
        self.standing: Mapping[TableName, StandingTable] = session.look(self._family)
        self.staged: dict[TableName, StagedTable] = {}
        self.came = 0
        self.notes: list[str] = []
        self.unseen: list[str] = []
        self._deleted: dict[TableName, int] = {}
        self._changes: dict[TableName, TableChanges] = {}
        self._stack = ExitStack()

    def __enter__(self) -> None:
        states = self._states
        found = changed_tables(
            states.good, states.evidence, chosen=self._family.__contains__, scratch=states.scratch, key=states.key
        )
        self._changes = {changes.name: self._stack.enter_context(changes) for changes in found}

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stage_all(self) -> None:
        """The table that was asked for, then whatever refers to deleted rows, and what rows that come may refer to."""
        table = self._request.table
        if table not in self.standing:
            raise missing_table(table, in_snapshot=table in self._changes or self._is_in_snapshot(table))
        require_root(self.standing[table])
        if table not in self._changes:
            if not self._is_in_snapshot(table):
                raise missing_table(table, in_snapshot=False)
            return
        waiting = [table]
        while waiting:
            one = waiting.pop()
            if one in self.staged or one not in self._changes or one not in self.standing:
                continue
            self._stage(one)
            waiting += self._next(one)

    def _is_in_snapshot(self, table: TableName) -> bool:
        return any(table in (item.name, item.load_via_root) for item in self._states.good.tables()) or any(
            address.kind == "table" and address.relation == table for address, _, _ in self._states.good.catalog().acls
        )

    def _next(self, one: TableName) -> Iterator[TableName]:
        """Children of what was deleted; parents of all that comes back."""
        for reference in self.references:
            if reference.parent == one and self._deleted[one] and self._request.wanted is not WantedRows.CHANGED:
                yield reference.child
            if reference.child == one:
                yield reference.parent

    def _stage(self, name: TableName) -> None:
        changes, asked = self._changes[name], name == self._request.table
        compared = Compared(
            name=name, columns=names(changes.columns), key=changes.key, only_before=names(changes.only_before)
        )
        try:
            staged = staged_table(len(self.staged) + 1, compared, self.standing[name], asked=asked)
        except VaultError as error:
            if asked:
                raise
            self.unseen.append(f"{name}: {error.why or error.message}")
            return
        chooser = self._chooser(changes, staged) if asked else None
        rows = StagedRows(
            changes,
            staged,
            compared.columns,
            wanted=self._request.wanted,
            chooser=chooser,
            leaves=self._request.leaves if asked else (),
        )
        self._session.stage(staged, rows, wanted=self._request.wanted)
        self.staged[name] = staged
        self._deleted[name] = rows.deleted
        if asked:
            self.came = rows.inserted
            if rows.left_out:
                self.notes.append(f"{name}: left out by --where: {counted(rows.left_out, 'row')} that were damaged too")
            if self._request.leaves:
                self.notes.append(
                    f"{name}: rows of {', '.join(map(str, sorted(self._request.leaves)))} alone, wherever they lie by now"
                )
            self.notes += _untold(changes)
            if staged.extra:
                self._session.stage_extra(staged, self._extra_rows(changes, staged), wanted=self._request.wanted)

    def _chooser(self, changes: TableChanges, staged: StagedTable) -> RowChooser | None:
        if self._choose is None:
            return None
        if staged.extra:
            raise UsageError(
                f"--where does not choose rows of {staged.name} for columns that are there again",
                why=f"{', '.join(staged.extra)} were dropped in between, so every row of the snapshot is compared",
                hint="leave --where out",
            )
        items = changes.items_before
        if not items or changes.before is None:
            return None  # no row of it is in the good snapshot
        try:
            return self._choose(replace(items[0], name=changes.before), changes.was)
        except UsageError as error:
            hidden = (*items[0].generated, *changes.only_before, *(old for old, _ in changes.unlike))
            if named := [column.name for column in hidden if f'"{column.name}"' in error.why]:
                error.hint = f"a condition sees what is compared of a row, and {', '.join(named)} is not: choose by other columns"
            raise

    def _extra_rows(self, changes: TableChanges, staged: StagedTable) -> Iterator[bytes]:
        """Of every row of the good snapshot the key and the columns that the evidence lacks."""
        good = self._states.good
        assert good.manifest.database is not None, "its tables were compared"
        old = {new.name: was.name for was, new in zip(changes.was, changes.columns, strict=True)}
        codec = codec_of(good.manifest.database.server.encoding)
        for item in changes.items_before:
            if self._request.leaves and item.name not in self._request.leaves:
                continue
            places = {column.name: at for at, column in enumerate(item.columns)}
            kept = [places[old.get(name, name)] for name in (*staged.key, *staged.extra)]
            rows = copytext.to_utf8(copytext.whole_rows(good.rows(item)), codec)
            yield from copytext.of_columns(rows, kept, len(item.columns))


def _untold(changes: TableChanges) -> Iterator[str]:
    """What of the table is not compared, in words."""
    for was, now in changes.unlike:
        yield f"{changes.name}: column {now.name} is not put back: its type was {was.type}, and is {now.type}"
    for name in changes.uncaptured:
        yield f"{changes.name}: rows of {name} are in one of the snapshots alone, and are not looked at"


def run(plan: PutBackPlan, session: PutBackSession, undo: UndoFile) -> PutBack:
    """Do what the plan says with the rows as they are now, or nothing.

    Raises  Incoherent: a table was altered since; Locked: others hold rows; SourceError; Unreachable: whether it was done is not
            known if `undo` was finished
    """
    scope, path = plan.scope, None
    decided: Sequence[Decided] = ()
    committing = False
    try:
        with session.writing(scope):
            decided = session.decide(scope)
            if any(one.written for one in decided):
                for piece in session.undo(scope):
                    undo.write(piece)
                path = undo.finish()
                session.write(scope)
                committing = True
    except BaseException as error:
        if committing and isinstance(error, Unreachable | KeyboardInterrupt):
            raise _unknown(path or "") from error
        undo.discard()
        raise
    return PutBack(plan=plan, decided=tuple(decided), undo=path)


def _unknown(path: str) -> Unreachable:
    return Unreachable(
        "whether the rows were put back is not known",
        why="the connection ended while the server was asked to commit",
        hint=f"run the command again: rows that are back are left; what undoes it: {path}",
    )
