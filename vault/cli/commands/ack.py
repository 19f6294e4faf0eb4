"""`pgvault ack`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import jsonout
from vault.cli.options import Invocation, command
from vault.errors import UsageError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.cli.render import Renderer
    from vault.ops.guard.ack import Waiting
    from vault.repo.lineage import Known
    from vault.repo.state import Open

_WAYS_SHOWN_MAX = 5


@command(
    "ack",
    help="List what the guard found, and answer for it.\n\nA backup that looks like the ruin of the last good one ends with exit code "
    "5, and the good one stays whatever a policy says, until somebody answers. Without an argument: what waits. With the "
    "id of a finding: that one, in earlier snapshots too. With SNAP, as latest: all up to that snapshot. The snapshot is then what the next "
    "one is compared with. The codes: pgvault help findings.",
    examples=[
        "pgvault ack",
        'pgvault ack 3fa9c1 --reason "we moved the logs"',
        'pgvault ack --all --reason "the staging database was reset on purpose"',
    ],
)
@click.argument("what", required=False, metavar="[FINDING|SNAP]")
@click.option("--all", "every", is_flag=True, help="All that wait; with --source those of one source.")
@click.option("--reason", metavar="TEXT", help="Why it is no damage, for whoever asks in a year.")
def ack(invocation: Invocation, what: str | None, every: bool, reason: str | None) -> None:
    import socket

    from vault.ops.guard.ack import acknowledge, chosen, waiting

    if what is not None and every:
        raise UsageError("--all and an id exclude each other", hint="leave one of them out")
    if (what is not None or every) != (reason is not None):
        raise UsageError(
            "an id or --all, and a reason, come together",
            why="an answer says what it is about, and why that is no damage",
            hint='pgvault ack FINDING --reason "we moved the logs"',
        )
    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings, copies=True)
    rows = waiting(opened, settings.source)
    picked: tuple[Waiting, ...] = (
        rows
        if every
        else ()
        if what is None
        else chosen(rows, what, snapshot_named=lambda word: _named(settings, opened, word))
    )
    if reason is not None:
        acknowledge(
            opened,
            picked,
            reason=reason,
            host=socket.gethostname(),
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
        )
    left = [row for row in rows if row not in picked]
    if invocation.json:
        told = {"findings": _told(left), "acknowledged": _told(picked), "reason": reason}
        out.json_line(jsonout.result(**told))
        return
    if picked or not left:
        out.line(f"{counted(len(picked), 'finding')} answered" if picked else "no finding waits for an answer")
    if left:
        _draw(out, left)
        out.talk(
            f'if it was meant: pgvault ack {left[-1].id.hex()[:12]} --reason "...", or all: pgvault ack --all --reason "..."'
        )
        for line in _ways_back(settings, opened, left)[:_WAYS_SHOWN_MAX]:
            out.talk(f"if not: {line}")


def _named(settings: Settings, opened: Open, word: str) -> Known:
    snapshot = wiring.named_for_certain(settings, opened, word)
    return snapshot, opened.manifest(snapshot)


def _ways_back(settings: Settings, opened: Open, left: Sequence[Waiting]) -> list[str]:
    """From the good snapshots before these."""
    from vault.app.source_here import ways_of
    from vault.ops.guard.way_back import ways_back
    from vault.repo.remembered import unanswered

    known = opened.snapshots()
    return [*ways_back(left, known, unanswered(opened), ways_of(settings, known)).values()]


def _draw(out: Renderer, left: Sequence[Waiting]) -> None:
    """Below each snapshot what was found in it: the id to answer with, the code, and what it is about."""
    width = max(len(row.finding.code) for row in left)
    for (snapshot, source, number, there), group in groupby(
        left, lambda row: (row.snapshot, row.source, row.sequence, row.there)
    ):
        out.line(f"snapshot {snapshot.hex()[:12]}, number {number} of {source}{'' if there else ' (gone)'}")
        for row in group:
            head = f"  {row.id.hex()[:12]}  {row.finding.code:{width}}  "
            said = f"{row.finding.subject}: {row.finding.text}" if row.finding.subject else row.finding.text
            out.text(said, first=head, rest=" " * len(head))


def _told(rows: Iterable[Waiting]) -> list[jsonout.Json]:
    return [
        {
            "id": row.id.hex(),
            "code": row.finding.code,
            "subject": row.finding.subject,
            "text": row.finding.text,
            "snapshot": row.snapshot.hex(),
            "source": row.source,
            "sequence": row.sequence,
            "there": row.there,
        }
        for row in rows
    ]


COMMAND = ack
