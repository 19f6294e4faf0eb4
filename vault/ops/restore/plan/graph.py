"""Which entries of a snapshot belong together: what an entry needs, and what is part of or said about an object. Pure.

Built once over the recorded order; positions are those of `Contents.items`. Follows recorded dependencies and identities,
never SQL text. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from vault.model import Address, TableName
from vault.ops.project.components import ROUTINES
from vault.ops.restore.plan.contents import Contents

RELATIONS: Final = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})
_ABOUT: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_OF_RELATION: Final = frozenset({"table constraint", "trigger", "policy", "rule", "default value"})
"""Kinds whose address starts with schema and name of the relation they belong to."""
_SUBJECT_IS_RELATION: Final = frozenset({"ROW SECURITY", "PUBLICATION TABLE", "TABLE ATTACH", "MATERIALIZED VIEW DATA"})
_NEEDS_RELATION: Final = frozenset({"INDEX", "STATISTICS"})

LINKS: Final = frozenset({"FK CONSTRAINT", "PUBLICATION TABLE", "TABLE ATTACH", "INDEX ATTACH"})
"""Entries that tie an object to another: they come only if the other one is there or comes too."""


class EntryGraph:
    """`parts(at)` and `about(at)` are in the recorded order; `links_to(at)` are foreign keys of others that point at a table."""

    def __init__(self, contents: Contents) -> None:
        self._items = contents.items
        self._relations: dict[tuple[str, ...], int] = {}
        self._about: dict[Address, list[int]] = {}
        self._parts: dict[int, list[int]] = {}
        self._links: dict[int, list[int]] = {}
        self._attached: dict[int, list[int]] = {}
        self._above: dict[int, int] = {}
        self._dependents: dict[int, list[int]] = {}
        self.owner_of_sequence: Mapping[TableName, TableName] = _owned_sequences(contents)
        for at, item in enumerate(self._items):
            if item.identity.desc in RELATIONS:
                self._relations[item.identity.names] = at
            if item.identity.desc in _ABOUT:
                self._about.setdefault(item.identity.address, []).append(at)
        for at in range(len(self._items)):
            self._place(at)
        self._place_mappings()
        self._calls = _calls(contents)

    def needs(self, at: int) -> tuple[int, ...]:
        return self._items[at].needs

    def calls(self, at: int) -> list[int]:
        """Routines that a routine calls, by recorded dependencies: in a circle pg_dump leaves one out of what it needs."""
        return self._calls.get(at, [])

    def home(self, at: int) -> int | None:
        """The relation that an entry is a part of; None for what is a relation, is about an object, or stands alone."""
        identity = self._items[at].identity
        if identity.desc in _ABOUT:
            return None
        if identity.kind in _OF_RELATION or identity.desc in _SUBJECT_IS_RELATION:
            return self._relations.get(identity.names[:2])
        if identity.desc in _NEEDS_RELATION:
            return next((need for need in self._items[at].needs if self._items[need].identity.desc in RELATIONS), None)
        if identity.kind == "sequence":
            owner = self.owner_of_sequence.get(identity.relation)
            return None if owner is None else self.relation(owner)
        return None

    def parts(self, at: int) -> list[int]:
        """What makes a relation whole: defaults, keys, indexes, triggers, rules, policies, its sequences ..."""
        return self._parts.get(at, [])

    def about(self, at: int) -> list[int]:
        """Privileges, comments and labels of an object, of its columns too."""
        identity = self._items[at].identity
        return [] if identity.desc in _ABOUT else self._about.get(identity.address, [])

    def links_to(self, at: int) -> list[int]:
        return self._links.get(at, [])

    def dependents(self, at: int) -> list[int]:
        """Entries that need it, directly."""
        return self._dependents.get(at, [])

    def partitions(self, at: int) -> list[int]:
        """Tables attached below a partitioned table, directly."""
        return self._attached.get(at, [])

    def below(self, roots: Iterable[TableName]) -> Iterator[TableName]:
        """Partitions of all levels."""
        left = [at for root in roots if (at := self.relation(root)) is not None]
        while left:
            for part in self.partitions(left.pop()):
                yield self._items[part].identity.relation
                left.append(part)

    def depth(self, at: int) -> int:
        """How many partitioned tables a partition lies below."""
        return len(self.roots(at))

    def above(self, attachment: int) -> list[int]:
        """Partitioned tables that a TABLE ATTACH puts its table below."""
        at = self.relation(self._items[attachment].identity.relation)
        return [] if at is None else self.roots(at)

    def roots(self, at: int) -> list[int]:
        """Partitioned tables that a table is below, the nearest first."""
        roots: list[int] = []
        while (above := self._above.get(at)) is not None:
            roots.append(above)
            at = above
        return roots

    def depth_of_index(self, at: int) -> int:
        """Of what an INDEX ATTACH attaches: how many partitioned tables its table lies below, which is the lowest that it needs."""
        return max((self.depth(self._index_home(need)) for need in self._items[at].needs), default=0)

    def relation(self, name: TableName) -> int | None:
        return self._relations.get((name.schema, name.name))

    def _place(self, at: int) -> None:
        identity = self._items[at].identity
        home = self.home(at)
        if home is not None:
            self._parts.setdefault(home, []).append(at)
        for need in self._items[at].needs:
            self._dependents.setdefault(need, []).append(at)
            is_other_table = need != home and self._items[need].identity.desc == "TABLE"
            if identity.desc == "FK CONSTRAINT" and is_other_table:
                self._links.setdefault(need, []).append(at)
            if identity.desc == "TABLE ATTACH" and is_other_table and home is not None:
                self._attached.setdefault(need, []).append(home)
                self._above[home] = need
            if identity.desc == "INDEX ATTACH":
                self._parts.setdefault(self._index_home(need), []).append(at)

    def _place_mappings(self) -> None:
        """pg_dump tells of no server that a user mapping needs, but at the end of its tag. One too many does no harm."""
        servers = [
            (item.identity.names[0], at) for at, item in enumerate(self._items) if item.identity.desc == "SERVER"
        ]
        mappings = [at for at, item in enumerate(self._items) if item.identity.desc == "USER MAPPING"]
        for name, server in servers:
            own = [at for at in mappings if self._items[at].entry.tag.endswith(f" SERVER {name}")]
            self._dependents.setdefault(server, []).extend(own)

    def _index_home(self, index: int) -> int:
        home = self.home(index)
        return index if home is None else home


def _calls(contents: Contents) -> dict[int, list[int]]:
    routines = {item.identity.address: at for at, item in enumerate(contents.items) if item.identity.desc in ROUTINES}
    calls: dict[int, list[int]] = {}
    for dependent, referenced, _ in contents.catalog.edges:
        if dependent in routines and referenced in routines and dependent != referenced:
            calls.setdefault(routines[dependent], []).append(routines[referenced])
    return calls


def _owned_sequences(contents: Contents) -> dict[TableName, TableName]:
    """Sequence -> table, of serial and identity columns."""
    return {
        dependent.relation: referenced.relation
        for dependent, referenced, letter in contents.catalog.edges
        if letter in ("a", "i") and dependent.kind == "sequence" and referenced.kind == "table column"
    }
