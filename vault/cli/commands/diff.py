"""`pgvault diff`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import comparing, progress
from vault.cli.exit_codes import ExitCode, gravest
from vault.cli.options import Choice, Invocation, Word, command, database_options
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.app.diff import DiffRequest
    from vault.ops.diff.summary import Comparison

_FORMATS = ("text", "json", "sql")


@command(
    "diff",
    help="Show what differs between two snapshots, or a snapshot and the live database: files, definitions, privileges, roles, "
    "sequences, and rows.\n\nTold is what turns A into B. B is the newest snapshot of A's source if none is named; with --live it is "
    "the database as it is, captured as a backup would and stored nowhere. Rows are matched by a key that both have, by the text of "
    "its values, else as wholes; rows that only moved are no difference, nor is a file's time. What one of the two did not capture is "
    "named, exit code 3. Text shows the first 50 rows of a table, and --all every one; JSON and sql are complete. `sql` is a patch for "
    "psql that turns the rows of A into those of B (pgvault help differences).",
    examples=[
        "pgvault diff latest~1 latest",
        "pgvault diff 2026-11-22 --stat",
        "pgvault diff latest --live -d postgresql:///app --table orders",
        "pgvault diff latest 2026-11-22 --table public.orders --format sql > back.sql",
    ],
)
@click.argument("before", type=Word(), metavar="A")
@click.argument("after", required=False, type=Word(), metavar="[B]")
@click.option("--live", is_flag=True, help="Compare with the live database of -d, --local or --linked.")
@database_options("With --live: the live database, without a password.")
@click.option(
    "--table", "tables", multiple=True, metavar="T", help="Only this table: its rows and definitions; repeatable."
)
@click.option(
    "--dir",
    "directories",
    multiple=True,
    metavar="NAME=PATH",
    help="With --live: where a directory of A is now, if no configuration says it.",
)
@click.option("--stat", is_flag=True, help="Counts and names alone, without values.")
@click.option(
    "--all", "everything", is_flag=True, help="In text, all rows of a table and files of a directory, not the first 50."
)
@click.option("--format", "form", type=Choice(list(_FORMATS)), default=None, help="text, json or sql.  [default: text]")
@click.option("--exit-code", "tells", is_flag=True, help="Exit with 20 if anything differs.")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
def diff(
    invocation: Invocation,
    before: str,
    after: str | None,
    live: bool,
    database: str | None,
    local: bool,
    linked: bool,
    tables: tuple[str, ...],
    directories: tuple[str, ...],
    stat: bool,
    everything: bool,
    form: str | None,
    tells: bool,
    allow_cleartext: bool,
) -> int:
    from vault.app.database import DatabaseFlags
    from vault.app.diff import DiffRequest

    flags = DatabaseFlags(database=database, local=local, linked=linked)
    if live and after is not None:
        raise UsageError(
            "B and --live exclude each other", why="each says what A is compared with", hint="leave one out"
        )
    if not live and (flags != DatabaseFlags() or allow_cleartext or directories):
        raise UsageError("a database or directory is named, and not asked about", hint="add --live")
    if invocation.json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other", hint="leave one of them out")
    invocation.json = invocation.json or form == "json"
    if stat and form == "sql":
        raise UsageError("--stat and --format sql exclude each other", hint="leave one of them out")
    if directories and tables:
        raise UsageError("--dir and --table exclude each other", hint="leave one of them out")
    clock = wiring.SystemClock()
    started_ms = clock.now_ms()
    request = DiffRequest(
        before=before,
        after=after,
        tables=tables,
        live=flags if live else None,
        directories=directories,
        allow_cleartext=allow_cleartext,
        typed=invocation.typed(),
    )
    with _compared(invocation, request) as found:
        if form == "sql":
            differs = comparing.patch(invocation.renderer(), found)
        elif invocation.json:
            differs = comparing.json_lines(invocation.renderer(), found, stat=stat, since=(clock, started_ms))
        else:
            whole = "" if everything else invocation.typed("--all")
            differs = comparing.draw(invocation.renderer(), found, stat=stat, whole=whole)
        incomplete = bool(found.not_compared())
    return gravest(
        [
            ExitCode.DIFFERENCES if differs and tells else ExitCode.OK,
            ExitCode.INCOMPLETE if incomplete else ExitCode.OK,
        ]
    )


@contextmanager
def _compared(invocation: Invocation, request: DiffRequest) -> Iterator[Comparison]:
    """The progress is that of reading a live database, and ends before anything is drawn."""
    from vault.app.diff import compared

    with ExitStack() as stack:
        with progress.shown(invocation.renderer()) as drawn:
            found = stack.enter_context(compared(invocation.settings(), request, progress=drawn))
        yield found


COMMAND = diff
