"""A foreign key as its definition says it. Pure; reads by the grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.sql.names import unquoted, words

_CUTS_OFF: Final = ("null", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`cuts_off`: SET NULL or SET DEFAULT, in words, if deleting what it refers to sets `columns` so; else empty."""

    columns: tuple[str, ...]
    cuts_off: str


def read_foreign_key(definition: str) -> ForeignKey | None:
    """Of ALTER TABLE ... ADD CONSTRAINT name FOREIGN KEY (columns) REFERENCES ... [ON DELETE ...]; None if it is anything else."""
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
    for at in range(len(rest)):
        if rest[at : at + 3] == ["on", "delete", "set"] and rest[at + 3 : at + 4] and rest[at + 3] in _CUTS_OFF:
            return ForeignKey(columns=columns, cuts_off=f"SET {rest[at + 3].upper()}")
    return ForeignKey(columns=columns, cuts_off="")
