"""What refers to restored rows and is not as in the snapshot: lost by a cascade, or cut off by SET NULL. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from vault.errors import SourceError
from vault.model import Cut, TableItem, TableName
from vault.ops.restore.plan.contents import rows_of
from vault.ops.restore.plan.referring_tables import Reference
from vault.ops.restore.plan.steps import RestorePlan
from vault.ops.restore.some_columns import columns_of
from vault.ports import TargetSession
from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A table whose rows refer to what comes. `why`: what is not as in the snapshot, in words; `asked`: they should have come.

    `replace`: only replacement of its rows (-c) brings it.
    """

    table: TableName
    why: str
    asked: bool = False
    replace: bool = False


def lost_rows(plan: RestorePlan, session: TargetSession) -> tuple[Beside, ...]:
    """Tables that nobody asked for and that have fewer rows than in the snapshot. Raises Unreachable"""
    told: dict[TableName, Beside] = {}
    unasked = {
        reference.child: reference for reference in plan.row_steps.references if not reference.asked and reference.rows
    }
    try:
        there = session.count_rows(sorted(unasked))
    except SourceError as error:
        why = f"could not be counted: {error.why or error.message}"
        return tuple(Beside(table=name, why=why) for name in sorted(unasked))
    for name, reference in sorted(unasked.items()):
        if name not in there:
            reasons = "it may not be read, or counting would run somebody else's code, or it is not there"
            told[name] = Beside(table=name, why=f"{reference.how}, and was not counted: {reasons}")
        elif there[name] < reference.rows:
            told[name] = Beside(
                table=name, why=f"{reference.how}, and has {there[name]} rows, {reference.rows} in the snapshot"
            )
    return tuple(told.values())


def lost_by_key(
    plan: RestorePlan,
    snapshot: Snapshot,
    session: TargetSession,
    *,
    brought: Collection[TableName],
    told: Iterable[Beside],
) -> Iterator[Beside]:
    """The same where a table has other rows instead: those of the snapshot are looked for by their key, as far down as any are missing.

    brought  tables that got rows back
    told     what `lost_rows` says
    Raises   Unreachable; IntegrityError
    """
    lost, seen = set(brought), {loser.table for loser in told}
    unasked = [
        reference
        for reference in plan.row_steps.references
        if not reference.asked and reference.rows and not _is_told_as_cut_off(reference)
    ]
    waiting: list[Reference] = []
    while len(waiting) != len(unasked):
        waiting, unasked = unasked, []
        for reference in waiting:
            if lost.isdisjoint(reference.parents):
                unasked.append(reference)
                continue
            if reference.child not in seen:
                seen.add(reference.child)
                beside = _missing(snapshot, session, reference)
                if beside is None:
                    continue
                yield beside
            lost.update(item.name for item in reference.items)


def _is_told_as_cut_off(reference: Reference) -> bool:
    """Rows without a key, of which `cut_off_rows` says so."""
    return bool(reference.cuts_off) and not any(item.told_by for item in reference.items)


def _missing(snapshot: Snapshot, session: TargetSession, reference: Reference) -> Beside | None:
    refers = f"{reference.how}, and"
    try:
        missing = 0
        for item in reference.items:
            if item.told_by and rows_of(item):
                narrow, blocks = columns_of(snapshot, item, set(item.told_by))
                missing += session.foresee(narrow, blocks, rows=rows_of(item), exact=False).added
    except SourceError as error:
        return Beside(table=reference.child, why=f"{refers} was not compared: {error.why or error.message}")
    unknown = sum(rows_of(item) for item in reference.items if not item.told_by)
    if not missing and not unknown:
        return None
    if unknown:
        why = f"{refers} has {unknown} rows without a key, of which nobody can tell whether they are those of the snapshot"
        return Beside(table=reference.child, why=why)
    return Beside(table=reference.child, why=f"{refers} lacks {missing} of the {reference.rows} rows of the snapshot")


def may_be_cut_off(plan: RestorePlan, *, lost: Iterable[Beside]) -> Iterator[Beside]:
    """What only reading the rows can tell, before that is done. `lost`: tables that lost rows, to which others may refer"""
    for reference, cut in _cutting_off(plan, lost, brought=()):
        if reference.rows and cut is not Cut.MOVED:
            what = f"{', '.join(reference.columns)} to {reference.parent}"
            why = f"rows that were cut off stay so ({what}: {reference.cuts_off}); how many is told at the end"
            yield Beside(table=reference.child, why=why, asked=reference.asked, replace=True)


def _cutting_off(
    plan: RestorePlan, lost: Iterable[Beside], *, brought: Collection[TableName]
) -> Iterator[tuple[Reference, Cut]]:
    """References of rows that stay, to what comes or has lost rows itself, and that a delete or update there cuts off, or moved along.

    A row that moved left a key behind, which came back or is lost.
    """
    parents = {loser.table for loser in lost}
    for reference in plan.row_steps.references:
        if reference.asked and plan.options.replace:
            continue
        if reference.cuts_off and (reference.direct or reference.parent in parents):
            yield reference, Cut.NULL if reference.nulls else Cut.OTHERWISE
        if reference.follows and (reference.parent in parents or not set(brought).isdisjoint(reference.parents)):
            yield reference, Cut.MOVED


def cut_off_rows(
    plan: RestorePlan,
    snapshot: Snapshot,
    session: TargetSession,
    *,
    lost: Iterable[Beside],
    brought: Collection[TableName],
) -> Iterator[Beside]:
    """Rows that are there and no longer refer to what they did, because ON DELETE or ON UPDATE set it so. Raises Unreachable"""
    for reference, cut in _cutting_off(plan, lost, brought=brought):
        what = f"{', '.join(reference.columns)} to {reference.parent}"
        how = "ON UPDATE CASCADE" if cut is Cut.MOVED else reference.cuts_off
        try:
            count = sum(
                _cut_off(snapshot, session, reference, item, cut=cut) for item in reference.items if item.told_by
            )
        except SourceError as error:
            yield Beside(
                table=reference.child, why=f"its references by {what} were not compared: {error.why or error.message}"
            )
            continue
        unknown = sum(rows_of(item) for item in reference.items if not item.told_by)
        if unknown:
            why = f"{unknown} rows without a key may have been cut off: {what}, {how}"
            yield Beside(table=reference.child, why=why, replace=True)
        if count:
            why = f"{count} rows no longer refer by {what} as in the snapshot: {how}"
            yield Beside(table=reference.child, why=why, asked=reference.asked, replace=True)


def _cut_off(snapshot: Snapshot, session: TargetSession, reference: Reference, item: TableItem, *, cut: Cut) -> int:
    narrow, blocks = columns_of(snapshot, item, {*item.told_by, *reference.columns})
    return session.cut_off(narrow, reference.columns, blocks, cut=cut)
