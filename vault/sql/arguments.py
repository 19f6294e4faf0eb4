"""The arguments of a function's definition, as the server prints them. Pure; reads by the grammar, never by pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_DEFAULT: Final = " DEFAULT "


def with_null_defaults(definition: str) -> str | None:
    """CREATE FUNCTION or PROCEDURE with NULL for what each argument defaults to; None if none has a default.

    As many arguments have defaults as before, so that every call finds the function, and CREATE OR REPLACE can bring the true ones.
    """
    parts: list[str] = []
    kept_until = 0
    default_at: int | None = None
    for at, depth in _outside_of_quotes(definition):
        if default_at is None and depth == 1 and definition.startswith(_DEFAULT, at):
            default_at = at
        if default_at is not None and (definition[at], depth) in ((",", 1), (")", 0)):
            parts += [definition[kept_until:default_at], f"{_DEFAULT}NULL"]
            kept_until, default_at = at, None
        if depth == 0 and definition[at] == ")":
            return "".join([*parts, definition[kept_until:]]) if parts else None
    return None


def _outside_of_quotes(text: str) -> Iterator[tuple[int, int]]:
    """Positions with the number of parentheses open after them; what is quoted is passed over, dollars are not used here."""
    at = depth = 0
    while at < len(text):
        letter = text[at]
        if letter in "\"'":
            at = text.find(letter, at + 1)  # a doubled quote is the end of one and the start of another
            if at < 0:
                return
        depth += {"(": 1, ")": -1}.get(letter, 0)
        yield at, depth
        at += 1
