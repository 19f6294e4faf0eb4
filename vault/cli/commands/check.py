"""`pgvault check`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.mending import next_steps
from vault.cli.options import Invocation, command
from vault.errors import RolledBack, StoreError, Unsupported, UsageError

if TYPE_CHECKING:
    from vault.ops.check.run import CheckReport

AFFECTED_SHOWN_MAX = 10


@command(
    "check",
    help="Check that the repository's bytes are intact; changes nothing, and leaves a record of what it found.\n\nEvery file's presence and size, every index, "
    "manifest and tree, and that all that a snapshot needs is there. With --read-data also every byte of the packs, or of "
    "a random part of them: 5%, or 1/7. Exit code 4 if damage is found, with what it hits.",
    examples=["pgvault check", "pgvault check --read-data", "pgvault check --read-data=10% --json"],
)
@click.option("--read-data", is_flag=False, flag_value="100%", metavar="[=n/m|n%]", help="Read the packs' bytes too.")
def check(invocation: Invocation, read_data: str | None) -> int:
    import socket

    from vault.ops.check.run import Own, record
    from vault.ops.check.run import run as run_check

    part = share(read_data) if read_data is not None else None
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    indexed = wiring.index_repository(settings)
    own = Own(cache_dir=settings.cache_dir, state_dir=settings.state_dir, now_ms=started_ms)
    with progress.shown(out) as drawn:
        report = run_check(indexed, read_data=part, entropy=wiring.system_entropy, progress=drawn, own=own)
    try:
        record(indexed, report, host=socket.gethostname(), now_ms=max(0, started_ms), entropy=wiring.system_entropy)
    except StoreError as error:
        out.insist(f"note: no record of this check could be left: {error.message}: {error.why}")
    if invocation.json:
        out.json_line(jsonout.check(report, max(0, clock.now_ms() - started_ms) / 1000))
    else:
        _draw(invocation, report, read=part, now_ms=started_ms)
    return ExitCode.DAMAGE if report.damage else ExitCode.OK


def share(text: str) -> float:
    """`100%` or `1/7` as a number above 0 and up to 1. Raises  UsageError"""
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", text):
        part = float(match[1]) / 100
    elif match := re.fullmatch(r"(\d{1,6})/(\d{1,6})", text):
        part = int(match[1]) / int(match[2]) if int(match[2]) else 0.0
    else:
        raise UsageError(f"--read-data={text}: neither n/m nor n%", hint="--read-data=10%")
    if not 0 < part <= 1:
        raise UsageError(f"--read-data={text}: not a part of the whole", hint="--read-data=10%")
    return part


def _draw(invocation: Invocation, report: CheckReport, *, read: float | None, now_ms: int) -> None:
    out = invocation.renderer()
    for fault in report.damage:
        out.line(f"damage: {fault.file or fault.object}: {fault.why}")
        for hit in fault.affects[:AFFECTED_SHOWN_MAX]:
            out.line(f"  hits {hit}")
        if len(fault.affects) > AFFECTED_SHOWN_MAX:
            out.line(f"  and {len(fault.affects) - AFFECTED_SHOWN_MAX} more (--json names them)")
    if any(fault.kind == RolledBack.code for fault in report.damage):
        out.talk(
            "if it was you who took that away: pgvault backup --source NAME --accept-rollback, once for each source"
        )
    for line in next_steps([fault.file for fault in report.damage if fault.kind != Unsupported.code]):
        out.talk(line)
    for note in report.notes:
        out.insist(f"note: {note}")
    seen = f"{report.snapshots} snapshots, {report.objects} objects, {render.size(report.read_bytes)} of packs read"
    verdict = f"{len(report.damage)} damaged" if report.damage else "no damage found"
    out.line(f"{verdict}: {seen}")
    if report.remembered_since_ms is not None:
        out.talk(
            f"{report.remembered} of the snapshots were walked earlier, the first of them "
            f"{render.when(report.remembered_since_ms, now_ms)}, and all that they need is listed as it was then"
        )
    if read != 1:
        last = report.data_read_ms
        when = "this machine never did" if last is None else f"this machine last did {render.when(last, now_ms)}"
        part = "were not read" if read is None else "were read in part"
        out.talk(f"the packs' bytes {part}; all of them {when}; to read them: pgvault check --read-data")


COMMAND = check
