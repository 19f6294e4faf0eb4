"""`pgvault prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.app import quantities, wiring
from vault.cli import asking, progress, pruning
from vault.cli.options import Invocation, command

if TYPE_CHECKING:
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
@asking.YES
@click.option("--max-unused", metavar="%", default="5%", show_default=True, help="Share that may lie about unused.")
@click.option("--unsafe-allow-remove-all", is_flag=True, help="Though there is no snapshot: everything goes.")
def prune(
    invocation: Invocation,
    dry_run: bool,
    min_age: str,
    max_repack: str | None,
    yes: bool,
    max_unused: str,
    unsafe_allow_remove_all: bool,
) -> None:
    from vault.ops.retention.prune_plan import PruneOptions

    options = PruneOptions(
        min_age_ms=quantities.age_ms(min_age, option="--min-age"),
        max_unused=quantities.share(max_unused, option="--max-unused"),
        copied_bytes_max=None if max_repack is None else quantities.size_bytes(max_repack, option="--max-repack"),
        remove_all=unsafe_allow_remove_all,
    )
    if dry_run:
        _foresee(invocation, options)
    else:
        _run(invocation, options, yes=yes)


def _foresee(invocation: Invocation, options: PruneOptions) -> None:
    from vault.app import upkeep

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)
    with progress.shown(out) as drawn:
        plan = upkeep.foresee(opened, settings, options, progress=drawn)
    if invocation.json:
        out.json_line(pruning.foreseen_json(plan))
    else:
        pruning.draw_plan(out, plan, min_age_ms=options.min_age_ms)
        out.line("nothing was changed")


def _run(invocation: Invocation, options: PruneOptions, *, yes: bool) -> None:
    from vault.app import upkeep

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)

    def tell(plan: PrunePlan) -> None:
        if not invocation.json:
            with progress.away(drawn):
                pruning.draw_plan(out, plan, min_age_ms=options.min_age_ms)
                if plan.goes:
                    asking.agreed(out, "Prune as shown?", yes=yes, nothing="nothing was pruned")

    with progress.shown(out) as drawn:
        report = upkeep.prune(opened, settings, options, tell=tell, progress=drawn)
    if invocation.json:
        out.json_line(pruning.json_of(report))
    else:
        pruning.draw(out, report)


COMMAND = prune
