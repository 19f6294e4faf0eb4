"""`pgvault backup`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from vault.app import wiring
from vault.app.backup import looked_at, run_backup
from vault.app.backup_request import BackupOptions, plan_all, plan_backup, refuse_wrong
from vault.app.conninfo import redacted
from vault.app.quantities import age_ms
from vault.cli import render
from vault.cli.exit_codes import ExitCode, exit_code_of, gravest
from vault.cli.options import Invocation, command, database_options
from vault.cli.progress import shown
from vault.cli.signalling import signalled
from vault.cli.taken import Taken
from vault.errors import Interrupted, Misconfigured, UsageError, VaultError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.backup_request import BackupPlan
    from vault.app.settings import Settings
    from vault.ops.backup.run import BackupReport
    from vault.ports import Progress
    from vault.repo.state import Open


@command(
    "backup",
    help="Save one snapshot of a database and its directories.\n\nThe database is -d, --local or --linked, else the "
    "configuration's, else what PGHOST, PGDATABASE, PGSERVICE, ... say, else the local one of the Supabase project around, "
    "with its migrations and edge functions. Passwords come from PGPASSFILE or PGPASSWORD."
    "\n\n--background leaves a job that outlives the shell and the terminal; a container, a service or a CI step that ends "
    "takes its jobs along. `pgvault status --follow` shows it.",
    examples=[
        "pgvault backup",
        "pgvault backup -d postgresql://postgres@127.0.0.1:54322/postgres",
        "pgvault backup -d app --dir migrations=supabase/migrations --dir edge_functions=supabase/functions",
        "pgvault backup --dir documents=/srv/documents --tag release=1.4",
        "pgvault backup --dir 'storage=s3://*'   # every bucket of the endpoint",
        "pgvault backup --all",
        "pgvault backup --background --min-interval 12h",
    ],
)
@database_options("Database name, URL or connection string, without a password.")
@click.option(
    "--dir",
    "directories",
    multiple=True,
    metavar="NAME=PATH|s3://...",
    help="A directory, or a bucket's objects; may be repeated.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave these paths of the directories out (gitignore's syntax); may be repeated.",
)
@click.option("-n", "--schema", "include_schemas", multiple=True, metavar="PATTERN", help="Only these schemas.")
@click.option("-N", "--exclude-schema", "exclude_schemas", multiple=True, metavar="PATTERN", help="Not these schemas.")
@click.option("-t", "--table", "include_tables", multiple=True, metavar="PATTERN", help="Only these tables.")
@click.option("-T", "--exclude-table", "exclude_tables", multiple=True, metavar="PATTERN", help="Not these tables.")
@click.option(
    "--exclude-table-data",
    multiple=True,
    metavar="PATTERN",
    help="Of these tables the definition without rows; may be repeated.",
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A name for the snapshot; may be repeated.")
@click.option("--full", is_flag=True, help="Read everything, also what is known to be unchanged.")
@click.option("--allow-gaps", is_flag=True, help="Leave out and report what cannot be read (exit 3).")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
@click.option("--server-moved", is_flag=True, help="The source's database is on another server now, or was made anew.")
@click.option(
    "--accept-rollback", is_flag=True, help="It is known that the source's newest snapshots are gone; say it once."
)
@click.option("--all", "every", is_flag=True, help="Every source of the configuration, one after the other.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 32),
    help="Reading connections. Default: 2, and 1 beside a stack that starts.",
)
@click.option("--background", is_flag=True, help="Return at once; a job goes on, and waits for the database.")
@click.option(
    "--min-interval", metavar="AGE", help="In the background: nothing, if the newest sound snapshot is younger (12h)."
)
@click.option(
    "--wait", is_flag=True, help="In the background, but wait: for a job that runs already, or for the new one."
)
def backup(
    invocation: Invocation,
    directories: Sequence[str],
    tags: Sequence[str],
    background: bool,
    min_interval: str | None,
    wait: bool,
    **options: Any,
) -> int:
    asked = BackupOptions(directories=tuple(directories), tags=tuple(tags), **options)
    if background or wait:
        return _launch(invocation, asked, min_interval=min_interval, wait=wait)
    settings = invocation.settings()
    if min_interval is not None:
        raise UsageError("--min-interval is for jobs", why="a backup by hand is always made", hint="add --background")
    if asked.every:
        return _take_all(invocation, settings, asked)
    plan = plan_backup(settings, asked)
    with signalled(settings, plan.source, tell=invocation.renderer().insist) as heard:
        taken = heard.one(plan.source, lambda: take_in_turn(invocation, settings, plan))
        heard.code = int(taken.code)
    return taken.code


def _launch(invocation: Invocation, asked: BackupOptions, *, min_interval: str | None, wait: bool) -> int:
    """A job for each source; with `wait` one after the other.

    Raises  UsageError: of the command line; with `wait` also Misconfigured, StateUnusable, VaultError
    """
    from vault.cli.no_backup import refuse
    from vault.model.jobs import JobKind

    typed_ms = None if min_interval is None else age_ms(min_interval, option="--min-interval")
    settings: Settings | None = None
    command, codes = ("pgvault", *invocation.arguments), list[int]()
    try:
        settings = invocation.settings()
        plans = _plans(settings, asked)
    except Misconfigured as error:
        refuse_wrong(asked)
        if wait:
            raise
        return refuse(invocation, settings, error, kind=JobKind.BACKUP, command=command)
    for name, plan in plans.items():
        of_it = replace(settings, source=name) if asked.every else settings
        try:
            codes.append(_launch_one(invocation, of_it, plan, typed_ms=typed_ms, wait=wait))
        except Misconfigured as error:
            if wait:
                raise
            named = replace(settings, source=name)
            codes.append(refuse(invocation, named, error, kind=JobKind.BACKUP, command=command))
    return gravest(map(ExitCode, codes))


def _launch_one(
    invocation: Invocation, settings: Settings, plan: BackupPlan | Misconfigured, *, typed_ms: int | None, wait: bool
) -> int:
    """typed_ms  of --min-interval. Raises  Misconfigured; with `wait` StateUnusable, VaultError"""
    from vault.cli.background import Work, launch
    from vault.model.jobs import JobKind

    if isinstance(plan, Misconfigured):
        raise plan
    work = Work(
        settings=settings,
        plan=plan,
        kind=JobKind.BACKUP,
        min_interval_ms=settings.background.min_interval_ms if typed_ms is None else typed_ms,
        take=take,
        command=("pgvault", *invocation.arguments),
    )
    return launch(invocation, work, wait=wait)


def _plans(settings: Settings, asked: BackupOptions) -> dict[str, BackupPlan | Misconfigured]:
    """By source. Raises  UsageError: of the command line, before a job of any is started; Misconfigured: without --all"""
    if not asked.every:
        plan = plan_backup(settings, asked)
        return {plan.source: plan}
    plans: dict[str, BackupPlan | Misconfigured] = {}
    for name, planned in plan_all(settings, asked).items():
        if isinstance(planned, UsageError) and not isinstance(planned, Misconfigured):
            raise planned
        plans[name] = planned
    return plans


def take_in_turn(
    invocation: Invocation,
    settings: Settings,
    plan: BackupPlan,
    *,
    unlock: Callable[[], Open] | None = None,
    command: tuple[str, ...] | None = None,
) -> Taken:
    """`take`, in the foreground, when no other backup of the source runs on this machine. `command`: for the record, where it is another

    The secret comes before the turn: who is asked for it and went away would hold off every backup of the source.
    Raises  as `take`; Locked
    """
    from vault.cli.foreground import in_turn

    ready, _ = looked_at(settings, plan)
    ask = None if unlock is not None else wiring.repository_unlocker(ready, copies=True)

    def save(has_waited: bool) -> Taken:
        opener = unlock if ask is None else partial(ask, anew=has_waited)
        return take(invocation, settings, plan, unlock=opener)

    return in_turn(invocation, settings, plan, save, command=command or ("pgvault", *invocation.arguments))


def take(
    invocation: Invocation,
    settings: Settings,
    plan: BackupPlan,
    *,
    unlock: Callable[[], Open] | None = None,
    told: Progress | None = None,
) -> Taken:
    """One snapshot, shown; the nine lines last. `told` hears of its progress instead of whom it suits. Raises  as run_backup"""
    out = invocation.renderer()
    for note in plan.notes:
        out.talk(note)
    for text in plan.warnings:
        out.insist(f"warning: {text}")
    with shown(out) if told is None else nullcontext(told) as progress:
        report = run_backup(settings, plan, attended=out.can_ask(), progress=progress, unlock=unlock)
    from vault.cli import jsonout
    from vault.ops.project.files_outside import gaps

    incomplete = gaps(report.ledger)
    warnings = jsonout.backup_warnings(report)
    for text in warnings:
        out.insist(f"warning: {text}")
    if report.findings:
        tell_findings(invocation, report, back=_way_back(settings, plan, report))
    line = jsonout.backup(report)
    if invocation.json:
        out.json_line(line)
    else:
        _draw(invocation, report)
    holds = {
        ExitCode.INCOMPLETE: bool(incomplete or report.apart),
        ExitCode.RUIN: bool(report.findings),
        ExitCode.DAMAGE: bool(report.manifest.suspect or report.rollback is not None),
    }
    code = gravest(code for code, is_so in holds.items() if is_so)
    return Taken(
        code=code,
        snapshot=report.id.hex(),
        incomplete=holds[ExitCode.INCOMPLETE],
        why="; ".join(warnings),
        line=line,
    )


_FINDINGS_SHOWN_MAX = 20


def _way_back(settings: Settings, plan: BackupPlan, report: BackupReport) -> str:
    from vault.app.database import DatabaseFlags, typed_again
    from vault.ops.guard.way_back import Way, way_back

    if report.good is None:
        return ""
    options = plan.options
    flags = DatabaseFlags(database=options.database, local=options.local, linked=options.linked)
    part = report.good[1].database
    database = typed_again(settings, flags, plan.source, named="" if part is None else part.server.database)
    return way_back(report.good, report.lost, Way(database=database, directories=plan.directories))


def tell_findings(invocation: Invocation, report: BackupReport, *, back: str) -> None:
    """Why the snapshot looks like a ruin, and the way on. Also when quiet. `back`: the line that leads back, if there is one"""
    out, short = invocation.renderer(), report.id.hex()[:12]
    out.insist(f"warning: snapshot {short} looks like damage next to the last good one:")
    for finding in report.findings[:_FINDINGS_SHOWN_MAX]:
        out.insist(f"  {finding.code} {finding.subject}: {finding.text}".replace(" :", ":"))
    if len(report.findings) > _FINDINGS_SHOWN_MAX:
        out.insist(f"  and {len(report.findings) - _FINDINGS_SHOWN_MAX} more: pgvault ack")
    out.insist("the last good one stays until somebody answers")
    out.insist(f'  next: if all of that was meant: pgvault ack {short} --reason "..."')
    if back:
        out.insist(f"  if not: {back}")
    out.insist("  what the words mean: pgvault help findings")


def _take_all(invocation: Invocation, settings: Settings, asked: BackupOptions) -> int:
    """A snapshot of each source, with a line each; one that fails stops no other. The gravest exit code is the command's."""
    from vault.cli import jsonout

    out, taken = invocation.renderer(), dict[str, Taken]()
    plans = plan_all(settings, asked)
    with signalled(settings, "all", tell=out.insist) as heard:
        opened = wiring.open_repository(settings, copies=True)
        for name, plan in plans.items():
            out.talk(f"source {name}")
            save = partial(_take_one, invocation, replace(settings, source=name), plan, unlock=lambda: opened)
            try:
                taken[name] = heard.one(name, save)
            except VaultError as error:
                if isinstance(error, Interrupted):
                    raise
                code = exit_code_of(type(error))
                taken[name] = Taken(code=code, why=redacted(error.message))
                if invocation.json:
                    out.json_line({**jsonout.error(error, code), "source": name})
                else:
                    out.error(f"{name}: {error.message}", why=error.why, fix=error.hint)
        heard.code = int(gravest(one.code for one in taken.values()))
    if invocation.json:
        rows = [
            {"source": name, "exit_code": int(one.code), "snapshot": one.snapshot, "why": one.why}
            for name, one in taken.items()
        ]
        out.json_line(jsonout.result(sources=rows))
    else:
        saved = sum(one.snapshot is not None for one in taken.values())
        out.line(f"{saved} of {counted(len(taken), 'source')} saved")
    return gravest(one.code for one in taken.values())


