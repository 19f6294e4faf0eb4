"""`pgvault sql`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from vault.cli import answers, jsonout
from vault.cli.options import Choice, Invocation, command
from vault.pipeline.copytext import whole_rows
from vault.sql.names import show_name

_PIECE_BYTES: Final = 1024 * 1024


@command(
    "sql",
    help="Ask a question in SQL over one snapshot, or over several.\n\nSNAPSHOT... QUERY: of one snapshot tables have their names. Of several each "
    "is NAME=SNAPSHOT, and a schema: NAME.orders is its public.orders, NAME_auth.users its auth.users. The statement, one that reads, "
    "runs in a throwaway PostgreSQL of this machine, that of the snapshot's version where it is there, into which the rows of those "
    "tables come that it reads; how that server differs is said. Functions, types and views are the snapshot's; there are no roles, "
    "policies, triggers, large objects and foreign servers, and of functions only those in trusted languages. They may act outside of the "
    "database with the rights of the server's user. --engine duckdb (an extra: sql) reads large tables faster, in DuckDB's own SQL and types.",
    examples=[
        'pgvault sql latest "select state, count(*) from orders group by state"',
        'pgvault sql monday=latest~3 today=latest "select * from monday.orders except select * from today.orders"',
        'pgvault sql latest --engine duckdb "select max(at) from public.events"',
    ],
)
@click.argument("words", nargs=-1, required=True, metavar="SNAPSHOT... QUERY")
@click.option("--engine", type=Choice(["postgresql", "duckdb"]), default="postgresql", show_default=True)
@click.option("--format", "form", type=Choice(list(answers.FORMATS)), default="csv", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", help="Write to a new file (0600) instead of stdout.")
def sql(invocation: Invocation, words: tuple[str, ...], engine: str, form: str, path: str | None) -> None:
    from vault.app import large_scans, query

    answers.refuse(form, path)
    asked = query.SqlQuestion.read(words)
    if engine == "duckdb":
        large_scans.refuse_engine()
    settings, out = invocation.settings(), invocation.renderer()
    snapshots = query.open_snapshots(settings, asked)
    with answers.told(out) as drawn:
        answer = large_scans.answer if engine == "duckdb" else query.answer
        answered, spool = answer(settings, snapshots, asked.statement, spool=_spool, progress=drawn)
    with spool:
        printed = answers.show(out, _rows(spool), answered.columns, form=form, path=path)
    for note in answered.notes:
        out.talk(f"note: {note}")
    if invocation.json:
        told = jsonout.result(rows=printed.rows, bytes=printed.bytes, engine=engine, notes=list(answered.notes))
        loaded = [{"table": show_name(name), "rows": rows} for name, rows in answered.loaded.items()]
        out.json_line(told | {"loaded": loaded}, stream=sys.stderr)


def _spool(directory: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=directory)


def _rows(spool: IO[bytes]) -> Iterator[bytes]:
    return whole_rows(iter(lambda: spool.read(_PIECE_BYTES), b""))


COMMAND = sql
