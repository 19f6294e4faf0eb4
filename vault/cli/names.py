"""How users name a place in a snapshot: `SNAP`, `SNAP:PATH`, `SCHEMA.TABLE`. Pure."""

from __future__ import annotations

import re
from typing import Final

from vault.errors import UsageError

_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?Z?)(?::(.*))?", re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"]|"")+)"|([^".\s][^".]*)', re.DOTALL)


def split_path(text: str) -> tuple[str, str]:
    """Snapshot and path; the path is empty when none is named. A moment keeps its colons."""
    if match := _MOMENT.fullmatch(text):
        return match[1], match[2] or ""
    snapshot, _, path = text.partition(":")
    if not snapshot:
        raise UsageError(f"{text!r} names no snapshot", hint="latest:PATH")
    return snapshot, path


def table_name(text: str) -> tuple[str, str]:
    """Schema and table by psql's rules: unquoted names fold to lower case; one name alone is in `public`."""
    parts: list[str] = []
    position = 0
    while match := _QUOTED.match(text, position):
        parts.append(match[1].replace('""', '"') if match[1] is not None else match[2].lower())
        position = match.end()
        if position == len(text) or text[position] != ".":
            break
        position += 1
    if position != len(text) or len(parts) not in (1, 2):
        raise UsageError(f"{text!r} is no table name", hint='SCHEMA.TABLE, quoted as in SQL: public."My Table"')
    return (parts[0], parts[1]) if len(parts) == 2 else ("public", parts[0])
