"""`pgvault demo`."""

from __future__ import annotations

import click

from vault.cli import jsonout
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.cli.telling import Teller


@command(
    "demo",
    help="See all of it on a generated project, without a database of your own.\n\nStarts a throwaway PostgreSQL (the "
    "embedded extra, or an installed one), lives some simulated days with a backup each, breaks something, restores and "
    "compares. Touches nothing of yours and removes everything at the end.",
    examples=["pgvault demo", "pgvault demo --keep ./demo", "pgvault demo --json"],
)
@click.option("--keep", metavar="DIR", help="Leave the repository and the project's files in a new or empty directory.")
def demo(invocation: Invocation, keep: str | None) -> int:
    from vault.demo import story
    from vault.demo.stage import demo_stage

    out = invocation.renderer()
    with demo_stage(keep, invocation.settings()) as stage:
        report = story.run(stage, progress=Teller(out))
    if invocation.json:
        out.json_line(
            jsonout.result(
                days=report.days,
                source_bytes=report.source_bytes,
                stored_bytes=report.stored_bytes,
                restored_equal=report.restored_equal,
                duration_s=report.duration_s,
                counts=jsonout.counts(report.counts),
                restored_counts=jsonout.counts(report.restored_counts),
                snapshots=[snapshot.hex() for snapshot in report.snapshots],
            )
        )
    if keep is not None:
        out.talk(
            f"kept in {keep}; look with: PGVAULT_PASSWORD={story.PASSPHRASE} pgvault -r {keep}/repository snapshots"
        )
    return ExitCode.OK if report.restored_equal else ExitCode.DAMAGE


COMMAND = demo
