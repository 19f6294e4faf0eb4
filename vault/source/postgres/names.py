"""SQL text for names and literals. Pure. Its invariant: every name is quoted, always, so no name is ever SQL."""

from __future__ import annotations

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
