"""The shapes of `--json` of single rows that are put back, beside those of `jsonout`. Fields may be added, never renamed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.cli import about
from vault.cli.jsonout import Json, result
from vault.model.put_back import CONFLICTS, Decided, Fate, SampleRow
from vault.sql.names import show_name

if TYPE_CHECKING:
    from vault.app.put_back import PlannedPutBack
    from vault.ops.put_back.plan import PutBackPlan
    from vault.ops.put_back.run import PutBack


def _table(one: Decided) -> Json:
    return {
        "table": show_name(one.table),
        "rows_added": one.inserted,
        "rows_changed": one.updated,
        "rows_there": one.fates.get(Fate.DONE, 0),
        "rows_of_others": one.fates.get(Fate.OF_OTHERS, 0),
        "columns": dict(one.columns),
        "conflicts": [
            {"why": fate.name.lower(), "rows": one.fates[fate]} for fate in CONFLICTS if one.fates.get(fate, 0)
        ],
        "conflict_columns": dict(one.conflicts),
    }


def _left(plan: PutBackPlan) -> list[Json]:
    return [
        {
            "table": show_name(one.reference.child),
            "reference": one.reference.name,
            "gone": one.gone,
            "cut_off": one.cut_off,
        }
        for one in plan.left
        if one.gone or one.cut_off
    ]


def _sampled(row: SampleRow) -> Json:
    return {
        "table": show_name(row.table),
        "fate": row.fate.name.lower(),
        "key": dict(row.key),
        "columns": {name: {"now": now, "then": then} for name, now, then in row.values},
    }


def foreseen(planned: PlannedPutBack, now_ms: int) -> Json:
    """`restore --rows --dry-run`."""
    from vault.ops.put_back.plan import lines, refusals

    plan = planned.plan
    return result(
        plan={
            "snapshot": planned.good.id.hex(),
            **about.fields(planned.good.manifest, now_ms),
            "evidence": planned.evidence.id.hex(),
            "tables": [_table(one) for one in plan.decided if one.fates],
            "left_out": _left(plan),
            "writers": [{"xid": one.xid, "rows": one.rows, "committed": one.committed} for one in plan.writers],
            "sample": [_sampled(row) for row in plan.sampled],
            "refused": list(refusals(plan)),
            "lines": list(lines(plan)),
        }
    )


def put_back(done: PutBack, duration_s: float) -> Json:
    """`restore --rows`: the fields of a restore, and what is said of single rows alone."""
    from vault.ops.put_back.plan import WHY

    tables = [one for one in done.decided if one.fates]
    return result(
        tables=sum(1 for one in tables if one.written),
        rows=done.written,
        entries=0,
        large_objects=0,
        files=0,
        merged=[
            {
                "table": show_name(one.table),
                "added": one.inserted,
                "left_different": one.in_conflict,
                "changed": one.updated,
                "deleted": 0,
                "refused": 0,
            }
            for one in tables
        ],
        failed=[
            {"entry": f"{one.fates[fate]} rows of {show_name(one.table)}", "why": WHY[fate]}
            for one in tables
            for fate in CONFLICTS
            if one.fates.get(fate, 0)
        ],
        put_back=[_table(one) for one in tables],
        left_out=_left(done.plan),
        undo=done.undo,
        duration_s=duration_s,
    )
