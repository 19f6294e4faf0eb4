"""`pgvault rows`."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import click

from vault.app import wiring
from vault.cli import answers, jsonout
from vault.cli.options import Choice, Invocation, command


@command(
    "rows",
    help="Print rows of one table by a condition, without a restore.\n\nEqualities on keys and texts (--where \"id = 42 and state = 'paid'\") need "
    "no server. Any other condition is evaluated by PostgreSQL, in a throwaway server of this machine, by a login that may write nothing; "
    "what it calls may be the snapshot's own functions, and may act outside of the database with the rights of the server's user. "
    "A condition sees one row; for joins and other tables: pgvault sql. With --json the result line goes to stderr.",
    examples=[
        "pgvault rows latest public.orders --where 'id = 42'",
        "pgvault rows latest~1 orders --where \"total > 100 and note ilike '%late%'\" --columns id,total --limit 20",
        "pgvault rows 2026-11-30 auth.users --where \"email = 'ada@example.org'\" --format jsonl",
    ],
)
@click.argument("snapshot")
@click.argument("table")
@click.option("--where", metavar="EXPR", help="A condition as after WHERE, on the columns of a row.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="No more than N rows; the rest is not read.")
@click.option("--columns", multiple=True, metavar="NAMES", help="Only these, in this order, commas between them.")
@click.option("--format", "form", type=Choice(list(answers.FORMATS)), default="csv", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", help="Write to a new file (0600) instead of stdout.")
def rows(
    invocation: Invocation,
    snapshot: str,
    table: str,
    where: str | None,
    limit: int | None,
    columns: tuple[str, ...],
    form: str,
    path: str | None,
) -> None:
    from vault.app.query import row_matcher
    from vault.ops.query.rows import RowQuery
    from vault.ops.view.table import find_table

    answers.refuse(form, path)
    settings, out = invocation.settings(), invocation.renderer()
    chosen = wiring.open_snapshot(settings, snapshot)
    query = RowQuery(chosen, find_table(chosen, table))
    places = query.chosen(columns)
    with ExitStack() as stack:
        with answers.told(out) as drawn:
            matcher = None
            if where is not None:
                matcher = stack.enter_context(row_matcher(settings, chosen, query, condition=where, notify=drawn.stage))
        blocks = query.blocks(matcher, places=places, limit=limit)
        printed = answers.show(out, blocks, query.shown(places), form=form, path=path)
    if invocation.json:
        out.json_line(jsonout.result(rows=printed.rows, bytes=printed.bytes), stream=sys.stderr)


COMMAND = rows
