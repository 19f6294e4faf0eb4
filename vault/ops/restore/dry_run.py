"""What a restore would do, counted for a dry run: rows into tables that are there are compared as a merge compares them.

Changes nothing in the target; reads every row of these tables from the snapshot. Contract: `restore --dry-run --json`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vault.errors import SourceError
from vault.model import Address, MergedRows, TableName
from vault.model.words import counted
from vault.ops.restore.plan.contents import rows_of
from vault.ops.restore.plan.decision import Action, RowMode, TableRows
from vault.ops.restore.plan.steps import ExchangeSteps, RestorePlan
from vault.ops.restore.some_columns import narrowed
from vault.ports import TargetSession
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name
from vault.sql.sqlstate import INVALID_SCHEMA_NAME, NOT_FOUND

BLOCKED: Final = "blocked"
STRANDED: Final = "strand rows"
"""Of a table that nobody named, rows that would refer to nothing."""
_USED_BY_VIEWS: Final = frozenset({"table", "foreign table", "view", "materialized view", "function", "type"})
_NOT_THERE: Final = NOT_FOUND | {INVALID_SCHEMA_NAME}
_ACTIONS: Final = {Action.CREATE: "create", Action.REPLACE: "replace"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An entry or a table, never both. `rows`: what would become of them; None for an entry, or where it is not known, with `why`."""

    action: str
    entry: str = ""
    table: str = ""
    rows: MergedRows | None = None
    why: str = ""


def foresee(plan: RestorePlan, snapshot: Snapshot, session: TargetSession) -> Iterator[Step]:
    """In the order of the plan. Raises  IntegrityError; Unreachable"""
    again = {at for steps in plan.exchanges for at in steps.exchange.replaced}
    for at in plan.positions(*_ACTIONS):
        entry, decision = plan.contents.items[at].entry, plan.decisions[at]
        action = "drop and create" if at in again else _ACTIONS[decision.action]
        yield Step(action=action, entry=entry.label, why=decision.why)
    for entry in plan.access.drops:
        yield Step(action="drop", entry=entry.label, why="the snapshot does not have it")
    coming = {step.item.name for step in plan.row_steps.all if step.mode is RowMode.EXACT}
    coming |= {item.name for exchange in plan.exchanges for item in exchange.tables}
    for step in plan.row_steps.all:
        done = _rows(step, snapshot, session)
        yield done
        yield from _stranded(done, without=coming)
    for exchange in plan.exchanges:
        for item in exchange.tables:
            yield Step(action="replace rows", table=show_name(item.name), why="its table is dropped and created anew")
        views, unknown = _in_the_way(plan, exchange, session)
        if views or unknown:
            replaced = ", ".join(plan.contents.items[at].entry.tag for at in exchange.exchange.replaced)
            what = f"{', '.join([*map(str, views), *unknown])} would stop it: not as recorded, or not selected"
            drop = "".join(f" DROP {view.kind.upper()}{str(view).removeprefix(view.kind)};" for view in views)
            yield Step(action=BLOCKED, entry=replaced, why=f"{what}. Name it with --only too, or drop it first:{drop}")
    for at in plan.positions(Action.KEEP):
        if not plan.decisions[at].lacking:  # needed by what comes, and not asked for: those that were are refused
            yield Step(action="leave", entry=plan.contents.items[at].entry.label, why=plan.decisions[at].why)
    for name, why in plan.refused:
        yield Step(action="leave", entry=name, why=why)


def lines(steps: Iterable[Step]) -> Iterator[str]:
    """What of them the plan in words does not say: numbers, and what is in the way."""
    for step in steps:
        why = f" ({step.why})" if step.why else ""
        if step.action in (BLOCKED, STRANDED):
            yield f"{step.action}: {step.entry or step.table}: {step.why}"
        if (rows := step.rows) is not None:
            yield f"{step.action}: {step.table}: {rows.added} added, {rows.changed} changed, {rows.removed} deleted{why}"


def _in_the_way(plan: RestorePlan, steps: ExchangeSteps, session: TargetSession) -> tuple[list[Address], list[str]]:
    """Views over what is dropped that do not go with it; and in words where they could not be looked for."""
    items, going = plan.contents.items, set(steps.exchange.entries)
    views: set[Address] = set()
    unknown: set[str] = set()
    for at in going:
        present = plan.decisions[at].present if at in plan.decisions else None
        if items[at].identity.kind in _USED_BY_VIEWS and (present is not None or at in steps.exchange.replaced):
            try:
                views.update(session.views_over(items[at].identity))
            except SourceError as error:
                unknown.update([] if error.sqlstate in _NOT_THERE else [f"view (not looked for: {error.why})"])
    return sorted(views - {items[at].identity.address for at in going}, key=str), sorted(unknown)


def _stranded(done: Step, *, without: Collection[TableName]) -> Iterator[Step]:
    for reference in () if done.rows is None else done.rows.stranded:
        child = show_name(reference.table)
        if reference.table in without:
            continue
        rows = counted(reference.rows, "row")
        what = f"not foreseen: {reference.unverified}" if reference.unverified else f"{rows} would refer to nothing"
        instead = f"without -c newer rows stay; with {child} beside it, those go too"
        yield Step(action=STRANDED, table=child, why=f"{what}, by {reference.name} to {done.table}; {instead}")


def _rows(step: TableRows, snapshot: Snapshot, session: TargetSession) -> Step:
    name, rows = show_name(step.item.name), sum(map(rows_of, step.items))
    if step.mode not in (RowMode.MERGE, RowMode.EXACT):
        return Step(action="load rows", table=name, rows=MergedRows(added=rows))
    exact = step.mode is RowMode.EXACT
    action = "replace rows" if exact else "add rows"
    narrow, blocks = narrowed(step, snapshot)
    try:
        merged = session.foresee(narrow, blocks, rows=rows, exact=exact)
    except SourceError as error:
        return Step(action=action, table=name, why=f"not counted: {error.why or error.message}")
    left = f"{merged.differing} rows that have other values now stay; -c replaces them" if merged.differing else ""
    return Step(action=action, table=name, rows=merged, why=left)
