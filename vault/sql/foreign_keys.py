"""A foreign key as its definition says it. Pure; reads by the grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.sql.names import unquoted, words

_CUTS_OFF: Final = ("null", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`on_delete`, `on_update`: SET NULL or SET DEFAULT, if that is what becomes of `columns` then; else empty.

    `follows`: they get the new values then (ON UPDATE CASCADE).
    """

    columns: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""
    follows: bool = False


def read_foreign_key(definition: str) -> ForeignKey | None:
    """Of ALTER TABLE ... ADD CONSTRAINT name FOREIGN KEY (columns) REFERENCES ... [ON DELETE ...] [ON UPDATE ...]; None if it is anything else."""
    tokens = list(words(definition))
    try:
        start = next(at for at, word in enumerate(tokens) if tokens[at : at + 3] == ["foreign", "key", "("]) + 3
        end = tokens.index(")", start)
    except (StopIteration, ValueError):
        return None
    columns = tuple(unquoted(word) for word in tokens[start:end] if word != ",")
    if columns[-2:-1] == ("period",):
        columns = (*columns[:-2], columns[-1])
    rest = tokens[end:]
    follows = any(rest[at : at + 3] == ["on", "update", "cascade"] for at in range(len(rest)))
    return ForeignKey(
        columns=columns, on_delete=_action(rest, "delete"), on_update=_action(rest, "update"), follows=follows
    )


def _action(tokens: list[str], event: str) -> str:
    for at in range(len(tokens) - 3):
        if tokens[at : at + 3] == ["on", event, "set"] and tokens[at + 3] in _CUTS_OFF:
            return f"SET {tokens[at + 3].upper()}"
    return ""
