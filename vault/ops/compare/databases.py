"""Compare two live databases: definitions, privileges, roles, sequences, large objects, and rows as multisets.

Never shows a value of a row. Each side is read through a capture, so both are consistent views with the same fixed settings.
Rows are compared by `row_digests`.
Not compared: what a logical copy cannot keep (oids, physical order, statistics) and properties of the database itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

from vault.model import Address, CatalogFacts, Membership, Role, Roles, SchemaEntry, TableName
from vault.model.meaning import are_counts_comparable, caller, meanings
from vault.ops.compare import row_digests
from vault.ops.compare.row_digests import RowsDigest
from vault.ports import Capture
from vault.sql.in_force import in_force

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MEMBER: Final = "e"
"""pg_depend's letter for members of extensions."""
_INITDB: Final = "information_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`kind`: entry, privileges, extension, policy, meaning, role, membership, setting, sequence, large object, table, rows."""

    kind: str
    name: str
    what: str


def compare(source: Capture, target: Capture, *, key: bytes) -> list[Difference]:
    """What differs in `target`; empty = equal. `key`: 32 random bytes. Raises  SourceError: a side could not be read"""
    return [
        *_entries(source, target),
        *_catalog(source.catalog(), target.catalog(), versions=(source.server.version_num, target.server.version_num)),
        *_roles(source.roles(), target.roles()),
        *_sequences(source, target),
        *_large_objects(source, target),
        *_rows(source, target, key),
    ]


def _pairs(
    kind: str, source: Mapping[K, V], target: Mapping[K, V], *, name: Callable[[K], str]
) -> Iterator[Difference]:
    """What one side has alone."""
    for key in source.keys() - target.keys():
        yield Difference(kind=kind, name=name(key), what="missing")
    for key in target.keys() - source.keys():
        yield Difference(kind=kind, name=name(key), what="not in the source")


def _values(
    kind: str, source: Mapping[K, V], target: Mapping[K, V], *, name: Callable[[K], str]
) -> Iterator[Difference]:
    yield from _pairs(kind, source, target, name=name)
    for key in source.keys() & target.keys():
        if source[key] != target[key]:
            yield Difference(kind=kind, name=name(key), what=_changed(source[key], target[key]))


def _changed(source: object, target: object) -> str:
    """Names of the fields that differ, never their values."""
    if isinstance(source, (SchemaEntry, Role)):
        named = [field.name for field in fields(source) if getattr(source, field.name) != getattr(target, field.name)]
        return f"differs in {', '.join(named)}"
    return "differs"


def _entries(source: Capture, target: Capture) -> Iterator[Difference]:
    sides = [
        {entry.identity: entry for entry in side.schema().entries if not _is_of_the_database(entry)}
        for side in (source, target)
    ]
    yield from _values(
        "entry",
        sides[0],
        sides[1],
        name=lambda identity: f"{identity.desc} {'.'.join(identity.names)} {identity.sub}".strip(),
    )


def _is_of_the_database(entry: SchemaEntry) -> bool:
    """It carries the database's own name, which is another one on the other side."""
    return entry.identity.kind == "database" or entry.identity.desc in ("DATABASE", "DATABASE PROPERTIES")


# --- catalog -------------------------------------------------------------------------------------


def _catalog(source: CatalogFacts, target: CatalogFacts, *, versions: tuple[int, int]) -> Iterator[Difference]:
    sides = []
    for facts in (source, target):
        owned = {
            address: (owner, frozenset(in_force(address.kind, owner, acl=acl, version_num=min(versions))))
            for address, owner, acl in facts.acls
            if not _is_of_initdb(address)
        }
        sides.append(owned)
    yield from _values("privileges", sides[0], sides[1], name=str)
    extensions = [{name: (version, schema) for name, version, schema in facts.extensions} for facts in (source, target)]
    yield from _values("extension", extensions[0], extensions[1], name=str)
    policies = [
        {(schema, table, policy): roles for schema, table, policy, roles in facts.policies}
        for facts in (source, target)
    ]
    yield from _values("policy", policies[0], policies[1], name=".".join)
    yield from _meanings(source, target, versions=versions)


