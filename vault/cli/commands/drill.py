"""`pgvault drill`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from vault.app import processes, wiring
from vault.cli import drilling, progress
from vault.cli.options import Invocation, command, database_options
from vault.errors import IntegrityError, Interrupted, StoreError

if TYPE_CHECKING:
    from vault.app.drill.run import Drill
    from vault.cli.render import Renderer


@command(
    "drill",
    help="Prove a snapshot: restore it into a throwaway server, and compare what is there with what was saved.\n\nWithout a snapshot "
    "the latest. Every definition, row, sequence, large object, foreign key, policy, privilege and role, the nine counts, every file, and "
    "the assertions of [drill] in pgvault.toml. Leaves a record in the repository and nothing else; --keep leaves the server running. "
    "With -d it restores into an empty database of yours, which stays. The snapshot's code runs in the server, with a superuser's "
    "rights there: run as root it has a user of its own that owns nothing else; run as you it can do what you can. "
    "Exit code 0: passed; 3: passed, with something not checked, which is named; 4: something differed.",
    examples=[
        "pgvault drill",
        "pgvault drill latest~2 --keep",
        "pgvault drill 2026-11-30 -d postgresql:///empty_database",
        "pgvault drill --json",
    ],
)
@click.argument("snapshot", default="latest")
@database_options("An empty database to restore into instead, without a password.")
@click.option("--keep", is_flag=True, help="Leave the throwaway server running, with its address and how to stop it.")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
@click.option("-j", "--jobs", type=click.IntRange(1, 32), default=2, show_default=True, help="Connections.")
def drill(invocation: Invocation, snapshot: str, **flags: Any) -> int:
    from vault.app.drill.run import DrillFlags, kept_server, open_drill
    from vault.ops.guard import judge

    options = DrillFlags(**flags)
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    opened, chosen, sources = wiring.open_among(settings, snapshot, copies=False)
    ruin = judge.warning(opened, (chosen.id, chosen.manifest))
    if ruin:
        out.insist(f"warning: {ruin}")
    with processes.reading(opened, chosen), progress.shown(out) as drawn:
        with open_drill(settings, chosen, options, sources=sources, progress=drawn) as run:
            drilling.begin(out, run, started_ms)
            try:
                _work(run)
            except IntegrityError as error:
                _noted(out, partial(run.record_damage, opened, error))
                raise
            done, duration_s = run.result(), max(0, clock.now_ms() - started_ms) / 1000
            _noted(out, partial(run.record, opened))
            kept = kept_server(run)
    if invocation.json:
        out.json_line(drilling.result(run, done, duration_s, kept, ruin=ruin))
    else:
        drilling.draw(out, done, duration_s, ruin=ruin)
        if kept is not None:
            drilling.tell_kept(out, kept)
    return drilling.exit_code(done)


def _noted(out: Renderer, leave: Callable[[], object]) -> None:
    try:
        leave()
    except StoreError as error:
        out.insist(f"note: no record of this drill could be left: {error.message}: {error.why}")


def _work(run: Drill) -> None:
    """What stops it leaves a part of the snapshot in a database of the user's, and says so. Raises  as `Drill`; Interrupted"""
    try:
        run.restore()
        run.examine()
    except KeyboardInterrupt as stop:
        if run.place.throwaway:
            raise
        left, hint = "the database holds a part of the snapshot", "drill again, into a database that was created anew"
        raise Interrupted("interrupted", why=left, hint=hint) from stop


COMMAND = drill
