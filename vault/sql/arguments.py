"""The head of a routine's definition, as the server prints it. Pure; reads by the grammar, never by pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_DEFAULT: Final = " DEFAULT "
_SQL_BODIES: Final = ("\n    BEGIN ATOMIC\n", "\n    RETURN ")
_TEXT_BODY: Final = "\n    AS "
_NO_BODY: Final = "\n    AS '';\n"
"""A body that is text is not looked at when `check_function_bodies` is off, and calls nothing."""


def stand_in(definition: str) -> str | None:
    """CREATE FUNCTION or PROCEDURE that calls nothing, in place of one that does by a default or a body that is no text; None if it does not."""
    bodiless = without_parsed_body(definition)
    return with_null_defaults(bodiless or definition) or bodiless


def without_parsed_body(definition: str) -> str | None:
    """With an empty text for a body of SQL's own (BEGIN ATOMIC, RETURN), which is parsed and depends on what it calls; None for another."""
    arguments_end = -1
    for at, depth in _outside_of_quotes(definition):
        if depth == 0 and definition[at] == ")" and arguments_end < 0:
            arguments_end = at
        if depth == 0 and arguments_end >= 0 and definition[at] == "\n":
            if definition.startswith(_TEXT_BODY, at):
                return None
            if definition.startswith(_SQL_BODIES, at):
                return definition[:at] + _NO_BODY
    return None


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
