"""What a restore decides for an entry or a table, as values, and what the decisions rest on. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from vault.model import Identity, Present, SchemaEntry, TableItem, TableName, TargetFacts
from vault.ops.project.components import Selectors
from vault.ops.restore.plan.comes_along import Picked
from vault.ops.restore.plan.contents import Contents
from vault.ops.restore.plan.graph import EntryGraph


class Action(Enum):
    CREATE = "create"
    REPLACE = "replace"
    EQUAL = "equal"
    KEEP = "keep"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`present`: what the target has under this identity. `lacking`: the user asked for it and it will not be as recorded.

    `in_place`: it is replaced without being dropped.
    """

    action: Action
    why: str = ""
    present: SchemaEntry | None = None
    lacking: bool = False
    in_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is dropped and created anew in one transaction, with its rows and values: all of it or nothing.

    replaced  positions that differ and started it
    drops     statements, in order
    entries   positions that are created, ascending
    awaited   those of them that the target does not have yet
    beside    what goes with it and is not in the snapshot, in words
    """

    replaced: tuple[int, ...]
    drops: tuple[str, ...]
    entries: tuple[int, ...]
    awaited: tuple[int, ...]
    beside: tuple[str, ...]


class RowMode(Enum):
    """How rows come into a table.

    NEW     it is created by this restore
    MEMBER  an extension that is created makes it, maybe with rows
    MERGE   it is there: what is missing is added
    EXACT   it is there: it will hold the rows of the snapshot alone
    JOBS    jobs of pg_cron that may only be written through its functions
    """

    NEW = auto()
    MEMBER = auto()
    MERGE = auto()
    EXACT = auto()
    JOBS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """`together`: partitions whose rows come through the same root, which is compared with all of them at once.

    `without`: columns whose values stay out, because the target's table does not have them, or computes them.
    """

    item: TableItem
    mode: RowMode
    together: tuple[TableItem, ...] = ()
    without: frozenset[str] = frozenset()

    @property
    def items(self) -> tuple[TableItem, ...]:
        return (self.item, *self.together)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decisions rest on. `replace`: what differs becomes as recorded (-c). `definitions`: not rows alone.

    otherwise  what is called on one side alone, of entries that both have
    `named`: tables and other objects that were asked for by name.
    """

    contents: Contents
    graph: EntryGraph
    picked: Picked
    target: TargetFacts
    present: Present
    selectors: Selectors
    replace: bool
    definitions: bool
    otherwise: Mapping[Identity, tuple[str, ...]]
    named: tuple[TableName, ...] = ()
