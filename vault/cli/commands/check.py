"""`pgvault check`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.mending import to_type
from vault.cli.options import Invocation, command
from vault.errors import Interrupted, RolledBack, UsageError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.errors import StoreError
    from vault.ops.check.amount import Amount
    from vault.ops.check.run import CheckReport

AFFECTED_SHOWN_MAX = 10


@command(
    "check",
    help="Check that the repository's bytes are intact; changes nothing, and leaves a record of what it found.\n\nEvery file's presence and size, every index, "
    "manifest and tree, and that all that a snapshot needs is there. With --read-data also every byte of the packs, or of a part of "
    "them: 5% or 10G of those that were not read for longest, or 1/7, part one of seven by name, the same on every machine. Broken off with "
    "Ctrl-C or by --max-duration it keeps what it has read, and the next one begins with the rest. Exit code 4 if damage is found, "
    "with what it hits.",
    examples=[
        "pgvault check",
        "pgvault check --read-data",
        "pgvault check --read-data=10% --json",
        "pgvault check --read-data=2/7",
        "pgvault check --max-duration 30m",
    ],
)
@click.option(
    "--read-data", is_flag=False, flag_value="100%", metavar="[=n/m|n%|SIZE]", help="Read the packs' bytes too."
)
@click.option(
    "--max-duration",
    metavar="D",
    help="Read packs for so long (30m, 2h), those first that were not read for longest; --read-data is meant.",
)
def check(invocation: Invocation, read_data: str | None, max_duration: str | None) -> int:
    from vault.app import upkeep
    from vault.app.quantities import age_ms
    from vault.ops.check.run import ReadingBroken

    over_s = None if max_duration is None else age_ms(max_duration, option="--max-duration") / 1000
    part = amount(read_data if read_data is not None or over_s is None else "100%", is_timed=over_s is not None)
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms, started_s = clock.now_ms(), clock.uptime_s()
    indexed = wiring.index_repository(settings, goes_on=True)
    try:
        with progress.shown(out) as drawn:
            report = upkeep.check(
                indexed,
                settings,
                read_data=part,
                now_ms=started_ms,
                progress=drawn,
                unrecorded=partial(_unrecorded, out),
                is_over=lambda: over_s is not None and clock.uptime_s() - started_s >= over_s,
            )
    except ReadingBroken as broken:
        read = counted(len(broken.read.whole), "pack")
        raise Interrupted(
            "interrupted",
            why=f"{read} had been read and found whole" + (f"; damage: {broken.lines[0]}" if broken.lines else ""),
            hint="pgvault check --max-duration 1h goes on" if part is not None else "pgvault check",
        ) from broken
    if invocation.json:
        out.json_line(jsonout.check(report, max(0, clock.now_ms() - started_ms) / 1000))
    else:
        _draw(invocation, report, read=part, now_ms=started_ms)
    return ExitCode.DAMAGE if report.damage else ExitCode.OK


def _unrecorded(out: Renderer, error: StoreError) -> None:
    out.insist(f"note: no record of this check could be left: {error.message}: {error.why}")


def amount(text: str | None, *, is_timed: bool = False) -> Amount | None:
    """`100%`, `1/7` or `10G`; None reads nothing. Raises  UsageError"""
    from vault.app.quantities import size_bytes
    from vault.ops.check.amount import Amount
    from vault.ops.check.parts import Part

    if text is None:
        return None
    if "/" in text:
        return Amount(part=Part.read(text, option="--read-data"), in_turn=is_timed)
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", text):
        share = float(match[1]) / 100
        if not 0 < share <= 1:
            raise UsageError(f"--read-data={text}: not a part of the whole", hint="--read-data=10%")
        return Amount(share=share, in_turn=is_timed)
    try:
        size = size_bytes(text, option="--read-data")
    except UsageError as error:
        raise UsageError(f"--read-data={text}: neither n/m, n% nor a size", hint="--read-data=10%") from error
    if not size:
        raise UsageError(f"--read-data={text}: nothing", hint="leave --read-data out, or --read-data=1G")
    return Amount(bytes_max=size, in_turn=is_timed)


def _draw(invocation: Invocation, report: CheckReport, *, read: Amount | None, now_ms: int) -> None:
    out = invocation.renderer()
    for fault in report.damage:
        out.text(f"damage: {fault.file or fault.object}: {fault.why}")
        for hit in fault.affects[:AFFECTED_SHOWN_MAX]:
            out.line(f"  hits {hit}")
        if len(fault.affects) > AFFECTED_SHOWN_MAX:
            out.line(f"  and {len(fault.affects) - AFFECTED_SHOWN_MAX} more (--json names them)")
    if any(fault.kind == RolledBack.code for fault in report.damage):
        out.talk(
            "if it was you who took that away: pgvault backup --source NAME --accept-rollback, once for each source"
        )
    for line in to_type(report.damage):
        out.talk(line)
    for note in report.notes:
        out.insist(f"note: {note}")
    seen = f"{counted(report.snapshots, 'snapshot')}, {counted(report.objects, 'object')}, {render.size(report.read_bytes)} of packs read"
    verdict = f"{len(report.damage)} damaged" if report.damage else "no damage found"
    out.text(f"{verdict}: {seen}")
    if report.remembered_since_ms is not None:
        out.talk(
            f"{counted(report.remembered, 'snapshot')} looked through earlier, the first of them "
            f"{render.when(report.remembered_since_ms, now_ms)}; all that was needed then is listed as it was"
        )
    if report.read.left:
        out.talk(
            f"the time was over: {counted(report.read.left, 'pack')} of those that were to be read are left for next time"
        )
    if read is None or not read.is_all or report.read.left:
        last = report.data_read_ms
        when = "was never done here" if last is None else f"was last done here {render.when(last, now_ms)}"
        part = "were not read" if read is None else "were read in part"
        out.talk(f"the packs' bytes {part}; reading all of them {when}; next: pgvault check --read-data")


COMMAND = check
