"""`pgvault extract`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from vault.app import wiring
from vault.cli import jsonout, output, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.model.words import counted


@command(
    "extract",
    help="Write files of a snapshot into a directory.\n\nPATHs as `pgvault ls` shows them, directories with all they hold; "
    "written under their last name: `a/b` becomes DIR/b; "
    "without PATH everything, the rendered files included. Nothing outside DIR is touched, and DIR must be new or empty.",
    examples=["pgvault extract latest --to out", "pgvault extract latest edge_functions migrations --to out"],
)
@click.argument("snapshot")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--to", "target", required=True, metavar="DIR", help="A new or empty directory.")
def extract(invocation: Invocation, snapshot: str, paths: Sequence[str], target: str) -> int:
    from vault.ops.view.extract import extract as extract_paths

    view = wiring.open_view(invocation.settings(), snapshot)
    for path in paths:
        view.entry(path)  # a name that is not there makes no directory
    out = invocation.renderer()
    with output.new_directory(target), wiring.directory_target(target) as directory, progress.shown(out) as drawn:
        done = extract_paths(view, paths, directory, progress=drawn)
    for change in done.changed:
        out.talk(f"{change.item}: {change.why}")
    if invocation.json:
        changed = [{"item": change.item, "why": change.why} for change in done.changed]
        out.json_line(jsonout.result(files=done.files, bytes=done.bytes, changed=changed))
    else:
        out.line(f"{counted(done.files, 'file')}, {render.size(done.bytes)}, written to {target}")
    return ExitCode.RESTORE_INCOMPLETE if done.changed else ExitCode.OK


COMMAND = extract
