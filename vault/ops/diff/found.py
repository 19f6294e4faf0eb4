"""What a comparison finds besides rows: one value for each thing that differs, whatever its kind. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from vault.model import Address

V = TypeVar("V")
OWN: Final = "own property"
"""Kind of what each of two databases has for itself, whatever their contents are: told, and no difference of the contents."""


class ChangeKind(str, Enum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChange:
    """One thing that differs.

    kind     definition, privileges, extension, meaning, database, own property, role, membership, setting, tablespace, parameter,
             sequence, large object, file
    name     what it is called among those of its kind; of a file: its path, in the directory `place`
    details  what changed, as sentences' parts: `owner: a -> b`, `gained: SELECT to anon`
    diff     lines of a unified diff of its text, or the whole text of what came or went, each line with its sign
    schema   of a definition the schema that it is in, which its name does not say; empty: in none
    """

    kind: str
    name: str
    change: ChangeKind
    details: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    place: str = ""
    schema: str = ""
    about: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """That a live database is compared with. `typed`: the command that asked for it; `places`: where directories are, by name."""

    typed: str
    places: Mapping[str, str] = field(default_factory=dict)

    def with_directories(self, names: Iterable[str]) -> str:
        """The line to type that compares these too."""
        pairs = (shlex.quote(f"{name}={self.places.get(name, 'PATH')}") for name in names)
        return " ".join([self.typed, *(f"--dir {pair}" for pair in pairs)])


def change_of(before: V | None, after: V | None) -> ChangeKind:
    """At least one of them is there."""
    if before is None:
        return ChangeKind.ADDED
    return ChangeKind.REMOVED if after is None else ChangeKind.CHANGED


def turned(what: str, before: object, after: object) -> str:
    """A detail: how a value turned into another."""
    return f"{what}: {shown(before)} -> {shown(after)}"


def shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
