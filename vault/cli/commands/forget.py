"""`pgvault forget`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from vault.app import wiring
from vault.cli import about, asking, jsonout, progress
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.errors import UsageError
from vault.limits import PRUNE_AGE_S
from vault.model.words import counted, exactly

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.ops.retention.forget import ForgetPlan
    from vault.ops.retention.policy import Calendar
    from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
    from vault.repo.state import Open

_WARNED_MAX = 5
_UNITS = ("hourly", "daily", "weekly", "monthly", "yearly")


def _rules(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a policy, in the order of the help."""
    options = [
        click.option("--preset", metavar="dev|production", help="7 days and at least 3; or 30 daily, 13 weekly, 12 monthly."),
        click.option("--keep-last", metavar="N", help="The newest N of each source; unlimited for all."),
        *(
            click.option(f"--keep-{unit}", metavar="N", help=f"The newest of each of the last N {spelled} that have any.")
            for unit, spelled in zip(_UNITS, ("hours", "days", "weeks", "months", "years"), strict=True)
        ),
        click.option("--keep-within", metavar="D", help="All that are at most so much older than the newest: 7d, 1y6m, 36h."),
        *(
            click.option(f"--keep-within-{unit}", metavar="D", help=f"The newest of each {spelled} within so much.")
            for unit, spelled in zip(_UNITS, ("hour", "day", "week", "month", "year"), strict=True)
        ),
        click.option("--keep-tag", multiple=True, metavar="TAG", help="Those with this tag: a value or KEY=VALUE; may be repeated."),
        click.option("--keep-id", multiple=True, metavar="SNAP", help="This one; may be repeated."),
        click.option("--timezone", metavar="ZONE", help="Whose days and weeks are meant. Default: UTC."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command(
    "forget",
    help="Remove snapshots: those named, or all that no rule of a policy keeps.\n\nThe rules are the options, else those of "
    "[retention] in pgvault.toml. A snapshot that any rule keeps stays; so do pinned ones, and the newest whole and sound "
    "one. Only --source's or the configuration's sources are looked at. Space is freed by a prune.\n\nShows what goes and asks on a "
    "terminal. Without one a policy is applied, as timers need it; snapshots that are named go only with --yes.",
    examples=[
        "pgvault forget --preset production --dry-run",
        "pgvault forget --preset production --prune",
        "pgvault forget --keep-within 7d --keep-monthly 12 --keep-tag release",
        "pgvault forget 3fa2b1 --yes",
    ],
)
@click.argument("snapshots", nargs=-1, metavar="[SNAP]...")
@_rules
@click.option("--all-sources", is_flag=True, help="Apply the policy to every source of the repository.")
@click.option("--dry-run", is_flag=True, help="Show what would go; change nothing.")
@click.option("--prune", is_flag=True, help="Free the space too, as pgvault prune does; with --dry-run, say how much.")
@asking.YES
@click.option("--unsafe-allow-remove-all", is_flag=True, help="With SNAP: even the last one of a source.")
def forget(
    invocation: Invocation,
    snapshots: Sequence[str],
    all_sources: bool,
    dry_run: bool,
    prune: bool,
    yes: bool,
    unsafe_allow_remove_all: bool,
    timezone: str | None,
    keep_id: Sequence[str],
    **words: Any,
) -> int:
    from vault.ops.retention import forget as operation
    from vault.ops.retention.prune_plan import PruneOptions
    from vault.ops.retention.time_zone import named_zone

    settings, out = invocation.settings(), invocation.renderer()
    if snapshots and (keep_id or any(words.values())):
        raise UsageError("named snapshots and a policy exclude each other", hint="leave the --keep-... options out")
    opened = wiring.open_repository(settings, copies=not prune)  # a prune must see what the store holds now
    inventory = operation.take_stock(opened)
    clock, calendar = wiring.SystemClock(), named_zone(timezone or settings.timezone or "UTC")
    if snapshots:
        named = [wiring.named_for_certain(settings, opened, one) for one in snapshots]
        plan = operation.plan_named(inventory, named, remove_all=unsafe_allow_remove_all)
    else:
        from vault.app.retention import chosen_policy, chosen_sources

        plan = operation.plan_policy(
            inventory,
            chosen_policy(settings, words, keep_id, opened),
            sources=chosen_sources(settings, inventory.known, every=all_sources),
            calendar=calendar,
            now_ms=clock.now_ms(),
        )
    if not invocation.json:
        _draw(invocation, plan, calendar)
    spared: Sequence[Any] = ()
    going = counted(len(plan.going()), "snapshot")
    if not dry_run:
        if plan.going():
            ask = (
                asking.required if snapshots else asking.agreed
            )  # a policy is what a clock starts; names are what a person types
            ask(out, f"Forget {going}?", yes=yes, nothing="nothing was forgotten")
        spared = operation.run(opened, plan, clock=clock, entropy=wiring.system_entropy).spared
    if not invocation.json:
        _conclude(out, plan, dry_run=dry_run, pruned=prune)
    options = PruneOptions(remove_all=unsafe_allow_remove_all)
    freed = _free(invocation, opened, plan, options=options, dry_run=dry_run) if prune else None
    if invocation.json:
        out.json_line(jsonout.forgotten(plan, spared, dry_run=dry_run, freed_bytes=freed))
    for error in inventory.damaged[:_WARNED_MAX]:
        out.insist(f"warning: {error.file}: {error.message}; run: pgvault check")
    if len(inventory.damaged) > _WARNED_MAX:
        out.insist(f"warning: so are {len(inventory.damaged) - _WARNED_MAX} more files; pgvault check names them")
    for snapshot in spared:
        out.insist(f"warning: {snapshot.hex()[:12]} was pinned meanwhile, and stays")
    return ExitCode.DAMAGE if inventory.damaged else ExitCode.OK


def _free(invocation: Invocation, opened: Open, plan: ForgetPlan, *, options: PruneOptions, dry_run: bool) -> int:
    """Prune, or say what that would do; bytes freed."""
    from vault.app import upkeep
    from vault.cli import pruning

    settings, out = invocation.settings(), invocation.renderer()

    def tell(planned: PrunePlan) -> None:
        if not invocation.json:
            with progress.away(drawn):
                pruning.draw_plan(out, planned, min_age_ms=options.min_age_ms)

    with progress.shown(out) as drawn:
        if dry_run:
            foreseen = upkeep.foresee(opened, settings, options, without=plan.going(), progress=drawn)
            tell(foreseen)
            return max(0, foreseen.deleted_bytes - foreseen.copied_bytes)
        report = upkeep.prune(opened, settings, options, tell=tell, progress=drawn)
    if not invocation.json:
        pruning.draw(out, report)
    return max(0, report.reclaimed.deleted_bytes - report.repacked_bytes)


def _draw(invocation: Invocation, plan: ForgetPlan, calendar: Calendar) -> None:
    from vault.cli.calendar import months
    from vault.cli.render import fancy

    out = invocation.renderer()
    titles = ("id", "time (UTC)", "source", "number", "", "why")
    rows = [
        (
            verdict.candidate.id.hex()[:12],
            about.instant(verdict.candidate.time_ms)[:19].replace("T", " "),
            verdict.candidate.source,
            str(verdict.candidate.sequence),
            "keep" if verdict.reasons else "goes",
            "; ".join(verdict.reasons),
        )
        for verdict in plan.verdicts
    ]
    shown = bool(rows) and not out.quiet
    if shown:
        out.table(titles, rows, right="number", spare="number", wrapped="why")
    if shown and plan.kept() and sys.stdout.isatty():
        out.line()
        out.block("\n".join(months(plan.verdicts, calendar, signs="●○◐·" if fancy(sys.stdout) else "#o%.")))
    for line in _series(plan):
        out.talk(line)
    for snapshot in sorted(plan.inventory.unfinished):
        out.talk(f"{snapshot.hex()[:12]} was recorded as forgotten by a run that died; it goes now")
    for verdict in plan.verdicts:
        if verdict.misplaced:
            told = "its time breaks the order of the numbers, so it keeps and removes nothing"
            out.talk(f"warning: {verdict.candidate.id.hex()[:12]}: {told}; to remove it, name it")


def _series(plan: ForgetPlan) -> Iterator[str]:
    """Of sources whose snapshots do not all hold the same: a rule counts them apart, or one of a part would push out the whole."""
    from vault.ops.project.backup_selection import described

    held: dict[str, Counter[str]] = {}
    for verdict in plan.verdicts if plan.by_policy else ():
        held.setdefault(verdict.candidate.source, Counter())[verdict.candidate.selection] += 1
    for source, series in held.items():
        if len(series) > 1:
            yield f"{source} has {len(series)} series, by what they hold, and each rule counts in each of them:"
            yield from (f"  {counted(number, 'snapshot')} of {described(text)}" for text, number in series.items())


def _conclude(out: Renderer, plan: ForgetPlan, *, dry_run: bool, pruned: bool) -> None:
    gone = len(plan.going())
    kept = len(plan.kept()) if plan.by_policy else len(plan.inventory.known) - gone
    out.line(f"{'would forget' if dry_run else 'forgot'} {counted(gone, 'snapshot')}, kept {kept}")
    if gone and not dry_run and not pruned:
        out.talk(f"packs that are older than {exactly(PRUNE_AGE_S * 1000)} are freed by: pgvault prune")


COMMAND = forget
