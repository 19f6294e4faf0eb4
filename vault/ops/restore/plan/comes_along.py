"""What comes, and what comes along with it: from what was asked for to entries, tables and sequences, with all that they depend on. Pure.

A selection is a dependency closure: a table comes with its sequences, defaults, types, keys, indexes, triggers, policies, grants
and comments. What only depends on the selection does not come. Invariant: whatever is asked for is in `entries`, or in `left`
with the reason. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vault.model import Address, Identity, TableItem, TableName
from vault.ops.project.components import SUPABASE, EntrySelector, Selectors, dependents
from vault.ops.restore.plan.contents import Contents
from vault.ops.restore.plan.graph import LINKS, EntryGraph
from vault.ops.restore.plan.only_words import Wanted, is_named
from vault.sql.statements import read_acl_item

_GRANTS: Final = frozenset({"ACL", "DEFAULT ACL"})

_COMPUTED: Final = "MATERIALIZED VIEW DATA"
"""Comes with rows alone, as pg_restore has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """Positions and names that come. `explicit` were asked for, the rest of `entries` is needed by them.

    left        position -> why an entry that belongs to the selection does not come
    privileges  of all that is there: also of what has no entry
    policies    of all tables, also those that the target alone has
    dependents  not asked for and missing on the target, though they depend on something that comes
    tables      whose rows come; `without_rows`: those whose rows the snapshot does not have; `brought`: those of them that come with others for triggers may have filled them
    sequences   whose values come
    roles       None: every captured role and setting; else those named by what comes
    """

    entries: frozenset[int]
    explicit: frozenset[int]
    left: Mapping[int, str] = field(default_factory=dict)
    tables: tuple[TableItem, ...] = ()
    brought: tuple[TableItem, ...] = ()
    without_rows: tuple[TableName, ...] = ()
    sequences: frozenset[TableName] | None = None
    large_objects: bool
    roles: frozenset[str] | None = None
    privileges: bool
    policies: bool
    dependents: tuple[int, ...] = ()


def pick(
    contents: Contents, wanted: Wanted, *, there: frozenset[Identity] = frozenset(), selectors: Selectors = SUPABASE
) -> Picked:
    """Everything that `wanted` brings. `there`: identities of what the target already has."""
    graph = EntryGraph(contents)
    named = {*wanted.names, *graph.below(wanted.names)}  # partitions come with their root
    is_wanted = partial(_is_wanted, wanted=wanted, named=named, selectors=selectors)
    tables = tuple(table for table in contents.tables if wanted.data and is_wanted(table.name))
    without_rows = tuple(name for name in contents.without_rows if wanted.data and is_wanted(name))
    computed = () if wanted.data else (at for at, item in enumerate(contents.items) if item.identity.desc == _COMPUTED)
    every = frozenset(range(len(contents.items))).difference(computed)
    if wanted.everything or not wanted.definitions:
        return Picked(
            entries=every if wanted.definitions else frozenset(),
            explicit=every if wanted.definitions else frozenset(),
            tables=tables,
            without_rows=without_rows,
            sequences=_sequences(contents, wanted, graph=graph, tables=tables, entries=()),
            large_objects=_large_objects(wanted),
            roles=None if wanted.definitions else frozenset(),
            privileges=wanted.definitions,
            policies=wanted.definitions,
        )
    closure = _Closure(contents, graph, there)
    closure.add_explicit(_explicit(contents, wanted, named, selectors))
    closure.add_needed(at for table in tables if (at := graph.relation(table.name)) is not None)
    closure.add_links()
    if "user_roles" in wanted.components:
        closure.add_available(at for at, item in enumerate(contents.items) if item.identity.desc in _GRANTS)
    whole = not wanted.components.isdisjoint({"roles", "user_roles", "schema"})
    return Picked(
        entries=every.intersection(closure.entries),
        explicit=every.intersection(closure.explicit),
        left=closure.left,
        tables=tables,
        without_rows=without_rows,
        sequences=_sequences(contents, wanted, graph=graph, tables=tables, entries=closure.entries),
        large_objects=_large_objects(wanted),
        roles=None if whole else _roles_of(contents, closure.entries, there),
        privileges=not wanted.components.isdisjoint({"user_roles", "schema"}),
        policies=not wanted.components.isdisjoint({"rls_policies", "schema"}),
        dependents=tuple(closure.dependents()),
    )


def _large_objects(wanted: Wanted) -> bool:
    named = wanted.everything or not wanted.components.isdisjoint({"large_objects", "data"})
    return named and wanted.data


# --- what was asked for --------------------------------------------------------------------------


def _is_wanted(name: TableName, *, wanted: Wanted, named: Collection[TableName], selectors: Selectors) -> bool:
    """Whether the rows of a table were asked for."""
    components = set(selectors.table_components(name))
    return (
        wanted.everything
        or name in named
        or name.schema in wanted.schemas
        or not components.isdisjoint(wanted.components)
    )


def _explicit(contents: Contents, wanted: Wanted, named: Collection[TableName], selectors: Selectors) -> set[int]:
    asked = set()
    selector = EntrySelector(catalog=contents.catalog, selectors=selectors)
    for at, item in enumerate(contents.items):
        entry = item.entry
        if (
            not wanted.components.isdisjoint(selector.components(entry))
            or entry.namespace in wanted.schemas
            or (entry.identity.desc == "SCHEMA" and entry.tag in wanted.schemas)
            or any(is_named(entry, name) for name in named)
        ):
            asked.add(at)
    if "encryption" in wanted.components:
        called = (entry.identity.address for entry in contents.entries if selector.is_encryption(entry))
        callers = dependents(contents.catalog, called)
        asked |= {at for at, item in enumerate(contents.items) if item.identity.address in callers}
    return asked