def _meanings(source: CatalogFacts, target: CatalogFacts, *, versions: tuple[int, int]) -> Iterator[Difference]:
    """Of objects that both have: what one side lacks is told as an entry, and an extension's members are its version's business."""
    sides = [
        meanings(facts.edges, facts.operators, counted=are_counts_comparable(*versions)) for facts in (source, target)
    ]
    there = {caller(dependent) for dependent, _, _ in target.edges}
    members = {
        caller(dependent) for facts in (source, target) for dependent, _, letter in facts.edges if letter == _MEMBER
    }
    for address in sorted((there - members) & (sides[0].of.keys() | sides[1].of.keys()), key=str):
        if sides[0].changed({address: sides[1].of.get(address, {})}):
            yield Difference(kind="meaning", name=str(address), what="calls another operator, function or collation")


def _is_of_initdb(address: Address) -> bool:
    """It lies in information_schema: no dump holds that. The one text of a type starts with its schema."""
    if address.kind == "type":
        return address.names[0].startswith(f"{_INITDB}.")
    return address.names[0] == _INITDB and address.kind != "schema"


# --- roles ---------------------------------------------------------------------------------------


def _roles(source: Roles, target: Roles) -> Iterator[Difference]:
    """Roles of the target's cluster that the source does not have are none of this database's business."""
    hidden = not (source.verifiers_read and target.verifiers_read)
    sides = [
        {role.name: replace(role, verifier=None) if hidden else role for role in side.roles}
        for side in (source, target)
    ]
    for difference in _values("role", sides[0], sides[1], name=str):
        if difference.what != "not in the source":
            yield difference
    here = {(membership.role, membership.member): membership for membership in target.memberships}
    for membership in source.memberships:
        if not _equal(membership, here.get((membership.role, membership.member))):
            yield Difference(
                kind="membership",
                name=f"{membership.member} in {membership.role}",
                what="missing or with other options",
            )
    settings = [
        {(setting.role, setting.here, setting.name): setting.value for setting in side.settings}
        for side in (source, target)
    ]
    for difference in _values("setting", settings[0], settings[1], name=lambda key: f"{key[2]} of {key[0] or 'all'}"):
        if difference.what != "not in the source":
            yield difference


def _equal(membership: Membership, other: Membership | None) -> bool:
    """Without the grantor, who need not be able to grant on the target. Options that only one server knows (16) are not compared."""
    if other is None or membership.admin != other.admin:
        return False
    pairs = ((membership.inherit, other.inherit), (membership.set, other.set))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


# --- values --------------------------------------------------------------------------------------


def _sequences(source: Capture, target: Capture) -> Iterator[Difference]:
    sides = [{item.name: item for item in side.sequences()} for side in (source, target)]
    yield from _values("sequence", sides[0], sides[1], name=str)


def _large_objects(source: Capture, target: Capture) -> Iterator[Difference]:
    sides: list[dict[int, Hashable]] = []
    for side in (source, target):
        large_objects: dict[int, Hashable] = {}
        for large in side.large_objects():
            digest = hashlib.sha256()
            for block in large.blocks():
                digest.update(block)
            item = large.item
            acl = frozenset(in_force("large object", item.owner, acl=item.acl, version_num=side.server.version_num))
            large_objects[item.oid] = (item.owner, acl, item.comment, digest.digest())
        sides.append(large_objects)
    yield from _values("large object", sides[0], sides[1], name=str)


def _rows(source: Capture, target: Capture, key: bytes) -> Iterator[Difference]:
    sides = [{table.name: table for table in side.tables} for side in (source, target)]
    yield from _pairs("table", sides[0], sides[1], name=str)
    digests: tuple[list[tuple[TableName, RowsDigest]], ...] = ([], [])
    with closing(source.reader()) as source_rows, closing(target.reader()) as target_rows:
        for name in sorted(sides[0].keys() & sides[1].keys()):
            first, second = sides[0][name], row_digests.in_columns_of(sides[0][name], sides[1][name])
            if second is None:
                yield Difference(kind="table", name=str(name), what="differs in columns")
                continue
            group = row_digests.group_of(first)
            for parts, reader, table in zip(digests, (source_rows, target_rows), (first, second), strict=True):
                parts.append((group, row_digests.of_live(reader, table, key=key)))
    for group, what in row_digests.differing(*map(row_digests.sums, digests)):
        yield Difference(kind="rows", name=str(group), what=what)
