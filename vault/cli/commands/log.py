"""`pgvault log`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from vault.cli import about, answers, jsonout, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.errors import NotThere, UsageError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.history import History
    from vault.cli.render import Renderer
    from vault.ops.history.events import Event, Value
    from vault.ops.history.log import Subject

_SHOWN_SIGNS_MAX: Final = 200
"""Of a value on the screen; --json has it whole."""
_NULL: Final = "\\N"


@command(
    "log",
    help="Show how something changed from snapshot to snapshot, newest first.\n\n"
    "WHAT is a table (how many rows were inserted, deleted and updated, and what became of its definitions), a policy, function or any other "
    "definition, a role, a setting, or a file, as SQL or ls write it: orders, public.orders.own, add(integer), app, edge_functions/hi/index.ts; "
    "what find prints fits.\n\n"
    "COLUMN=VALUE, several times, shows single rows of a table. VALUE is text as COPY prints it (t, 2026-11-30 10:00:00+00), \\N is NULL. "
    "Several changes between two snapshots are one.\n\n"
    "-S TEXT shows when a text came into a row, a definition or a file and when it went; without WHAT, in all rows and definitions, "
    "which reads the oldest snapshot whole.\n\n"
    "What two snapshots share is not read twice; how much was read is told at the end.",
    examples=[
        "pgvault log public.orders",
        "pgvault log public.orders id=42",
        "pgvault log public.orders.own",
        "pgvault log -S 'old@example.org' auth.users",
        "pgvault log edge_functions/hello/index.ts",
    ],
)
@click.argument("thing", required=False, metavar="[WHAT]")
@click.argument("columns", nargs=-1, metavar="[COLUMN=VALUE]...")
@click.option("-S", "text", metavar="TEXT", help="When this text appeared, and when it went.")
@click.option(
    "--kind", metavar="KIND", help="Which of several things of one name: table, function, policy, role, file ..."
)
@click.option("--stat", is_flag=True, help="A line for each change, without values and without lines of definitions.")
def log(
    invocation: Invocation, thing: str | None, columns: Sequence[str], text: str | None, kind: str | None, stat: bool
) -> int:
    wanted = _wanted(columns)
    if thing is None and text is None:
        raise UsageError("log of what?", hint="pgvault log public.orders, or: pgvault log -S TEXT")
    if thing is not None and text is None and not columns and "=" in thing:
        raise UsageError(
            "log of which table?",
            why=f"{thing.partition('=')[0]}=... is a column",
            hint=f"pgvault log TABLE {thing}",
        )
    if wanted and text is not None:
        raise UsageError("-S and COLUMN=VALUE are two questions", hint="leave one of them out")
    from vault.app.history import comparing, open_history
    from vault.ops.history import log as logs

    settings, out = invocation.settings(), invocation.renderer()
    history = open_history(settings)
    with answers.told_between(out) as drawn:
        drawn.stage(f"looking through {counted(len(history.snapshots), 'snapshot')}")
        history.read.heard = drawn.advance
        subject = None if thing is None else logs.subject(history.snapshots, thing, kind=kind)
        tools = comparing(settings)
        if text is not None:
            events: Iterator[Event] = logs.texts(history.snapshots, text, subject, tools)
        elif subject is not None and wanted:
            events = logs.rows(subject, wanted)
        else:
            assert subject is not None, "WHAT or TEXT is there"
            events = logs.events(subject, tools)
        code, changes = _tell(
            out, history, subject, progress.apart(drawn, events), stat=stat, searching=text is not None
        )
    return _end(out, history, subject, changes=changes, code=code, searching=text is not None)


def _wanted(columns: Sequence[str]) -> dict[str, str | None]:
    """Raises  UsageError: not COLUMN=VALUE"""
    from vault.sql.names import split_name

    wanted: dict[str, str | None] = {}
    for pair in columns:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{name or pair}: not COLUMN=VALUE", hint="pgvault log public.orders id=42")
        parts = split_name(name) if '"' in name else [name.lower()]
        wanted[".".join(parts)] = None if value == _NULL else value
    return wanted


def _tell(
    out: Renderer, history: History, subject: Subject | None, events: Iterator[Event], *, stat: bool, searching: bool
) -> tuple[ExitCode, int]:
    """Exit code, and how many changes there are."""
    code, count = ExitCode.OK, 0
    for error in history.damaged:
        out.insist(f"warning: {error.file}: {error.message}; run: pgvault check")
        code = ExitCode.DAMAGE
    if subject is not None and subject.left_out:
        left = counted(subject.left_out, "snapshot")
        out.talk(f"{left} of a part of the database left out: what is not in them may only not have been selected")
    for event in events:
        if event.change == "unread":
            code = ExitCode.DAMAGE
            out.insist(
                f"warning: snapshot {event.snapshot.id.hex()[:12]} could not be looked into: {event.notes[0]}; run: pgvault check"
            )
            continue
        count += 1
        code = code or (ExitCode.OK if event.is_whole else ExitCode.INCOMPLETE)
        if out.json:
            out.json_line(_json(event))
        else:
            _draw(out, event, stat=stat, searching=searching)
    return code, count


def _end(
    out: Renderer, history: History, subject: Subject | None, *, changes: int, code: ExitCode, searching: bool
) -> int:
    """What was looked at, and how much of it was read. Raises  NotThere: there is nothing"""
    looked = len(history.snapshots if subject is None else subject.strand)
    if not changes and not code:
        raise NotThere(
            "none of the snapshots has it",
            why=f"{counted(looked, 'snapshot')} looked at, {render.size(history.read.bytes)} read",
            hint="files are searched by name: pgvault log -S TEXT DIRECTORY/PATH"
            if searching and subject is None
            else "",
        )
    if out.json:
        out.json_line(
            jsonout.result(
                thing=None if subject is None else {"kind": subject.thing.kind, "name": str(subject.thing)},
                changes=changes,
                snapshots=looked,
                left_out=0 if subject is None else subject.left_out,
                read_bytes=history.read.bytes,
            )
        )
    else:
        out.talk(f"{counted(looked, 'snapshot')} looked at, {render.size(history.read.bytes)} read")
    return code


def _json(event: Event) -> jsonout.Json:
    counts = dict(zip(("inserted", "deleted", "updated"), event.counts or (), strict=False))
    return {
        "type": "change",
        **about.moment(event.snapshot),
        "source": event.snapshot.manifest.source,
        "what": event.what,
        "change": event.change,
        "name": event.name or None,
        "key": dict(event.key),
        "values": [{"name": one.name, "before": one.before, "after": one.after} for one in event.values],
        **{name: counts.get(name) for name in ("inserted", "deleted", "updated")},
        "patch": list(event.patch),
        "notes": list(event.notes),
    }


# --- on a screen -----------------------------------------------------------------------------------


def _draw(out: Renderer, event: Event, *, stat: bool, searching: bool) -> None:
    when = about.instant(event.snapshot.manifest.created_ms)[:16].replace("T", " ")
    out.line(f"{when}  {event.snapshot.id.hex()[:12]}  {_headline(event, searching=searching)}")
    for note in event.notes:
        out.line(f"    {note}")
    if not stat:
        for value in event.values:
            out.line(f"    {_value(event, value)}")
        for line in event.patch:
            out.line(f"    {line}")


def _headline(event: Event, *, searching: bool) -> str:
    key = ", ".join(f"{name}={_shown(value)}" for name, value in event.key)
    there = "has it already" if searching else "there already"
    change = there if event.change == "there" else event.change
    if event.counts is not None:
        said = _counts(event, there)
    else:
        said = f"{event.what} {change}"
    return " ".join(part for part in (event.name, key, said) if part)


def _counts(event: Event, there: str) -> str:
    inserted, deleted, updated = event.counts or (0, 0, 0)
    if event.change == "there":
        return f"{counted(inserted, 'row')} {there.replace('has', 'have') if inserted != 1 else there}"
    parts = ((inserted, "inserted"), (deleted, "deleted"), (updated, "updated"))
    said = ", ".join(f"{count} {word}" for count, word in parts if count) or "no row changed"
    return said if event.change == "changed" else f"table {event.change}: {said}"


def _value(event: Event, value: Value) -> str:
    from vault.ops.history.events import GONE, NEW

    if event.change in NEW and value.before is None:
        return f"{value.name}: {_shown(value.after)}"
    if event.change in GONE and value.after is None:
        return f"{value.name}: {_shown(value.before)}"
    return f"{value.name}: {_shown(value.before)} -> {_shown(value.after)}"


def _shown(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= _SHOWN_SIGNS_MAX else f"{value[:_SHOWN_SIGNS_MAX]}... ({len(value)} characters)"


COMMAND = log
