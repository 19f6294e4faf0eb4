"""SQL text for names and literals. Pure. Its invariant: every name is quoted, always, so no name is ever SQL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import product
from typing import Final

from vault.errors import UsageError
from vault.model import TableName

_QUOTED: Final = re.compile(r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)

_BARE: Final = re.compile(r"[a-z_][a-z0-9_]*")


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: TableName) -> str:
    """Schema and name, both quoted."""
    return f"{quote(name.schema)}.{quote(name.name)}"


def forms(name: TableName) -> Iterator[str]:
    """Schema and name in each way in which pg_dump may print them: a name that is bare has quotes if it is a keyword."""
    for parts in product(*(_forms(part) for part in (name.schema, name.name))):
        yield ".".join(parts)


def _forms(part: str) -> list[str]:
    return [part, quote(part)] if _BARE.fullmatch(part) else [quote(part)]


def literal(text: str) -> str:
    """`text` as a string constant under standard_conforming_strings = on."""
    return "'" + text.replace("'", "''") + "'"


def words(text: str) -> Iterator[str]:
    """Names (quoted ones with their quotes) and single characters of punctuation; bare words in lower case."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == '"':
            end = at + 1
            while end < len(text) and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            yield text[at : end + 1]
            at = end + 1
        elif text[at].isalnum() or text[at] in "_$":
            end = at
            while end < len(text) and (text[end].isalnum() or text[end] in "_$"):
                end += 1
            yield text[at:end].lower()
            at = end
        else:
            yield text[at]
            at += 1


def unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def one_line(text: str) -> str:
    """A name for a comment or a message: control characters and line separators become `?`."""
    return "".join("?" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in text)


def split_name(text: str) -> list[str]:
    """Parts of a dotted name by psql's rules.

    Raises  UsageError: an open quote or an empty part
    """
    parts, part, quoted, at = [], "", False, 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            if quoted and text[at : at + 2] == '""':
                part += '"'
                at += 1
            else:
                quoted = not quoted
        elif letter == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter if quoted else letter.lower()
        at += 1
    parts.append(part)
    if quoted or not all(parts):
        raise UsageError(f"not a table name: {one_line(text)}", hint="write SCHEMA.TABLE, with double quotes as in SQL")
    return parts


def show_name(name: TableName) -> str:
    """A table's name as `find_table` reads it."""
    return ".".join(show_part(part) for part in (name.schema, name.name))


def show_part(part: str) -> str:
    """One name of it, such as a schema's."""
    simple = part.isascii() and part.replace("_", "a").isalnum() and part == part.lower()
    return part if simple else quote(part)


def outside_quotes(definition: str) -> str:
    """The SQL text with each string and quoted name shrunk to the letter that starts it."""
    return _QUOTED.sub(lambda quoted: quoted[0][0], definition)
