"""`pgvault export`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from vault.app import wiring
from vault.cli import jsonout, output, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Choice, Invocation, command
from vault.errors import UsageError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.ops.check.parts import Part


_LAYOUT = ("layout", "pgdump", "sql", "tar")


@command(
    "export",
    help="Write a whole snapshot in a form that needs no pgvault, or its rows as data for other engines.\n\nlayout: a directory with all "
    "files and restore_complete_backup.sh; pgdump: an archive for pg_restore; sql: a script for psql; tar: the layout in one file. "
    "-o - writes tar, pgdump and sql to stdout.\n\nparquet: a directory or s3://BUCKET/PREFIX, a folder a table, a partition a snapshot, into "
    "which more snapshots may come; sqlite: one file; jsonl, csv: a directory with a file a table. These hold rows of tables and nothing "
    "else, typed by declaration: pgvault help other-engines. CSV: DuckDB, Spark and pandas take an empty text for NULL unless told otherwise; "
    "a value that starts with =, +, - or @ is a formula to a spreadsheet, so one opens only what was written with --csv-safe.\n\n"
    "Nothing that exists is overwritten; what is written is not encrypted, and readable by you alone.",
    examples=[
        "pgvault export latest --format layout -o out",
        "pgvault export latest --format layout --split 1/4 -o part1",
        "pgvault export latest --format pgdump -o app.dump",
        "pgvault export latest --format parquet -o s3://lake/app --split 1/4",
        "pgvault export latest --format sqlite -t public.orders -o orders.sqlite",
    ],
)
@click.argument("snapshot")
@click.option("--format", "form", type=Choice([*_LAYOUT, "parquet", "sqlite", "jsonl", "csv"]), required=True)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    metavar="PATH",
    help="A new file; for layout, jsonl and csv a new directory, for parquet that or s3://BUCKET/PREFIX; - for stdout.",
)
@click.option(
    "--split",
    metavar="n/m",
    help="Part n of m, one for each of m machines: of the files, for layout; of each table's rows, for parquet. In one directory they are the whole.",
)
@click.option(
    "-t",
    "--table",
    "tables",
    multiple=True,
    metavar="TABLE",
    help="Only this table, for the last four; more than once for several.",
)
@click.option(
    "--safe-integers", is_flag=True, help="jsonl: bigint as a string, for readers whose numbers have 53 bits."
)
@click.option(
    "--csv-safe",
    "no_formulas",
    is_flag=True,
    help="csv, for a spreadsheet: quote all text, with an apostrophe before what would be a formula. It cannot be loaded back as it was.",
)
def export(
    invocation: Invocation,
    snapshot: str,
    form: str,
    path: str,
    split: str | None,
    tables: tuple[str, ...],
    **flags: bool,
) -> int:
    from vault.ops.check.parts import WHOLE, Part

    part = WHOLE if split is None else Part.read(split, option="--split")
    if split is not None and form not in {"layout", "parquet"}:
        raise UsageError(
            f"--split needs files, and {form} is not written in parts",
            hint="--format layout or parquet, or leave --split out",
        )
    if form in _LAYOUT:
        if tables or any(flags.values()):
            raise UsageError(
                "-t, --safe-integers and --csv-safe are about rows",
                why=f"{form} is the whole snapshot",
                hint="--format parquet, sqlite, jsonl or csv",
            )
        return _whole(invocation, snapshot, form=form, path=path, part=part)
    return _rows(invocation, snapshot, form=form, path=path, part=part, tables=tables, **flags)


def _rows(invocation: Invocation, snapshot: str, *, part: Part, **asked: Any) -> int:
    from vault.app.datasets import DatasetRequest, export_dataset
    from vault.ops.datasets.rows import Share

    started = time.monotonic()
    out = invocation.renderer()
    request = DatasetRequest(share=Share(number=part.number, of=part.of, has=part.has), **asked)
    with progress.shown(out) as drawn:
        done = export_dataset(invocation.settings(), snapshot, request, drawn)
    for note in done.notes:
        out.talk(f"note: {note}")
    if invocation.json:
        told = jsonout.result(
            format=request.form,
            path=request.path,
            files=done.files,
            bytes=done.bytes,
            duration_s=time.monotonic() - started,
        )
        out.json_line(told | {"changed": [], "tables": done.tables, "rows": done.rows, "notes": done.notes})
    else:
        out.line(
            f"{counted(done.tables, 'table')}, {counted(done.rows, 'row')}, {render.size(done.bytes)}, written to {request.path}"
        )
    return ExitCode.OK


def _whole(invocation: Invocation, snapshot: str, *, form: str, path: str, part: Part) -> int:
    from vault.ops.view import extract
    from vault.ops.view.export import FILES, Tar

    started = time.monotonic()
    to_stdout = path == "-"
    if to_stdout and form == "layout":
        raise UsageError("-o - needs one stream", why="layout is a directory", hint="--format tar, pgdump or sql")
    view = wiring.open_view(invocation.settings(), snapshot)
    out = invocation.renderer()
    changed: list[dict[str, str]] = []
    if form == "layout":
        with output.new_directory(path), wiring.directory_target(path) as directory, progress.shown(out) as drawn:
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
