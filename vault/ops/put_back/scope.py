"""Which tables one put back is about, in which order, and why it is refused. Pure. Spec 76-selection, "Putting rows back"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vault.errors import NotThere, PermissionMissing, UnsafeError, UsageError
from vault.model import Column, TableName
from vault.model.put_back import (
    Evidence,
    LeftOut,
    PutBackScope,
    StagedTable,
    StandingReference,
    StandingTable,
    WantedRows,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBackRequest:
    """What was asked for. `xid`: with Evidence.TRANSACTION; the others as in PutBackScope.

    leaves  rows of these partitions of the table alone, as the good snapshot has them; empty: all of it
    """

    table: TableName
    wanted: WantedRows
    evidence: Evidence
    xid: int | None = None
    with_references: bool = False
    fire: bool = False
    leaves: frozenset[TableName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What two snapshots have in common of a table: columns by their names in the later one, and the key of both."""

    name: TableName
    columns: tuple[str, ...]
    key: tuple[str, ...]
    only_before: tuple[str, ...] = ()


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def related(table: TableName, references: Sequence[StandingReference]) -> frozenset[TableName]:
    """The table, and all that refer to each other with it, at however many removes."""
    found, waiting = {table}, [table]
    while waiting:
        one = waiting.pop()
        ends = (end for reference in references for end in _others(reference, one))
        for end in ends:
            if end not in found:
                found.add(end)
                waiting.append(end)
    return frozenset(found)


def _others(reference: StandingReference, one: TableName) -> Iterator[TableName]:
    if reference.child == one:
        yield reference.parent
    if reference.parent == one:
        yield reference.child


def ordered(tables: Collection[StagedTable], references: Sequence[StandingReference]) -> tuple[StagedTable, ...]:
    """Parents before their children; in a circle by name."""
    left = {table.name: table for table in sorted(tables, key=lambda table: table.name)}
    placed: list[StagedTable] = []
    while left:
        waits = {
            reference.child
            for reference in references
            if reference.child in left and reference.parent in left and reference.parent != reference.child
        }
        free = [name for name in left if name not in waits] or [next(iter(left))]
        placed += [left.pop(name) for name in free]
    return tuple(placed)


def staged_table(number: int, compared: Compared, standing: StandingTable, *, asked: bool) -> StagedTable:
    """What can be written of it. Raises  UnsafeError, UsageError: nothing, and why"""
    require_fit(compared, standing)
    there = standing.by_name
    kept = tuple(name for name in compared.columns if name in there and not there[name].computed)
    extra = tuple(name for name in compared.only_before if name in there and not there[name].computed) if asked else ()
    return StagedTable(number=number, standing=standing, columns=kept, key=compared.key, extra=extra, asked=asked)


def require_fit(compared: Compared, standing: StandingTable) -> None:
    """Raises  UsageError: rows cannot be told from each other; PermissionMissing; UnsafeError: looking would run foreign code"""
    table = standing.name
    whole = f"pgvault restore SNAP --only {table}: what is missing comes, whole rows compared; with -c all that differs"
    patch = f"a patch for psql that turns the whole table back: pgvault diff LATER SNAP --table {table} --format sql"
    if not compared.key:
        raise UsageError(
            f"single rows of {table} cannot be put back",
            why="it has no key that both snapshots have, so nobody can tell which row became which",
            hint=f"{whole}; or {patch}",
        )
    require_root(standing)
    wanted = set(compared.key)
    if not any(set(key) == wanted for key in standing.keys):
        raise UsageError(
            f"single rows of {table} cannot be put back",
            why=f"its key ({', '.join(compared.key)}) is not there any more",
            hint=f"create it again as a unique index, or {whole}",
        )
    if "BYPASSRLS" in standing.lacking:
        raise PermissionMissing(
            f"rows of {table}",
            why="its row-level security would hide some from this role, and nothing is ever done through it",
            hint="connect as the table's owner, a superuser, or a role with BYPASSRLS",
        )
    if standing.lacking:
        raise PermissionMissing(
            f"rows of {table}",
            why=f"this role has no right to {', '.join(standing.lacking)}",
            hint="connect as the table's owner, or grant it",
        )
    if standing.barred:
        raise UnsafeError(
            f"{table} is not looked at",
            why=f"that would run {standing.barred}, which somebody else owns, with your rights",
            hint=whole,
        )


def require_root(standing: StandingTable) -> None:
    """Raises  UsageError: it is a partition"""
    if standing.partition:
        raise UsageError(
            f"{standing.name} is a partition",
            why="it was none in the snapshot, so its rows were those of another table",
            hint="name the table that it was one of, or detach it",
        )


def missing_table(table: TableName, *, in_snapshot: bool) -> NotThere:
    if in_snapshot:
        return NotThere(
            f"table {table} is not there to get rows back",
            hint=f"bring it with its definition and all rows: pgvault restore SNAP --only {table}",
        )
    return NotThere(f"no table {table} in the snapshot", hint="list them with: pgvault show SNAP")


def refusals(
    scope: PutBackScope, standing: Mapping[TableName, StandingTable], written: Collection[TableName]
) -> Iterator[str]:
    """Why tables of `written` cannot get rows, in words; `standing` of all that foreign keys lead to."""
    for table in scope.tables:
        if table.name not in written:
            continue
        here = table.standing
        if scope.fire:
            continue
        if scope.replica and here.always:
            yield f"{table.name}: {', '.join(here.always)} would fire in spite of session_replication_role (--fire-triggers allows it)"
        if not scope.replica and (rules := [one for one in here.others if one.startswith("rule ")]):
            yield f"{table.name}: {', '.join(rules)} would act, and this role may not switch that off (--fire-triggers allows it)"
        if scope.replica:
            yield from _unverifiable(scope, table, standing)


def _unverifiable(
    scope: PutBackScope, table: StagedTable, standing: Mapping[TableName, StandingTable]
) -> Iterator[str]:
    """Foreign keys that would be off, and that we could not look after."""
    for reference in scope.references:
        if reference.child != table.name:
            continue
        parent = standing.get(reference.parent)
        if reference.of_leaf:
            yield f"{table.name}: foreign key {reference.name} is that of one partition (--fire-triggers has the server verify it)"
        elif parent is None or parent.barred or "SELECT" in parent.lacking or "BYPASSRLS" in parent.lacking:
            yield f"{table.name}: {reference.parent}, to which {reference.name} refers, may not be looked at"


def needed(left: Sequence[LeftOut], partnerless: int) -> tuple[TableName, ...]:
    """Parents whose rows have to come first; none, if what lacks its partner could not be helped by them."""
    return tuple(sorted({one.reference.parent for one in left if one.needed})) if partnerless else ()
