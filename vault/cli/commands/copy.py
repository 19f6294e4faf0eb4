"""`pgvault copy`."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout, progress, render
from vault.cli.options import Invocation, command
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.repo.lineage import Known
    from vault.repo.state import Open


@command(
    "copy",
    help="Copy snapshots into another repository.\n\nAll of them, or those of --source, or those that --snapshots names; what is "
    "there already is passed over, so an interrupted copy goes on. Everything is opened and proven on the way and stored under the other "
    "repository's keys. Its passphrase: PGVAULT_NEW_PASSWORD, _FILE or _COMMAND, else the same. "
    "`pgvault -r REPO init --like THIS` makes one that shares ids, so that what is there is not even read.",
    examples=[
        "pgvault copy /mnt/disk/backups",
        "pgvault copy /mnt/disk/backups --snapshots latest --snapshots monthly",
    ],
)
@click.argument("repo", metavar="REPO")
@click.option("--snapshots", "specs", multiple=True, metavar="SNAP", help="Only this one; may be given several times.")
def copy(invocation: Invocation, repo: str, specs: Sequence[str]) -> None:
    from vault.ops.copy import run as copying

    clock, settings, out = wiring.SystemClock(), invocation.settings(), invocation.renderer()
    started_ms = clock.now_ms()
    opened = wiring.open_repository(settings)
    chosen = choose(settings, opened, specs)
    ends = copying.Ends(
        here=opened.indexed(settings.cache_dir),
        there=wiring.open_other(settings, repo),
        cache_dir=settings.cache_dir,
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    with progress.shown(out) as drawn:
        report = copying.run(ends, chosen, clock=clock, entropy=wiring.system_entropy, progress=drawn)
    if invocation.json:
        copied = [
            {
                "id": copied.id.hex(),
                "origin": copied.origin.snapshot.hex(),
                "source": copied.source,
                "sequence": copied.sequence,
                "new_bytes": copied.new_bytes,
            }
            for copied in report.copied
        ]
        duration_s = max(0, clock.now_ms() - started_ms) / 1000
        out.json_line(
            jsonout.result(copied=copied, there=report.there, new_bytes=report.new_bytes, duration_s=duration_s)
        )
        return
    for done in report.copied:
        out.text(
            f"{done.origin.snapshot.hex()[:12]} of {done.source} is {done.id.hex()[:12]} there, {render.size(done.new_bytes)} new"
        )
    there = f", {report.there} were there" if report.there else ""
    out.line(f"{counted(len(report.copied), 'snapshot')} copied, {render.size(report.new_bytes)} new{there}")


def choose(settings: Settings, opened: Open, specs: Sequence[str]) -> list[Known]:
    """In order, oldest first. Raises  NotThere, UsageError, IntegrityError: one cannot be read, so that it is not known what it is"""
    from vault.repo.state import no_such_source

    source = settings.source
    readable, damaged = opened.listing()
    if not specs:
        if damaged:
            raise damaged[0]
        of_source = [pair for pair in readable if source in (None, pair[1].source)]
        if readable and not of_source:
            raise no_such_source(readable, source or "")
        return of_source
    wanted = {wiring.named(settings, opened, spec) for spec in specs}
    return [pair for pair in readable if pair[0] in wanted]


COMMAND = copy
