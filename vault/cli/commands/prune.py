"""`pgvault prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout, progress, quantities, render
from vault.cli.options import Invocation, command
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.ops.retention.prune import PruneReport
    from vault.ops.retention.prune_plan import PruneOptions, PrunePlan


@command(
    "prune",
    help="Free the space of what no snapshot needs any more, as after a forget.\n\nSays what it will do, then does it: packs "
    "of which nothing is needed are deleted; where much of a pack is dead, the rest is copied first. Backups may go on "
    "meanwhile. Packs that are younger than --min-age stay, so that an interrupted backup finds what it had stored.",
    examples=["pgvault prune --dry-run", "pgvault prune --max-repack 2G", "pgvault prune --min-age 0 --max-unused 0"],
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done, with bytes.")
@click.option(
    "--min-age", metavar="D", default="7d", show_default=True, help="Younger packs stay; 0 if nobody else writes."
)
@click.option("--max-repack", metavar="B", help="Copy at most so much: 500M, 2G; 0 copies nothing.")
@click.option("--max-unused", metavar="%", default="5%", show_default=True, help="Share that may lie about unused.")
def prune(invocation: Invocation, dry_run: bool, min_age: str, max_repack: str | None, max_unused: str) -> None:
    from vault.ops.retention.prune_plan import PruneOptions

    options = PruneOptions(
        min_age_ms=quantities.age_ms(min_age, option="--min-age"),
        max_unused=quantities.share(max_unused, option="--max-unused"),
        copied_bytes_max=None if max_repack is None else quantities.size_bytes(max_repack, option="--max-repack"),
    )
    if dry_run:
        _foresee(invocation, options)
    else:
        _run(invocation, options)


def _foresee(invocation: Invocation, options: PruneOptions) -> None:
    from vault.ops.retention.prune import foresee

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)
    now_ms = wiring.SystemClock().now_ms()
    with progress.shown(out) as drawn:
        plan = foresee(opened, options=options, now_ms=now_ms, progress=drawn, cache_dir=settings.cache_dir)
    if invocation.json:
        out.json_line(jsonout.prune_plan(plan))
    else:
        _draw_plan(out, plan)
        out.line("nothing was changed")


def _run(invocation: Invocation, options: PruneOptions) -> None:
    from vault.app.upkeep import prune as run_prune

    out = invocation.renderer()
    with progress.shown(out) as drawn:
        report = run_prune(
            invocation.settings(),
            options,
            tell=lambda plan: None if invocation.json else _draw_plan(out, plan),
            progress=drawn,
        )
    if invocation.json:
        out.json_line(jsonout.pruned(report))
    else:
        _draw(out, report)


def _draw_plan(out: Renderer, plan: PrunePlan) -> None:
    going = len(plan.delete) + len(plan.repack) + len(plan.swept)
    if not going:
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
    if going:
        out.line(f"free     {render.size(plan.deleted_bytes - plan.copied_bytes)}")
    stay = (
        f"{counted(plan.stay, 'pack')}, {render.size(plan.stay_bytes)}, {render.size(plan.unused_bytes)} of it unused"
    )
    out.line(f"keep     {stay}")
    if plan.young:
        out.line(f"  {plan.young} of them are younger than --min-age ({render.size(plan.young_unused_bytes)} unused)")
    if plan.leased:
        out.line(f"  {plan.leased} of them a running backup relies on")


def _draw(out: Renderer, report: PruneReport) -> None:
    done = report.reclaimed
    freed = render.size(max(0, done.deleted_bytes - report.repacked_bytes))
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
            f"{counted(done.sweeps, 'sweep')} stay until {counted(len(done.writers), 'backup')} that ran meanwhile "
            "have ended; if they are dead: pgvault unlock"
        )
    for denied in done.denied[:1]:
        out.insist(f"{counted(len(done.denied), 'file')} could not be deleted: {denied.name}: {denied.why}")


COMMAND = prune
