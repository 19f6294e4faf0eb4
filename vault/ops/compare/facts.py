"""What two databases have besides rows, compared as values: definitions, privileges, roles, sequences. Pure.

One definition of "the same" for a source, a snapshot and what was restored from it. Never shows a value. Not compared: what a logical
copy cannot keep (oids, physical order, statistics) and properties of the database itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, TypeVar

from vault.model import (
    Address,
    CatalogFacts,
    Identity,
    LargeObjectItem,
    Membership,
    Role,
    Roles,
    SchemaEntry,
    SequenceItem,
    TableName,
)
from vault.model.meaning import are_counts_comparable, caller, meanings
from vault.sql.in_force import in_force

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MEMBER: Final = "e"
"""pg_depend's letter for members of extensions."""
_INITDB: Final = "information_schema"
_NAME: Final = r'(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)'
_POLICY: Final = re.compile(
    rf"(?P<start>CREATE POLICY {_NAME} ON {_NAME}\.{_NAME}(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)? TO )(?P<roles>{_NAME}(?:, {_NAME})*)"
)
MISSING: Final = "missing"
UNKNOWN: Final = "not in the snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`kind`: entry, privileges, extension, policy, meaning, role, membership, setting, sequence, large object, table, rows.

    about  the object that it is about: one of the database, or `role NAME`
    parts  of an entry or a role that both have: names of the fields that differ
    """

    kind: str
    name: str
    what: str
    about: Address | None = field(default=None, compare=False)
    parts: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLargeObject:
    """`item`: for its owner, ACL and comment; `blocks`: its bytes, consumed once; `version_num`: of the server whose ACL it is."""

    item: LargeObjectItem
    blocks: Iterable[bytes]
    version_num: int


def _nothing(key: object) -> None:
    """What is no object of the database, or is told by its name alone."""


def pairs(
    kind: str, source: Collection[K], target: Collection[K], *, about: Callable[[K], Address | None] = _nothing
) -> Iterator[Difference]:
    """What one side has alone."""
    there, here = set(source), set(target)
    for keys, what in ((there - here, MISSING), (here - there, UNKNOWN)):
        for key in sorted(keys, key=str):
            yield Difference(kind=kind, name=_name(key), what=what, about=about(key))


def values(
    kind: str, source: Mapping[K, V], target: Mapping[K, V], *, about: Callable[[K], Address | None] = _nothing
) -> Iterator[Difference]:
    """What one side has alone, and what both have otherwise."""
    yield from pairs(kind, source, target, about=about)
    for key in sorted(source.keys() & target.keys(), key=str):
        if source[key] != target[key]:
            parts = _changed(source[key], target[key])
            what = f"differs in {', '.join(parts)}" if parts else "differs"
            yield Difference(kind=kind, name=_name(key), what=what, about=about(key), parts=parts)


def _name(key: object) -> str:
    if isinstance(key, Identity):
        return f"{key.desc} {'.'.join(key.names)} {key.sub}".strip()
    return ".".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _changed(source: object, target: object) -> tuple[str, ...]:
    """Names of the fields that differ, never their values; nothing of what has no fields."""
    if not isinstance(source, (SchemaEntry, Role)):
        return ()
    return tuple(field.name for field in fields(source) if getattr(source, field.name) != getattr(target, field.name))


def entries(source: Iterable[SchemaEntry], target: Iterable[SchemaEntry]) -> Iterator[Difference]:
    sides = [
        {entry.identity: _ordered(entry) for entry in side if not _is_of_the_database(entry)}
        for side in (source, target)
    ]
    yield from values("entry", sides[0], sides[1], about=lambda identity: identity.address)


def _ordered(entry: SchemaEntry) -> SchemaEntry:
    """pg_dump lists the roles of a policy as they lie in the cluster."""
    if entry.identity.desc != "POLICY" or (head := _POLICY.match(entry.definition)) is None:
        return entry
    roles = ", ".join(sorted(re.findall(_NAME, head["roles"])))
    return replace(entry, definition=f"{head['start']}{roles}{entry.definition[head.end() :]}")


def _is_of_the_database(entry: SchemaEntry) -> bool:
    """It carries the database's own name, which is another one on the other side."""
    return entry.identity.kind == "database" or entry.identity.desc in ("DATABASE", "DATABASE PROPERTIES")


# --- catalog -------------------------------------------------------------------------------------


