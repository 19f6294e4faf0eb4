"""`pgvault table`."""

from __future__ import annotations

import sys

import click

from vault.app import wiring
from vault.cli import jsonout, output
from vault.cli.options import Choice, Invocation, command
from vault.errors import UsageError


@command(
    "table",
    help="Print the rows of one table, streamed.\n\nTABLE is SCHEMA.TABLE by psql's rules; quote what needs quoting. With "
    "--json the result line goes to stderr. `copy` is COPY text as captured, in the server's encoding. Stored generated columns "
    "are in csv and jsonl with the values that they had; `copy` and `sql` hold what can be loaded. A value that starts with =, +, - or @ "
    "is a formula to a spreadsheet, whoever wrote it into the table: open with one only what was written with --csv-safe.",
    examples=[
        "pgvault table latest public.orders | head",
        "pgvault table latest auth.users --format jsonl -o users",
        "pgvault table latest public.orders --csv-safe -o orders.csv",
    ],
)
@click.argument("snapshot")
@click.argument("table")
@click.option("--format", "form", type=Choice(["csv", "copy", "jsonl", "sql"]), default="csv", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", help="Write to a new file (0600) instead of stdout.")
@click.option(
    "--csv-safe",
    "no_formulas",
    is_flag=True,
    help="For a spreadsheet: quote all text, with an apostrophe before what would be a formula. It cannot be loaded back as it was.",
)
def table(invocation: Invocation, snapshot: str, table: str, form: str, path: str | None, no_formulas: bool) -> None:
    from vault.ops.view.table import find_table, left_out, table_rows

    if no_formulas and form != "csv":
        raise UsageError(f"--csv-safe is of csv, and this is {form}", hint="leave it out, or take --format csv")
    chosen = wiring.open_snapshot(invocation.settings(), snapshot)
    item = find_table(chosen, table)
    rows = item.sums.rows
    lacking = left_out(chosen, item, form)
    if lacking:
        invocation.renderer().talk(lacking)
    written = output.write(table_rows(chosen, item, form, no_formulas=no_formulas), path)
    if invocation.json:
        invocation.renderer().json_line(jsonout.result(rows=rows, bytes=written), stream=sys.stderr)


COMMAND = table
