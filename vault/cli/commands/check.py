"""`pgvault check`."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.ops.check.run import CheckReport

AFFECTED_SHOWN_MAX = 10


@command(
    "check",
    help="Check that the repository's bytes are intact; changes nothing.\n\nEvery file's presence and size, every index, "
    "manifest and tree, and that all that a snapshot needs is there. With --read-data also every byte of the packs, or of "
    "a random part of them: 5%, or 1/7. Exit code 4 if damage is found, with what it hits.",
    examples=["pgvault check", "pgvault check --read-data", "pgvault check --read-data=10% --json"],
)
@click.option("--read-data", is_flag=False, flag_value="100%", metavar="[=n/m|n%]", help="Read the packs' bytes too.")
def check(invocation: Invocation, read_data: str | None) -> int:
    from vault.ops.check.run import run as run_check

    part = share(read_data) if read_data is not None else None
    clock, out = wiring.SystemClock(), invocation.renderer()
    started_ms = clock.now_ms()
    indexed = wiring.index_repository(invocation.settings())
    with progress.shown(out) as drawn:
        report = run_check(indexed, read_data=part, entropy=wiring.system_entropy, progress=drawn)
    if invocation.json:
        damage = [asdict(fault) for fault in report.damage]
        duration_s = max(0, clock.now_ms() - started_ms) / 1000
        numbers = {"objects": report.objects, "read_bytes": report.read_bytes, "snapshots": report.snapshots}
        out.json_line(jsonout.result(**numbers, damage=damage, duration_s=duration_s))
    else:
        _draw(invocation, report, read=part is not None)
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


def _draw(invocation: Invocation, report: CheckReport, *, read: bool) -> None:
    out = invocation.renderer()
    for fault in report.damage:
        out.line(f"damage: {fault.file or fault.object}: {fault.why}")
        for hit in fault.affects[:AFFECTED_SHOWN_MAX]:
            out.line(f"  hits {hit}")
        if len(fault.affects) > AFFECTED_SHOWN_MAX:
            out.line(f"  and {len(fault.affects) - AFFECTED_SHOWN_MAX} more (--json names them)")
    seen = f"{report.snapshots} snapshots, {report.objects} objects, {render.size(report.read_bytes)} of packs read"
    verdict = f"{len(report.damage)} damaged" if report.damage else "no damage found"
    out.line(f"{verdict}: {seen}")
    if not read:
        out.talk("the packs' bytes were not read; to read them: pgvault check --read-data")


COMMAND = check
