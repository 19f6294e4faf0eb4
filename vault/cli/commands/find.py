"""`pgvault find`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli import about, jsonout, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.errors import NotThere
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.history import History
    from vault.ops.history.find import FoundThing, FoundThings
    from vault.repo.snapshot import Snapshot

TITLES = ("kind", "name", "first seen (UTC)", "last seen (UTC)", "in", "newest with it", "source")


@command(
    "find",
    help="Find where something is: in which snapshots, and which is the newest that has it.\n\n"
    "PATTERN is a glob, in quotes so that the shell leaves it alone: * is any text, ? one character, [a-z] one of several. "
    "It is held against the names of tables, views, policies, functions, types, roles and all other definitions: the last one, as "
    "orders, or the whole one, as public.orders, public.orders.own (a policy), add(integer); and against names of files. "
    "With a / in it, against whole paths as ls shows them, schema/ included.\n\n"
    "All snapshots of the source are looked at; what two of them share is read once. Nothing found: exit code 2.",
    examples=[
        "pgvault find orders",
        "pgvault find 'public.order*'",
        "pgvault find -i '*.TS'",
        "pgvault find 'schema/public/policies/*'",
    ],
)
@click.argument("pattern")
@click.option("-i", "--ignore-case", is_flag=True, help="Take large and small letters for the same.")
def find(invocation: Invocation, pattern: str, ignore_case: bool) -> int:
    from vault.app.history import open_history
    from vault.ops.history.find import find as find_in
    from vault.ops.history.names import Pattern

    wanted = Pattern(pattern, ignore_case=ignore_case)
    history = open_history(invocation.settings())
    findings = find_in(history.snapshots, wanted)
    out = invocation.renderer()
    for error in history.damaged:
        out.insist(f"warning: {error.file}: {error.message}; run: pgvault check")
    for snapshot, error in findings.unread:
        out.insist(
            f"warning: snapshot {snapshot.id.hex()[:12]} could not be looked into: {error.message}; run: pgvault check"
        )
    is_damaged = bool(history.damaged or findings.unread)
    if not findings.found and not is_damaged:
        raise _nothing(history, pattern)
    if invocation.json:
        out.json_line(_json(history, findings))
    else:
        titles = TITLES if len(history.sources) > 1 else TITLES[:-1]
        out.table(titles, [_row(one, history)[: len(titles)] for one in findings.found], right="in", wrapped="name")
        out.talk(f"{counted(len(history.snapshots), 'snapshot')} looked at, {render.size(history.read.bytes)} read")
    return ExitCode.DAMAGE if is_damaged else ExitCode.OK


def _nothing(history: History, pattern: str) -> NotThere:
    from vault.ops.history.find import near_name

    looked = f"{counted(len(history.snapshots), 'snapshot')} of {', '.join(history.sources)} looked at"
    globbed = any(sign in pattern for sign in "*?[")
    near = None if globbed else near_name(history.snapshots, pattern)
    hint = "a / makes it a whole path; -i ignores case" if globbed else f"pgvault find -i '*{pattern}*'"
    if near is not None:
        hint = f"did you mean {render.printable(near)}? {hint}"
    return NotThere(f"nothing is called {render.printable(pattern)}", why=looked, hint=hint)


def _row(found: FoundThing, history: History) -> tuple[str, ...]:
    """Of a source the snapshots are counted that could have it."""
    every = sum(one.manifest.source == found.source for one in history.snapshots)
    return (
        found.thing.kind,
        str(found.thing),
        _time(found.first),
        "still there" if found.there else _time(found.last),
        f"{found.count} of {every}",
        found.last.id.hex()[:12],
        found.source,
    )


def _time(snapshot: Snapshot) -> str:
    return about.instant(snapshot.manifest.created_ms)[:16].replace("T", " ")


def _json(history: History, findings: FoundThings) -> jsonout.Json:
    return jsonout.result(
        found=[
            {
                "kind": one.thing.kind,
                "name": str(one.thing),
                "source": one.source,
                "first": about.moment(one.first),
                "last": about.moment(one.last),
                "snapshots": one.count,
                "there": one.there,
            }
            for one in findings.found
        ],
        snapshots=len(history.snapshots),
        read_bytes=history.read.bytes,
        unread=[{"snapshot": snapshot.id.hex(), "why": error.message} for snapshot, error in findings.unread],
    )


COMMAND = find
