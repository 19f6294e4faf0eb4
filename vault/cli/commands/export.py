"""`pgvault export`."""

from __future__ import annotations

import sys

import click

from vault.app import wiring
from vault.cli import jsonout, output, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Choice, Invocation, command
from vault.errors import UsageError
from vault.model.words import counted


@command(
    "export",
    help="Write a whole snapshot in a form that needs no pgvault.\n\nlayout: a directory with all files and "
    "restore_complete_backup.sh; pgdump: an archive for pg_restore; sql: a script for psql; tar: the layout in one file. "
    "-o - writes tar, pgdump and sql to stdout. Nothing that exists is overwritten; what is written is not encrypted, and readable by you alone.",
    examples=[
        "pgvault export latest --format layout -o out",
        "pgvault export latest --format layout --split 1/4 -o part1",
        "pgvault export latest --format pgdump -o app.dump",
    ],
)
@click.argument("snapshot")
@click.option("--format", "form", type=Choice(["layout", "pgdump", "sql", "tar"]), required=True)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    metavar="PATH",
    help="A new file, for layout a new directory; - for stdout.",
)
@click.option(
    "--split",
    metavar="n/m",
    help="Part n of m of the files, for layout: one for each of m machines; copied into one directory they are the whole.",
)
def export(invocation: Invocation, snapshot: str, form: str, path: str, split: str | None) -> int:
    import time

    from vault.ops.check.parts import WHOLE, Part
    from vault.ops.view import extract
    from vault.ops.view.export import FILES, Tar

    started = time.monotonic()
    to_stdout = path == "-"
    if to_stdout and form == "layout":
        raise UsageError("-o - needs one stream", why="layout is a directory", hint="--format tar, pgdump or sql")
    part = WHOLE if split is None else Part.read(split, option="--split")
    if split is not None and form != "layout":
        raise UsageError(f"--split needs files, and {form} is one stream", hint="--format layout, or leave --split out")
    view = wiring.open_view(invocation.settings(), snapshot)
    out = invocation.renderer()
    changed: list[dict[str, str]] = []
    if form == "layout":
        with wiring.directory_target(path) as directory, progress.shown(out) as drawn:
            done = extract.extract(view, (), directory, progress=drawn, has=part.has)
        files, written = done.files, done.bytes
        changed = [{"item": change.item, "why": change.why} for change in done.changed]
    elif form == "tar":
        tar = Tar(view, view.taken_ms)
        written = output.write(tar.blocks(), path)
        files = tar.files
    else:
        files, written = 1, output.write(view.open(FILES[form]), path)
    for change in changed:
        out.talk(f"{change['item']}: {change['why']}")
    if invocation.json:
        duration_s = time.monotonic() - started
        told = jsonout.result(format=form, path=path, files=files, bytes=written, duration_s=duration_s)
        out.json_line(told | {"changed": changed}, stream=sys.stderr if to_stdout else None)
    else:
        said = f"{counted(files, 'file')}, {render.size(written)}, written to {output.STDOUT if to_stdout else path}"
        out.talk(said) if to_stdout else out.line(said)
    return ExitCode.RESTORE_INCOMPLETE if changed else ExitCode.OK


COMMAND = export
