"""`pgvault schedule install|remove|status|run`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.app import state, wiring
from vault.app.schedule.schedulers import SCHEDULERS
from vault.cli import jsonout, schedules
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Group, Invocation, command
from vault.errors import Misconfigured, NotThere, UsageError

if TYPE_CHECKING:
    from vault.app.schedule.known import KnownSchedule
    from vault.app.schedule.plan import Here
    from vault.app.schedule.schedulers import Machine
    from vault.app.settings import Settings

SCHEDULER = click.option(
    "--scheduler",
    type=click.Choice(SCHEDULERS),
    help="Whose timer. Default: the machine's own.",
)
PRINT = click.option("--print", "print_only", is_flag=True, help="Only print what would be written.")


@command(
    "install",
    help="Let the operating system take snapshots by the clock.\n\nShows the timer, tries whether a run would work without a "
    "terminal and with the little environment that it has, and installs it only if so. Doing it again changes what is there; "
    "there is one timer for each source. A run that was missed is caught up once. After a good backup a run applies [retention], "
    "and prunes and checks once a week, as [schedule] of pgvault.toml says.",
    examples=[
        "pgvault schedule install",
        "pgvault schedule install --at 03:10",
        "pgvault schedule install --at 'sun 03:10' --print",
        "pgvault schedule install --every 6h --scheduler cron",
    ],
)
@click.option("--at", metavar="TIME", help="03:10, or 'sun 03:10'. Default: [schedule] at, else some time at night.")
@click.option("--every", metavar="D", help="1d, 1w, 12h, 6h, ... Default: [schedule] every, else 1d.")
@SCHEDULER
@PRINT
def install(invocation: Invocation, at: str | None, every: str | None, scheduler: str | None, print_only: bool) -> None:
    from vault.app.schedule import install as operation

    settings, out = invocation.settings(), invocation.renderer()
    site = operation.Site(machine=_machine(settings), here=here_of(settings), directory=state.state_directory(settings))
    now_ms = wiring.SystemClock().now_ms()
    typed = operation.Typed(scheduler=scheduler, at=at, every=every)
    plan = operation.foresee(settings, site, typed=typed, rehearsed=not print_only)
    next_ms = operation.next_ms(plan, now_ms)
    if not invocation.json:
        schedules.draw_drafts(out, plan)
    schedules.tell_problems(out, [problem for problem in plan.problems if print_only or not problem.fatal])
    if not print_only:
        operation.install(plan, site, settings=settings, now_ms=now_ms)
    if invocation.json:
        out.json_line(schedules.install_json(plan, state="printed" if print_only else plan.change, next_ms=next_ms))
        return
    if print_only:
        out.talk("nothing was written")
        return
    word = {"unchanged": "was installed already, and is as it was"}.get(plan.change, f"is {plan.change}")
    out.line(f"{plan.task.name} {word}: {plan.task.timetable}, by {plan.scheduler.name}")
    out.talk("  what stands:  pgvault schedule status")
    out.talk("  to try it:    pgvault schedule run")


@command(
    "remove",
    help="Take a schedule away; snapshots stay. Without NAME, that of this project and source.",
    examples=["pgvault schedule remove", "pgvault schedule remove pgvault-app-3fa2b17c"],
)
@click.argument("name", required=False)
@SCHEDULER
@PRINT
def remove(invocation: Invocation, name: str | None, scheduler: str | None, print_only: bool) -> None:
    from vault.app.schedule import install as operation
    from vault.app.schedule import known
    from vault.app.schedule.plan import name_of

    settings, out = invocation.settings(), invocation.renderer()
    machine, directory = _machine(settings), state.state_directory(settings)
    found = known.load(directory).found
    chosen = found.get(name or name_of(settings, here_of(settings)))
    if chosen is None:
        chosen = operation.unknown(name or name_of(settings, here_of(settings)), machine, scheduler=scheduler)
    if chosen is None:
        raise _nothing(name, found)
    drafts = operation.standing(chosen, machine).drafts
    if not print_only:
        operation.remove(chosen, machine, directory)
    if invocation.json:
        files = [{"place": draft.place, "text": draft.text} for draft in drafts]
        out.json_line(jsonout.result(name=chosen.name, removed=not print_only, files=files))
        return
    for draft in drafts:
        out.line(f"--- {draft.place}")
        out.block(draft.text)
    out.line(f"{chosen.name} {'would be removed' if print_only else 'is removed'}")


def _nothing(name: str | None, found: dict[str, KnownSchedule] | object) -> NotThere:
    known = ", ".join(sorted(found)) if isinstance(found, dict) else ""
    return NotThere(
        f"no schedule {name or 'of this project and source'} is installed",
        why=f"those that were installed from here: {known}" if known else "none was installed from here",
        hint="pgvault schedule status",
    )


@command(
    "status",
    help="List what is installed, when it runs next, and what would keep it from running.",
    examples=["pgvault schedule status", "pgvault schedule status --json"],
)
def status(invocation: Invocation) -> int:
    from vault.app.schedule import known
    from vault.app.schedule.install import standing

    settings, out = invocation.settings(), invocation.renderer()
    machine, schedule = _machine(settings), known.load(state.state_directory(settings))
    found = [standing(one, machine) for _, one in sorted(schedule.found.items())]
    now_ms = wiring.SystemClock().now_ms()
    if invocation.json:
        out.json_line(schedules.standing_json(found, why=schedule.why, now_ms=now_ms))
    else:
        schedules.draw_standing(out, found, now_ms=now_ms)
        if schedule.why:
            out.insist(f"warning: schedule.json of the state directory: {schedule.why}")
    broken = any(problem.fatal for one in found for problem in one.problems)
    return ExitCode.FAILED if broken or schedule.why else ExitCode.OK


@command(
    "run",
    help="Do what a scheduled run does: back up, then apply [retention], prune and check as [schedule] says.\n\nThe exit code is "
    "the gravest of the backups' and of what follows: 3 if something was left undone, 4 if damage was found.",
    examples=["pgvault schedule run", "pgvault schedule run --if-due"],
)
@click.option("--if-due", is_flag=True, help="End at once unless a time has passed that no run was started for.")
def run(invocation: Invocation, if_due: bool) -> int:
    from vault.cli.commands.backup import take
    from vault.cli.scheduled import ScheduledRun

    try:
        settings = invocation.settings()
    except Misconfigured as error:
        from vault.cli.signalling import tell_of_refusal

        readable = invocation.settings_as_far_as_they_go()
        name = (readable.source_name() if readable is not None else None) or "schedule"
        tell_of_refusal(readable, name, error, tell=invocation.renderer().insist)
        raise
    one = ScheduledRun(invocation, settings, here_of(settings), take)
    if if_due and not one.is_due():
        if invocation.json:
            invocation.renderer().json_line(schedules.skipped_json(one.name, next_ms=one.next_ms()))
        return ExitCode.OK
    return one.run()


def here_of(settings: Settings) -> Here:
    """Where and by whom the command was typed. Raises  UsageError: there is no home directory"""
    from vault.app.schedule.plan import Here, program_words

    return Here(
        folder=Path.cwd(),
        program=program_words(sys.argv[0], sys.executable),
        home=str(_home(settings)),
        host=socket.gethostname(),
    )


def _machine(settings: Settings) -> Machine:
    import pwd

    from vault.app.schedule.schedulers import Machine

    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Machine(environment=settings.child_environment(), home=_home(settings), user=user, uid=uid)


def _home(settings: Settings) -> Path:
    """HOME, else the one that the system knows. Raises  UsageError: there is none"""
    import pwd

    if home := settings.environment.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError as error:
        raise UsageError("there is no home directory", why="HOME is not set", hint="set HOME") from error


COMMAND = Group(
    name="schedule",
    help="Take snapshots by the clock: install, remove and look at what the operating system starts.",
    commands=[install, remove, status, run],
)
