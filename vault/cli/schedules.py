"""How schedules are shown: what would be written, problems with the line that mends them, what stands, what a run did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vault.cli import about, jsonout, render

if TYPE_CHECKING:
    from vault.app.schedule.install import InstallPlan, StandingSchedule
    from vault.app.schedule.problem import ScheduleProblem
    from vault.cli.render import Renderer
    from vault.cli.taken import SourceEnd
    from vault.ops.schedule.upkeep import UpkeepStep


def draw_drafts(out: Renderer, plan: InstallPlan) -> None:
    """The texts themselves, each under its place: what is shown is what is written."""
    for draft in plan.drafts:
        out.line(f"--- {draft.place}")
        out.block(draft.text)
    out.line()


def tell_problems(out: Renderer, problems: Iterable[ScheduleProblem]) -> None:
    """Also when quiet: a schedule that cannot work is worse than none."""
    for problem in problems:
        out.insist(f"{'problem' if problem.fatal else 'warning'}: {problem.what}")
        out.insist(f"  why:  {problem.why}")
        if problem.fix:
            out.insist(f"  next: {problem.fix}")


def install_json(plan: InstallPlan, *, state: str, next_ms: int) -> dict[str, Any]:
    return jsonout.result(
        name=plan.task.name,
        scheduler=plan.scheduler.name,
        state=state,
        timetable=str(plan.task.timetable),
        next_run=about.instant(next_ms),
        files=[{"place": draft.place, "text": draft.text} for draft in plan.drafts],
        problems=problems_json(plan.problems),
    )


def problems_json(problems: Iterable[ScheduleProblem]) -> list[dict[str, Any]]:
    return [{"what": one.what, "why": one.why, "fix": one.fix, "fatal": one.fatal} for one in problems]


def draw_standing(out: Renderer, found: Sequence[StandingSchedule], *, now_ms: int) -> None:
    if not found:
        out.line("no schedule was installed from here")
        out.talk("  next: pgvault schedule install")
        return
    titles = ("name", "sources", "by", "when", "next", "state")
    rows = [
        (
            one.schedule.name,
            ", ".join(one.schedule.sources),
            one.schedule.scheduler,
            str(one.schedule.timetable),
            render.when(one.schedule.next_ms(now_ms), now_ms),
            _state(one),
        )
        for one in found
    ]
    out.table(titles, rows, wrapped="when|sources")
    for one in found:
        tell_problems(out, one.problems)


def _state(one: StandingSchedule) -> str:
    if any(problem.fatal for problem in one.problems):
        return "BROKEN"
    return "installed, but" if one.problems else "installed"


def standing_json(found: Sequence[StandingSchedule], *, why: str, now_ms: int) -> dict[str, Any]:
    return jsonout.result(
        schedules=[
            {
                "name": one.schedule.name,
                "sources": list(one.schedule.sources),
                "repository": one.schedule.repository,
                "scheduler": one.schedule.scheduler,
                "place": one.schedule.place,
                "timetable": str(one.schedule.timetable),
                "interval_s": one.schedule.timetable.interval_s,
                "overdue_after_s": one.schedule.overdue_after_ms() // 1000,
                "next_run": about.instant(one.schedule.next_ms(now_ms)),
                "last_started": about.instant(one.schedule.started_ms) if one.schedule.started_ms else None,
                "files": [{"place": draft.place, "text": draft.text} for draft in one.drafts],
                "problems": problems_json(one.problems),
            }
            for one in found
        ],
        why=why,
    )


def run_json(
    name: str, ends: Sequence[SourceEnd], steps: Sequence[UpkeepStep], *, code: int, next_ms: int
) -> dict[str, Any]:
    return jsonout.result(
        name=name,
        skipped="",
        sources=[
            {
                "source": end.source,
                "exit_code": int(end.code),
                "snapshot": end.snapshot,
                "why": end.why,
                "log": None if end.log is None else str(end.log),
            }
            for end in ends
        ],
        steps=[{"step": step.name, "state": step.state, "why": step.why} for step in steps],
        exit_code=code,
        next_run=about.instant(next_ms),
    )


def skipped_json(name: str, *, next_ms: int) -> dict[str, Any]:
    empty = run_json(name, (), (), code=0, next_ms=next_ms)
    return {**empty, "skipped": "no run is due"}