def _take_one(
    invocation: Invocation, settings: Settings, plan: BackupPlan | VaultError, *, unlock: Callable[[], Open]
) -> Taken:
    """Raises  what is wrong with the source's section; as run_backup"""
    if isinstance(plan, VaultError):
        raise plan
    return take_in_turn(invocation, settings, plan, unlock=unlock)


def _draw(invocation: Invocation, report: BackupReport) -> None:
    from vault.cli.jsonout import file_bytes, source_bytes
    from vault.ops.project.backup_selection import narrowed

    out, manifest = invocation.renderer(), report.manifest
    out.missing(report.ledger)
    _tell_how_to_accept(invocation, report)
    whole = source_bytes(manifest) + file_bytes(manifest)
    out.text(
        f"snapshot {report.id.hex()[:12]} of {manifest.source}: {render.size(whole)}, "
        f"{render.size(manifest.effort.new_bytes)} new, {manifest.effort.duration_ms / 1000:.1f} s"
    )
    if part := narrowed(manifest.selection):
        out.line(f"a part of the database only: {', '.join(part)}")
    out.line()
    states = {name: item.state.value for name, item in report.ledger.items()}
    for name, listed in sorted(manifest.directories.items()):
        out.line(
            f"{render.mark(states.get(f'dir:{name}', 'captured'))} Directory {name}: {counted(listed.sums.items, 'path')}"
        )
    # What people wait for in a log stands at its end.
    before = None if report.good is None else report.good[1].counts
    out.summary(manifest.counts, states, every_line=manifest.database is not None, before=before)


def _tell_how_to_accept(invocation: Invocation, report: BackupReport) -> None:
    from vault.ops.project.files_outside import ACCEPTABLE, gaps

    names = [gap.item for gap in gaps(report.ledger) if gap.state in ACCEPTABLE]
    if names:
        out, source = invocation.renderer(), report.manifest.source
        key = source if re.fullmatch(r"[A-Za-z0-9_-]+", source) else json.dumps(source)
        out.talk(f"what is meant to be so is accepted in pgvault.toml, [source.{key}]:")
        out.talk(f"  accepted_gaps = {json.dumps(names, ensure_ascii=False)}")


COMMAND = backup
