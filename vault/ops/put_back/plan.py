"""What a put back would do, as a value: made from decided rows, printed, asked about, and then run as it is. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.model import TableName
from vault.model.put_back import (
    CONFLICTS,
    Decided,
    Evidence,
    Fate,
    LeftOut,
    PutBackScope,
    RowWriter,
    SampleRow,
    StagedTable,
    WantedRows,
)
from vault.model.words import counted

WHY: Final = {
    Fate.CHANGED_SINCE: "a third value by now, which stays",
    Fate.GONE_SINCE: "not there any more",
    Fate.THERE_OTHERWISE: "deleted, and there again with other values, which stay",
    Fate.KEY_TAKEN: "a unique key that another row has by now",
    Fate.PARTNERLESS: "a reference to what is not there and does not come",
}
"""Why a row that was asked for does not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBackPlan:
    """`decided` in the order of `scope.tables`. `came`: rows of the table that are in the evidence alone, which stay.

    needed    parents whose rows have to come first; refused: why nothing of this is done; notes: what else is to be known
    unseen    tables to which foreign keys lead and that could not be looked at, each with the reason
    sampled   values of rows: only for who may see them
    """

    table: TableName
    scope: PutBackScope
    decided: tuple[Decided, ...]
    left: tuple[LeftOut, ...] = ()
    writers: tuple[RowWriter, ...] = ()
    sampled: tuple[SampleRow, ...] = ()
    needed: tuple[TableName, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    came: int = 0

    @property
    def written(self) -> int:
        return sum(one.written for one in self.decided)

    @property
    def own(self) -> Decided:
        """Of the table that was asked for."""
        return next((one for one in self.decided if one.table == self.table), Decided(table=self.table))


def lines(plan: PutBackPlan) -> Iterator[str]:
    for one, table in zip(plan.decided, plan.scope.tables, strict=True):
        if one.fates:
            yield from _of_table(one, table)
    if not any(one.fates for one in plan.decided):
        yield f"{plan.table}: nothing to put back"
    if plan.came:
        yield f"{plan.table}: left: {counted(plan.came, 'row')} that came in between"
    yield from (f"not done: {line}" for line in left_out(plan.left))
    yield from _by_writer(plan)
    yield from plan.notes
    yield from (f"not looked at, though foreign keys lead there: {line}" for line in plan.unseen)
    if plan.written:
        yield _how(plan.scope)
        yield from _unverified(plan)
        if plan.scope.evidence is Evidence.NONE:
            yield "warning: without evidence of the damage nobody can tell it from later work: both are overwritten"
    yield from (f"refused: {why}" for why in refusals(plan))


def refusals(plan: PutBackPlan) -> Iterator[str]:
    yield from plan.refused
    if plan.needed:
        yield f"rows refer to rows that are gone too, of {', '.join(map(str, plan.needed))}: --with-references brings them"


def _of_table(one: Decided, table: StagedTable) -> Iterator[str]:
    along = "" if table.asked else " (along with it)"
    if one.inserted:
        yield f"{one.table}: comes back{along}: {counted(one.inserted, 'deleted row')}"
    if one.updated:
        columns = ", ".join(f"{name} ({rows})" for name, rows in one.columns.items())
        yield f"{one.table}: gets values back{along}: {counted(one.updated, 'row')}, in {columns}"
    if done := one.fates.get(Fate.DONE, 0):
        yield f"{one.table}: as in the snapshot already: {counted(done, 'row')}"
    if others := one.fates.get(Fate.OF_OTHERS, 0):
        yield f"{one.table}: left: {counted(others, 'row')} that other transactions wrote"
    yield from conflicts(one)


def conflicts(one: Decided) -> Iterator[str]:
    """Rows that were asked for and do not come, or not with all columns, each reason a line."""
    for fate in CONFLICTS:
        if rows := one.fates.get(fate, 0):
            where = ""
            if fate in (Fate.CHANGED_SINCE, Fate.THERE_OTHERWISE) and one.conflicts:
                where = f" (in {', '.join(one.conflicts)})"
            yield f"conflict: {one.table}: {counted(rows, 'row')}: {WHY[fate]}{where}"
    partly = {name: rows for name, rows in one.conflicts.items() if one.updated}
    if partly and not one.fates.get(Fate.CHANGED_SINCE) and not one.fates.get(Fate.THERE_OTHERWISE):
        columns = ", ".join(f"{name} ({rows})" for name, rows in partly.items())
        yield f"conflict: {one.table}: a third value by now, which stays, beside those that come back: {columns}"


def left_out(left: tuple[LeftOut, ...]) -> Iterator[str]:
    for one in left:
        reference = one.reference
        if one.gone:
            how = " (ON DELETE CASCADE)" if reference.cascades else ""
            yield (
                f"{reference.child}: gone too{how}: {counted(one.gone, 'row')} that referred to them by {reference.name};"
                " --with-references brings them"
            )
        if one.cut_off:
            how = f" (ON DELETE {reference.cuts_off})" if reference.cuts_off else ""
            yield (
                f"{reference.child}: cut off{how}: {counted(one.cut_off, 'row')} that referred to them by {reference.name};"
                " --with-references mends them"
            )


def _by_writer(plan: PutBackPlan) -> Iterator[str]:
    if plan.writers:
        yield f"live rows of {plan.table} that differ, by the transaction that wrote them last:"
        for one in plan.writers:
            when = f", committed {one.committed}" if one.committed else ""
            yield f"  {one.xid}: {counted(one.rows, 'row')}{when}"


def _how(scope: PutBackScope) -> str:
    if scope.fire:
        return "triggers fire and foreign keys act, as for any other writer"
    if scope.replica:
        return "triggers do not fire; foreign keys are verified for the rows that are written"
    return "this role may not set session_replication_role: foreign keys act, and triggers are silenced where it owns their functions"


def _unverified(plan: PutBackPlan) -> Iterator[str]:
    """Foreign keys that nobody looks after: triggers are off, and we cannot tell who breaks them."""
    written = {one.table for one in plan.decided if one.written}
    for one in plan.scope.references:
        if plan.scope.replica and one.unverified and not written.isdisjoint((one.child, one.parent)):
            yield (
                f"warning: {one.child}: foreign key {one.name} is {one.unverified} and is not verified: rows that come back may refer"
                f" to rows of {one.parent} that are not there"
            )


def selected(scope: PutBackScope) -> str:
    """In words, for headings."""
    kinds = {
        WantedRows.MISSING: "missing rows",
        WantedRows.CHANGED: "changed rows",
        WantedRows.ALL: "missing and changed rows",
    }
    return kinds[scope.wanted]
