"""In what a definition on the target differs from the recorded one, in words that hold no part of a body or a value. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from vault.model import SchemaEntry
from vault.ops.project.components import ROUTINES
from vault.sql import statements
from vault.sql.names import unquoted, words

_NAMED_MAX: Final = 5
_BODIES: Final = {
    **dict.fromkeys(
        ("FUNCTION", "PROCEDURE"),
        (("\n    AS ", "\n    BEGIN ATOMIC", "\n    RETURN "), "arguments, language or options", "body"),
    ),
    **dict.fromkeys(("VIEW", "MATERIALIZED VIEW"), ((" AS\n",), "columns or options", "query")),
}
"""Where a definition's body starts, and words for what is before and after."""


def in_what(entry: SchemaEntry, present: SchemaEntry, *, columns: Collection[str] = ()) -> str:
    """`columns`: names of a table's columns on either side; no other word of a definition is shown."""
    parts = list(_parts(entry, present, frozenset(columns)))
    return f"differs on the target{' in ' if parts else ''}{', '.join(parts)}"


def is_called_alike(entry: SchemaEntry, present: SchemaEntry) -> bool:
    """Whether they differ in nothing that a caller's definition rests on: in a routine's body or an owner alone."""
    if entry.definition == present.definition:
        return True
    starts = _BODIES["FUNCTION"][0]
    return (
        entry.identity.desc in ROUTINES and _split(entry.definition, starts)[0] == _split(present.definition, starts)[0]
    )


def _parts(entry: SchemaEntry, present: SchemaEntry, columns: frozenset[str]) -> Iterator[str]:
    if statements.set_owner(entry) is not None and entry.owner != present.owner:
        yield f"owner ({present.owner}, was {entry.owner})"
    if entry.definition == present.definition:
        return
    if entry.identity.desc == "TABLE":
        yield from _of_table(entry.definition, present.definition, columns)
    elif entry.identity.desc in _BODIES:
        starts, before, after = _BODIES[entry.identity.desc]
        sides = [_split(side.definition, starts) for side in (entry, present)]
        yield from (word for place, word in enumerate((before, after)) if sides[0][place] != sides[1][place])


def _split(definition: str, starts: tuple[str, ...]) -> tuple[str, str]:
    at = min((definition.find(start) for start in starts if start in definition), default=len(definition))
    return definition[:at], definition[at:]


def _of_table(recorded: str, there: str, columns: frozenset[str]) -> Iterator[str]:
    sides = [_lines(definition, columns) for definition in (recorded, there)]
    before, after = (dict(lines) for lines, _ in sides)
    for word, names in (
        ("", [name for name in before if name in after and before[name] != after[name]]),
        (" that is missing there", [name for name in before if name not in after]),
        (" that is there alone", [name for name in after if name not in before]),
    ):
        yield from (f"{name}{word}" for name in names[:_NAMED_MAX])
        if len(names) > _NAMED_MAX:
            yield f"{len(names) - _NAMED_MAX} more{word}"
    if before == after and list(before) != list(after):
        yield "the order of its columns"
    if sides[0][1] != sides[1][1]:
        yield "options, partitioning, inheritance or storage"


def _lines(definition: str, columns: frozenset[str]) -> tuple[list[tuple[str, str]], str]:
    """Columns and constraints as pg_dump writes them, one a line, and all else. A default can go on in lines of its own."""
    head, opened, rest = definition.partition(" (\n")
    body, closed, end = rest.partition("\n)")
    named: list[tuple[str, list[str]]] = []
    for line in body.split("\n"):
        name = _name(line, columns)
        if name:
            named.append((name, [line]))
        elif named:
            named[-1][1].append(line)
    lines = [(name, "\n".join(own).removesuffix(",")) for name, own in named]
    return lines, f"{head}{opened}{closed}{end}"


def _name(line: str, columns: frozenset[str]) -> str:
    match [*words(line)] if line.startswith("    ") else []:
        case ["constraint", name, *_]:
            return f"constraint {unquoted(name)}"
        case [name, *_] if unquoted(name) in columns:
            return f"column {unquoted(name)}"
        case _:
            return ""
