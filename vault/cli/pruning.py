"""How a prune is shown, in words and as JSON: its plan, and what became of it. `forget --prune` shows the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.cli import jsonout, render
from vault.cli.jsonout import Json
from vault.model.words import counted, exactly

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.ops.retention.prune import PruneReport
    from vault.ops.retention.prune_plan import PrunePlan


def draw_plan(out: Renderer, plan: PrunePlan, *, min_age_ms: int) -> None:
    if not plan.goes:
        out.line("nothing to delete")
    if plan.delete:
        out.line(f"delete   {counted(len(plan.delete), 'pack')} of which nothing is needed")
    if plan.repack:
        out.line(f"repack   {counted(len(plan.repack), 'pack')}, mostly dead or small")
    if plan.swept:
        out.line(f"go on    with {counted(len(plan.swept), 'pack')} that an earlier prune announced")
    if plan.copied_bytes:
        whole = f", {counted(plan.stored_whole, 'object')} of them whole" if plan.stored_whole else ""
        out.line(f"copy     {render.size(plan.copied_bytes)}{whole}")
    if plan.goes:
        out.line(f"free     {render.size(plan.deleted_bytes - plan.copied_bytes)}")
    stay = (
        f"{counted(plan.stay, 'pack')}, {render.size(plan.stay_bytes)}, {render.size(plan.unused_bytes)} of it unused"
    )
    out.text(stay, first="keep     ", rest=" " * 9)
    if plan.young:
        unused = render.size(plan.young_unused_bytes)
        text = (
            f"{plan.young} of them {'is' if plan.young == 1 else 'are'} younger than {exactly(min_age_ms)} (--min-age)"
        )
        if plan.young_unused_bytes:
            text += (
                f", {unused} of it unused: that stays, so that an interrupted backup finds what it stored, and is freed by a "
                f"prune in {exactly(min_age_ms)} at the latest; now with --min-age 0, if nobody else writes here"
            )
        out.text(text, first="  ", rest="  ")
    if plan.leased:
        out.line(f"  {plan.leased} of them a running backup relies on")


def draw(out: Renderer, report: PruneReport) -> None:
    done = report.reclaimed
    freed = render.size(max(0, done.deleted_bytes - report.repacked_bytes))
    if done.deleted or report.plan.goes:  # else the plan has said that there is nothing to delete
        out.line(f"deleted {counted(done.deleted, 'pack')}; {freed} freed")
    if done.leased:
        out.insist(
            f"{counted(done.leased, 'pack')} stay for now: a running backup may rely on them; prune again when it has ended"
        )
    if done.needed:
        out.insist(f"{counted(done.needed, 'pack')} stay for now: a new snapshot needs them; prune again")
    if done.waiting:
        out.insist(
            f"{counted(done.waiting, 'pack')} stay for now: the repository is on {done.network}, which shows changes late; "
            "prune again in ten minutes"
        )
    if done.writers:
        out.talk(
            f"{counted(len(done.writers), 'lease')} of backups that began before this: their end is waited for before the next "
            "prune tidies up; if they are dead: pgvault unlock"
        )
    for denied in done.denied[:1]:
        out.insist(f"{counted(len(done.denied), 'file')} could not be deleted: {denied.name}: {denied.why}")


def foreseen_json(plan: PrunePlan) -> Json:
    """`prune --dry-run`: what the run would tell, as foreseen."""
    return jsonout.result(
        deleted_bytes=plan.deleted_bytes,
        repacked_bytes=plan.copied_bytes,
        packs_deleted=len(plan.sweep) + len(plan.swept),
        unused_bytes=plan.unused_bytes,
        **_kept_packs(plan),
    )


def json_of(report: PruneReport) -> Json:
    """`stay`: packs that were announced and are still there, by the reason."""
    done = report.reclaimed
    return jsonout.result(
        deleted_bytes=done.deleted_bytes,
        repacked_bytes=report.repacked_bytes,
        packs_deleted=done.deleted,
        unused_bytes=report.plan.unused_bytes,
        **_kept_packs(report.plan),
        stay={"leased": done.leased, "needed": done.needed, "waiting": done.waiting},
        denied=[{"file": one.name, "why": one.why} for one in done.denied],
        fragments_merged=report.merged.removed,
    )


def _kept_packs(plan: PrunePlan) -> Json:
    return {
        "packs_kept": plan.stay,
        "kept_bytes": plan.stay_bytes,
        "packs_young": plan.young,
        "young_unused_bytes": plan.young_unused_bytes,
        "stored_whole": plan.stored_whole,
    }
