"""`pgvault verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import progress, verifying
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, Word, command, database_options
from vault.errors import StoreError, UsageError

if TYPE_CHECKING:
    from vault.app.database import DatabaseFlags


@command(
    "verify",
    help="Verify that the content of a snapshot equals its manifest; changes nothing, and leaves a record.\n\nEvery byte is decoded and "
    "its id proven, rows, bytes and files are counted, the coverage is compared with what is there, every rendered file is rendered to "
    "its end, and what was taken over from earlier snapshots is held against the rules. SNAP is the latest if none is named. With "
    "--against the rows and definitions are compared with a live database, table by table, without a restore. Exit code 3 if something "
    "could not be verified, 4 for damage or a mismatch.",
    examples=[
        "pgvault verify",
        "pgvault verify --all",
        "pgvault verify --all --split 1/4 --json",
        "pgvault verify latest --against -d postgresql:///app",
    ],
)
@click.argument("snapshot", required=False, type=Word())
@click.option("--all", "every", is_flag=True, help="All snapshots, or all of --source; what they share is read once.")
@click.option("--split", metavar="n/m", help="Part n of m of the contents: one for each of m machines.")
@click.option("--against", is_flag=True, help="Compare with the live database of -d, --local or --linked.")
@database_options("With --against: the live database, without a password.")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
def verify(
    invocation: Invocation,
    snapshot: str | None,
    every: bool,
    split: str | None,
    against: bool,
    database: str | None,
    local: bool,
    linked: bool,
    allow_cleartext: bool,
) -> int:
    from vault.app.database import DatabaseFlags

    flags = DatabaseFlags(database=database, local=local, linked=linked)
    if snapshot is not None and every:
        raise UsageError("SNAP and --all exclude each other", hint="leave one of them out")
    if against:
        if every or split is not None:
            raise UsageError("--against compares one snapshot", hint="leave --all and --split out")
        return _against(invocation, snapshot or "latest", flags, allow_cleartext=allow_cleartext)
    if flags != DatabaseFlags() or allow_cleartext:
        raise UsageError("a database is named, and not asked about", hint="add --against")
    return _verify(invocation, None if every else snapshot or "latest", split)


def _verify(invocation: Invocation, snapshot: str | None, split: str | None) -> int:
    from vault.app import verify as journey
    from vault.ops.check.parts import WHOLE, Part

    part = WHOLE if split is None else Part.read(split, option="--split")
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    with progress.shown(out) as drawn:
        indexed, report = journey.verify(settings, journey.VerifyRequest(snapshot=snapshot, part=part), progress=drawn)
    try:
        journey.record(indexed, report, now_ms=started_ms)
    except StoreError as error:
        out.insist(f"note: no record of this could be left: {error.message}: {error.why}")
    duration_s = max(0, clock.now_ms() - started_ms) / 1000
    if invocation.json:
        out.json_line(verifying.fields(report, split, duration_s))
    else:
        verifying.draw(out, report, split=split)
    return verifying.exit_code(report)


def _against(invocation: Invocation, snapshot: str, flags: DatabaseFlags, *, allow_cleartext: bool) -> int:
    from vault.app import verify as journey

    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    with progress.shown(out) as drawn:
        chosen, compared = journey.against(settings, snapshot, flags, allow_cleartext=allow_cleartext, progress=drawn)
    duration_s = max(0, clock.now_ms() - started_ms) / 1000
    if invocation.json:
        out.json_line(verifying.fields_against(chosen.id, compared, duration_s))
    else:
        verifying.draw_against(out, chosen, compared)
    if compared.has_differences:
        return ExitCode.DAMAGE
    return ExitCode.OK if compared.is_complete else ExitCode.INCOMPLETE


COMMAND = verify