def catalog(source: CatalogFacts, target: CatalogFacts, *, versions: tuple[int, int]) -> Iterator[Difference]:
    sides = []
    for facts in (source, target):
        owned = {
            address: (owner, frozenset(in_force(address.kind, owner, acl=acl, version_num=min(versions))))
            for address, owner, acl in facts.acls
            if not _is_of_initdb(address)
        }
        sides.append(owned)
    yield from values("privileges", sides[0], sides[1], about=lambda address: address)
    extensions = [{name: (version, schema) for name, version, schema in facts.extensions} for facts in (source, target)]
    yield from values(
        "extension", extensions[0], extensions[1], about=lambda name: Address(kind="extension", names=(name,))
    )
    policies = [
        {(schema, table, policy): roles for schema, table, policy, roles in facts.policies}
        for facts in (source, target)
    ]
    yield from values("policy", policies[0], policies[1], about=lambda names: Address(kind="policy", names=names))
    yield from _meanings(source, target, versions=versions)


def _meanings(source: CatalogFacts, target: CatalogFacts, *, versions: tuple[int, int]) -> Iterator[Difference]:
    """Of objects that both have: what one side lacks is told as an entry, and an extension's members are its version's business."""
    sides = [
        meanings(facts.edges, facts.operators, counted=are_counts_comparable(*versions)) for facts in (source, target)
    ]
    there = {caller(dependent) for dependent, _, _ in target.edges}
    members = {
        caller(dependent) for facts in (source, target) for dependent, _, letter in facts.edges if letter == MEMBER
    }
    for address in sorted((there - members) & (sides[0].of.keys() | sides[1].of.keys()), key=str):
        if sides[0].changed({address: sides[1].of.get(address, {})}):
            what = "calls another operator, function or collation"
            yield Difference(kind="meaning", name=str(address), what=what, about=address)


def _is_of_initdb(address: Address) -> bool:
    """It lies in information_schema: no dump holds that. The one text of a type starts with its schema."""
    if address.kind == "type":
        return address.names[0].startswith(f"{_INITDB}.")
    return address.names[0] == _INITDB and address.kind != "schema"


# --- roles ---------------------------------------------------------------------------------------


def roles(source: Roles, target: Roles) -> Iterator[Difference]:
    """Roles of the target's cluster that the source does not have are none of this database's business."""
    hidden = not (source.verifiers_read and target.verifiers_read)
    sides = [
        {role.name: replace(role, verifier=None) if hidden else role for role in side.roles}
        for side in (source, target)
    ]
    for difference in values("role", sides[0], sides[1], about=of_role):
        if difference.what != UNKNOWN:
            yield difference
    here = {(membership.role, membership.member): membership for membership in target.memberships}
    for membership in source.memberships:
        if not _equal(membership, here.get((membership.role, membership.member))):
            yield Difference(
                kind="membership",
                name=f"{membership.member} in {membership.role}",
                what="missing or with other options",
                about=Address(kind="role membership", names=(membership.role, membership.member)),
            )
    settings = [{(one.role, one.here, one.name): one.value for one in side.settings} for side in (source, target)]
    for role_name, inside, name in sorted(settings[0]):
        value = settings[1].get((role_name, inside, name))
        if value != settings[0][role_name, inside, name]:
            subject = f"{role_name or 'all roles'}{' in this database' if inside else ''}"
            what = MISSING if value is None else "differs"
            yield Difference(kind="setting", name=f"{name} of {subject}", what=what, about=of_role(role_name))


def of_role(name: str) -> Address:
    return Address(kind="role", names=(name,))


def _equal(membership: Membership, other: Membership | None) -> bool:
    """Without the grantor, who need not be able to grant on the target. Options that only one server knows (16) are not compared."""
    if other is None or membership.admin != other.admin:
        return False
    pairs = ((membership.inherit, other.inherit), (membership.set, other.set))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


# --- values --------------------------------------------------------------------------------------


def sequences(source: Iterable[SequenceItem], target: Iterable[SequenceItem]) -> Iterator[Difference]:
    sides = [{item.name: item for item in side} for side in (source, target)]
    yield from values("sequence", sides[0], sides[1], about=lambda name: of_relation("sequence", name))


def large_objects(source: Iterable[ComparedLargeObject], target: Iterable[ComparedLargeObject]) -> Iterator[Difference]:
    """Each is read to its end, one at a time. Raises  what reading them raises"""
    sides = [dict(map(_told, side)) for side in (source, target)]
    yield from values("large object", sides[0], sides[1])


def _told(large: ComparedLargeObject) -> tuple[int, Hashable]:
    digest = hashlib.sha256()
    for block in large.blocks:
        digest.update(block)
    item = large.item
    acl = frozenset(in_force("large object", item.owner, acl=item.acl, version_num=large.version_num))
    return item.oid, (item.owner, acl, item.comment, digest.digest())


def other_columns(table: TableName) -> Difference:
    return Difference(kind="table", name=str(table), what="differs in columns", about=of_relation("table", table))


def other_rows(table: TableName, what: str) -> Difference:
    return Difference(kind="rows", name=str(table), what=what, about=of_relation("table", table))


def of_relation(kind: str, name: TableName) -> Address:
    return Address(kind=kind, names=(name.schema, name.name))
