"""A backup in the foreground has its source's turn: while a job of the same source works, it waits for its end and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vault.cli.taken import Taken
from vault.errors import StateUnusable
from vault.model.words import exactly

if TYPE_CHECKING:
    from vault.app.backup_request import BackupPlan
    from vault.app.settings import Settings
    from vault.cli.options import Invocation


def in_turn(
    invocation: Invocation,
    settings: Settings,
    plan: BackupPlan,
    save: Callable[[bool], Taken],
    *,
    command: tuple[str, ...],
) -> Taken:
    """What `save` gives, which hears whether another one was waited for. `command`: for the record. Raises  as `save`; Locked"""
    waited: list[str] = []
    with _turn(invocation, settings, plan.source, command, waited=waited) as ended:
        taken = save(bool(waited))
        ended(taken)
    return taken


@contextmanager
def _turn(
    invocation: Invocation, settings: Settings, source: str, command: tuple[str, ...], *, waited: list[str]
) -> Iterator[Callable[[Taken], None]]:
    """A state directory that cannot be used is no reason to take no snapshot. `waited`: gets the job that had the turn"""
    from vault.app import state, wiring
    from vault.app.background import JobTerms
    from vault.app.foreground import alone
    from vault.app.patience import JOB_S
    from vault.model.jobs import JobKind

    out = invocation.renderer()

    def waiting(job: str) -> None:
        waited.append(job)
        called = f": {job}" if job else ""
        out.talk(
            f"a job of {source} runs{called}; waiting for its end, {exactly(JOB_S * 1000)} at most; to see it: pgvault status --follow"
        )

    terms = JobTerms(
        source=source, repository=wiring.repository_place(settings), kind=JobKind.FOREGROUND, command=command
    )
    turn = None
    try:
        turn = alone(
            state.state_directory(settings),
            terms,
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
            waiting=waiting,
        )
        running = turn.__enter__()
    except StateUnusable as error:
        out.talk(f"warning: no other backup of {source} is held off meanwhile: {error.message}: {error.why}")
        yield lambda taken: None
        return
    running.tell = out.talk
    try:
        yield lambda taken: running.ended(int(taken.code), snapshot=taken.snapshot, skipped=taken.skipped)
    finally:
        turn.__exit__(None, None, None)
