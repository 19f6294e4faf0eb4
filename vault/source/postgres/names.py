"""SQL text for names and literals. Pure. Its invariant: every name is quoted, always, so no name is ever SQL."""

from __future__ import annotations

from collections.abc import Iterator

from vault.model import TableName


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: TableName) -> str:
    """Schema and name, both quoted."""
    return f"{quote(name.schema)}.{quote(name.name)}"


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
