"""`pgvault status`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from vault.app import wiring
from vault.app.quantities import age_ms
from vault.cli import render
from vault.cli.exit_codes import ExitCode, gravest
from vault.cli.options import Invocation, command
from vault.errors import Misconfigured, NotThere, VaultError

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.app.status import ThisMachine
    from vault.ops.status.seen import Status


@command(
    "status",
    help="Is it safe, and if not, why?\n\nOf each source the last snapshot and what changed in it, the last check and drill, the next "
    "run; what is wrong, and the line to type. Nothing is asked of the database. Exit codes for monitoring: 0 safe, 1 overdue or the "
    "last run failed, 2 no snapshot, 3 something selected was not captured, 4 damage, 5 a finding waits (ack); those of errors "
    "where the repository cannot be opened.",
    examples=["pgvault status", "pgvault status --max-age 26h --json", "pgvault status --follow"],
)
@click.option(
    "--max-age",
    metavar="D",
    help="Overdue is what has no snapshot for so long: 26h, 8d. Default: the configuration's, the schedule's, or what is usual.",
)
@click.option("--follow", is_flag=True, help="Show the log of the running job, or of the last one, to its end.")
def status(invocation: Invocation, max_age: str | None, follow: bool) -> int:
    from vault.app.status import gather, this_machine

    limit_ms = None if max_age is None else age_ms(max_age, option="--max-age")
    try:
        settings = invocation.settings()
    except Misconfigured:
        known = invocation.settings_without_files()
        _tell_what_is_known(invocation, known, this_machine(known), "the configuration cannot be read")
        raise
    mine = this_machine(settings)
    if follow:
        return _follow(invocation, settings, mine)
    try:
        seen = gather(settings, max_age_ms=limit_ms, mine=mine)
    except VaultError:
        _tell_what_is_known(invocation, settings, mine, "the repository cannot be opened")
        raise
    from vault.cli import status_screen

    out, now_ms = invocation.renderer(), wiring.SystemClock().now_ms()
    why = (replace(one, fix=out.to_type(one.fix), meant=out.to_type(one.meant)) for one in seen.why)
    seen = replace(seen, why=tuple(why))
    if invocation.json:
        out.json_line(status_screen.fields(seen, mine, now_ms))
    else:
        status_screen.draw(
            out, seen, mine, now_ms=now_ms, place=settings.repository or "", coloured=_coloured(settings)
        )
    return exit_code(seen)


def exit_code(seen: Status) -> ExitCode:
    """The gravest of all that is wrong, by the one order of exit codes."""
    return gravest(CODES[reason.trouble.value] for reason in seen.why)


CODES: Final[Mapping[str, ExitCode]] = {
    "overdue": ExitCode.FAILED,
    "failed": ExitCode.FAILED,
    "no_snapshot": ExitCode.USAGE,
    "incomplete": ExitCode.INCOMPLETE,
    "damage": ExitCode.DAMAGE,
    "findings": ExitCode.RUIN,
}
"""Trouble -> exit code, for monitoring."""


def _tell_what_is_known(invocation: Invocation, settings: Settings, mine: ThisMachine, what: str) -> None:
    """Where the repository cannot be opened: a disk that is not mounted is when people look."""
    from vault.cli import status_screen

    if not invocation.json:
        now_ms = wiring.SystemClock().now_ms()
        status_screen.draw_closed(invocation.renderer(), mine, what, now_ms=now_ms, coloured=_coloured(settings))


def _coloured(settings: Settings) -> bool:
    return render.coloured(sys.stdout, settings.environment)


def _follow(invocation: Invocation, settings: Settings, mine: ThisMachine) -> int:
    """The log of a job to its end; the code is the job's."""
    from time import sleep

    from vault.app import jobs
    from vault.app.state import state_directory
    from vault.app.status import to_follow
    from vault.model.jobs import KILLED

    seen = to_follow(mine.jobs, settings.source)
    if seen is None:
        raise NotThere(
            "no job to follow",
            why=mine.notes[0] if mine.notes else "none of this machine is recorded for this repository",
            hint="pgvault backup --background",
        )
    out, directory, rest = invocation.renderer(), state_directory(settings), ""
    tell = out.talk if invocation.json else out.line
    for piece in jobs.follow(directory, seen.job.id, pause=sleep):
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            tell(line)
    if rest:
        tell(rest)
    recorded = jobs.load(directory, seen.job.id)
    ended = seen.job if recorded is None or recorded.job is None else recorded.job
    if invocation.json:
        from vault.cli import status_screen

        out.json_line(status_screen.followed(ended, jobs.state_of(directory, ended)))
    if ended.ended_ms is None:
        out.insist(f"job {ended.id} was killed: {KILLED}")
    return ExitCode.FAILED if ended.exit_code is None else ended.exit_code


COMMAND = status