def _sequences(
    contents: Contents, wanted: Wanted, *, graph: EntryGraph, tables: Iterable[TableItem], entries: Iterable[int]
) -> frozenset[TableName] | None:
    """Sequences whose values come: those of tables whose rows come, and those that are defined anew."""
    if not wanted.data:
        return frozenset()
    if wanted.everything or not wanted.components.isdisjoint({"sequences", "data"}):
        return None
    with_rows = {table.name for table in tables}
    coming = {sequence for sequence, table in graph.owner_of_sequence.items() if table in with_rows}
    for at in entries:
        identity = contents.items[at].identity
        if identity.desc == "SEQUENCE":
            coming.add(identity.relation)
    return frozenset(coming)


# --- what comes with it --------------------------------------------------------------------------


class _Closure:
    """Grows from what was asked for. An object that the target has is needed, but brings nothing more with it."""

    def __init__(self, contents: Contents, graph: EntryGraph, there: frozenset[Identity]) -> None:
        self._contents = contents
        self._graph = graph
        self._there = there
        self._links: set[int] = set()
        self._asked_links: set[int] = set()
        self.entries: set[int] = set()
        self.explicit: set[int] = set()
        self.left: dict[int, str] = {}

    def add_explicit(self, positions: Iterable[int]) -> None:
        """Asked for: it comes with its parts and what is said about it, even where the target has it."""
        for at in positions:
            if self._desc(at) in LINKS:
                self._asked_links.add(at)
                continue
            self.explicit.add(at)
            self._add(at)
            for need in (*self._graph.needs(at), *self._graph.calls(at)):
                self._add(need)
            for part in self._around(at):
                self.explicit.add(part)
                self._add(part)

    def add_needed(self, positions: Iterable[int]) -> None:
        """Needed, but not asked for."""
        for at in positions:
            self._add(at)

    def add_links(self) -> None:
        """Foreign keys, attachments and memberships whose other side is there or comes."""
        for at in sorted(
            self._links | self._asked_links
        ):  # a foreign key can need attachments of the index that it looks in
            missing = [need for need in self._graph.needs(at) if not self._is_available(need)]
            if not missing:
                self.explicit.add(at)
                self._add(at)
                self.explicit.update(self._graph.about(at))
                self.entries.update(self._graph.about(at))
            elif self._belongs(at):
                entry = self._contents.items[missing[0]].entry
                self.left[at] = f"{entry.label} is neither selected nor on the target"

    def add_available(self, positions: Iterable[int]) -> None:
        """What is about objects that are there or come; of members of extensions nothing tells whether they are."""
        for at in positions:
            if self._contents.items[at].identity.kind and all(
                self._is_available(need) for need in self._graph.needs(at)
            ):
                self.explicit.add(at)
                self.entries.add(at)

    def dependents(self) -> Iterator[int]:
        """Of what could come as well: all else that it needs is there, comes, or is one of them."""
        lost_too: set[int] = set()
        for at, item in enumerate(self._contents.items):
            lost = self._there and at not in self.entries and item.identity not in self._there and at not in self.left
            reached = not (self.explicit | lost_too).isdisjoint(item.needs)
            if lost and reached and all(self._is_available(need) or need in lost_too for need in item.needs):
                lost_too.add(at)
                yield at

    def _is_available(self, at: int) -> bool:
        return at in self.entries or self._contents.items[at].identity in self._there

    def _belongs(self, at: int) -> bool:
        """Whether a link is a part of what was asked for, and not of something else that points at it."""
        asked = at in self._asked_links or self._graph.home(at) in self.explicit
        return asked and self._desc(at) in {"FK CONSTRAINT", "TABLE ATTACH"}

    def _add(self, at: int) -> None:
        """With everything it needs; what has to be created brings its parts."""
        waiting = [at]
        while waiting:
            position = waiting.pop()
            if position in self.entries:
                continue
            self.entries.add(position)
            if self._contents.items[position].identity not in self._there:
                waiting.extend((*self._graph.needs(position), *self._graph.calls(position)))
                waiting.extend(self._around(position))

    def _around(self, at: int) -> list[int]:
        """Parts of a relation, what is said about them and it; links are put aside."""
        parts = self._graph.parts(at)
        self._links.update(part for part in (*parts, *self._graph.links_to(at)) if self._desc(part) in LINKS)
        own = [part for part in parts if self._desc(part) not in LINKS]
        return [*own, *(about for part in (at, *own) for about in self._graph.about(part))]

    def _desc(self, at: int) -> str:
        return self._contents.items[at].identity.desc


def _roles_of(contents: Contents, entries: Iterable[int], there: frozenset[Identity]) -> frozenset[str]:
    """Roles that entries to be created name: owners, grantees, and those of policies."""
    acls: dict[Address, list[str]] = {}
    for address, _, acl in contents.catalog.acls:
        acls.setdefault(address.whole, []).extend(acl or ())
    policies = {(schema, table, policy): roles for schema, table, policy, roles in contents.catalog.policies}
    known = {role.name for role in contents.roles.roles}
    named: set[str] = set()
    for at in entries:
        entry = contents.items[at].entry
        identity = entry.identity
        if identity in there:
            continue
        named.add(entry.owner)
        if identity.kind == "policy":
            schema, table, policy = identity.names
            named.update(policies.get((schema, table, policy), ()))
        if identity.desc == "ACL":
            named.update(read_acl_item(item).grantee for item in acls.get(identity.address, ()))
    return frozenset(named & known)
