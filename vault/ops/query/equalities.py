"""Conditions that need no server: equalities on columns of which equal values have one text. Pure.

`id = 42 and state = 'paid'`, names as in SQL. Everything else, also what might mean the same, is left to PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from vault.model import Column
from vault.ops.datasets.declared import UserTypes
from vault.pipeline.copytext import escape

_EQUALITY: Final = re.compile(
    r"""\s*("(?:[^"]|"")+"|[a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*(-?[0-9]+|'(?:[^']|'')*'|true|false)\s*""", re.IGNORECASE
)
_AND: Final = re.compile(r"and\b", re.IGNORECASE)
_INTEGER: Final = re.compile(r"-?[0-9]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])")
"""Days that every month has: for the others the server knows whether they are dates."""
_BITS: Final[Mapping[str, int]] = {"smallint": 15, "integer": 31, "bigint": 63}


def read_equalities(
    expression: str, columns: Sequence[Column], known: UserTypes, *, plain_text: bool
) -> list[tuple[int, bytes]] | None:
    """Place of a column and the field of COPY text that its value must be, for each equality; None if a server has to decide.

    plain_text  whether texts are equal where their bytes are: false where a collation of the snapshot may say otherwise
    """
    places = {column.name: at for at, column in enumerate(columns)}
    found: list[tuple[int, bytes]] = []
    at = 0
    while (match := _EQUALITY.match(expression, at)) is not None:
        name, literal = match.groups()
        place = places.get(name[1:-1].replace('""', '"') if name.startswith('"') else name.lower())
        if place is None:
            return None
        value = _value(literal, known.base(columns[place].type), plain_text=plain_text)
        if value is None:
            return None
        found.append((place, value))
        at = match.end()
        if at == len(expression):
            return found
        following = _AND.match(expression, at)
        if following is None:
            return None
        at = following.end()
    return None


def _value(literal: str, declared: str, *, plain_text: bool) -> bytes | None:
    quoted = literal.startswith("'")
    text = literal[1:-1].replace("''", "'") if quoted else literal
    if declared in _BITS:
        fits = _INTEGER.fullmatch(text) and -(2 ** _BITS[declared]) <= int(text) < 2 ** _BITS[declared]
        return str(int(text)).encode() if fits else None
    if declared == "boolean":
        return None if quoted or _INTEGER.fullmatch(text) else text[:1].lower().encode()
    if not quoted:
        return None
    read = _READ.get(declared.partition("(")[0])
    return None if read is None or (read is _text and not plain_text) else read(text)


def _text(text: str) -> bytes | None:
    try:
        return escape(text.encode())
    except UnicodeEncodeError:
        return None


_READ: Final[Mapping[str, Callable[[str], bytes | None]]] = {
    "text": _text,
    "character varying": _text,
    "uuid": lambda text: text.lower().encode() if _UUID.fullmatch(text) else None,
    "date": lambda text: text.encode() if _DATE.fullmatch(text) and text[:4] != "0000" else None,
}


def equal_rows(blocks: Iterable[bytes], equalities: Sequence[tuple[int, bytes]]) -> Iterator[bytes]:
    """Rows, as they came, in which each of the fields has its value; blocks of whole rows."""
    for block in blocks:
        if all(value in block for _, value in equalities):
            found = [row for row in block.split(b"\n")[:-1] if _meets(row, equalities)]
            if found:
                yield b"\n".join(found) + b"\n"


def _meets(row: bytes, equalities: Sequence[tuple[int, bytes]]) -> bool:
    if any(value not in row for _, value in equalities):
        return False
    fields = row.split(b"\t")
    return all(fields[place] == value for place, value in equalities)
