"""What refers to restored rows and is not as in the snapshot: lost by a cascade, or cut off by SET NULL. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vault.errors import SourceError, Unreachable
from vault.model import TableItem, TableName
from vault.ops.restore.plan.contents import rows_of
from vault.ops.restore.plan.plan import RestorePlan
from vault.ops.restore.plan.references import Reference
from vault.pipeline import copytext
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
    unasked = {one.child: one for one in plan.references if not one.asked and one.rows}
    try:
        there = session.count_rows(sorted(unasked))
    except Unreachable:
        raise
    except SourceError as error:
        why = f"could not be counted: {error.why or error.message}"
        return tuple(Beside(table=name, why=why) for name in sorted(unasked))
    for name, one in sorted(unasked.items()):
        parent = str(one.parent)
        if name not in there:
            reasons = "it may not be read, or counting would run somebody else's code, or it is not there"
            told[name] = Beside(table=name, why=f"refers to {parent}, and was not counted: {reasons}")
        elif there[name] < one.rows:
            told[name] = Beside(
                table=name, why=f"refers to {parent}, and has {there[name]} rows, {one.rows} in the snapshot"
            )
    return tuple(told.values())


def may_be_cut_off(plan: RestorePlan) -> Iterator[Beside]:
    """What only reading the rows can tell, before that is done."""
    for one in plan.references:
        if one.cuts_off and one.direct and one.rows and not (one.asked and plan.options.replace):
            what = f"{', '.join(one.columns)} to {one.parent}"
            why = f"rows that a delete has cut off stay so ({what}: ON DELETE {one.cuts_off}); how many is told at the end"
            yield Beside(table=one.child, why=why, asked=one.asked, replace=True)


def cut_off_rows(plan: RestorePlan, snapshot: Snapshot, session: TargetSession) -> Iterator[Beside]:
    """Rows that are there and no longer refer to what they did, because ON DELETE set it so. Raises Unreachable"""
    for one in plan.references:
        if not (one.cuts_off and one.direct) or (one.asked and plan.options.replace):
            continue
        what = f"{', '.join(one.columns)} to {one.parent}"
        try:
            count = sum(_cut_off(snapshot, session, one, item) for item in one.items if item.key_columns)
        except Unreachable:
            raise
        except SourceError as error:
            yield Beside(
                table=one.child, why=f"its references by {what} were not compared: {error.why or error.message}"
            )
            continue
        unknown = sum(rows_of(item) for item in one.items if not item.key_columns)
        if unknown:
            why = f"{unknown} rows without a key may have been cut off: {what}, ON DELETE {one.cuts_off}"
            yield Beside(table=one.child, why=why, replace=True)
        if count:
            why = f"{count} rows no longer refer by {what} as in the snapshot: ON DELETE {one.cuts_off}"
            yield Beside(table=one.child, why=why, asked=one.asked, replace=True)


def _cut_off(snapshot: Snapshot, session: TargetSession, reference: Reference, item: TableItem) -> int:
    wanted = {*item.key_columns, *reference.columns}
    kept = [at for at, column in enumerate(item.columns) if column.name in wanted]
    narrow = replace(item, columns=tuple(item.columns[at] for at in kept))
    rows = copytext.whole_rows(snapshot.rows(item))
    blocks = copytext.of_columns(rows, kept, len(item.columns))
    return session.cut_off(narrow, reference.columns, blocks, nulls=reference.cuts_off == "SET NULL")
