"""Array values of one dimension as PostgreSQL prints them, element by element. Pure; both directions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_ELEMENT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}\\]+)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_QUOTES: Final = re.compile(r'[\s"\\{},]')
"""PostgreSQL's own blanks are those of ASCII; others, which `\\s` has too, are looked at again."""
_BLANKS: Final = frozenset(' \t\n\r\v\f"\\{},')


def elements_of(text: str) -> list[str | None] | None:
    """The elements; None for what has another lower bound or more dimensions, or is no array. `array_text` is the inverse."""
    if text == "{}":
        return []
    if not (text.startswith("{") and text.endswith("}")):
        return None
    if '"' not in text and "\\" not in text:
        inner = text[1:-1]
        if "{" in inner or "}" in inner:
            return None
        return [None if element == "NULL" else element for element in inner.split(",")]
    return _quoted(text)


def _quoted(text: str) -> list[str | None] | None:
    found: list[str | None] = []
    at = 1
    while (match := _ELEMENT.match(text, at)) is not None:
        quoted, plain = match.groups()
        found.append((None if plain == "NULL" else plain) if quoted is None else _ESCAPED.sub(r"\1", quoted))
        at = match.end()
        if text[at] != ",":
            break
        at += 1
    return found if at == len(text) - 1 and text[at - 1] != "," else None


def array_text(elements: Sequence[str | None]) -> str:
    """As array_out prints it, with commas between the elements."""
    return "{" + ",".join("NULL" if element is None else _shown(element) for element in elements) + "}"


def _shown(element: str) -> str:
    plain = element and not (_NEEDS_QUOTES.search(element) and _BLANKS.intersection(element))
    if plain and element.upper() != "NULL":
        return element
    return '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'
