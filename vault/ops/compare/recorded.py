"""Compare a snapshot with a database that was restored from it. Never shows a value of a row; both sides are streamed.

What a snapshot of a part of its database knows of the rest of it (owners, extensions) is nothing that a restore brings, and not compared.
Nor is the owner of an extension, of what comes with a type by itself (arrays, multiranges, constructors of ranges) and of what initdb
makes: no restore can set it. A member of an extension whose owner is the extension's has whoever installs that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Final

from vault.model import Address, CatalogFacts, TableName
from vault.model.database import Owned
from vault.ops.compare import facts, row_digests
from vault.ops.compare.databases import large_objects
from vault.ops.compare.facts import ComparedLargeObject, Difference
from vault.ops.compare.row_digests import RowsDigest
from vault.ops.project.backup_selection import narrowed
from vault.ports import Capture, Progress
from vault.repo.snapshot import Snapshot
from vault.sql.in_force import in_force
from vault.sql.statements import read_acl_item

_TEXTS: Final = frozenset({"definition", "drop", "function_definition"})
_OF_THE_WHOLE: Final = frozenset({"privileges", "extension", "policy", "meaning"})
"""Kinds of facts that a snapshot has of everything, whatever was selected."""
_INTERNAL: Final = "i"
"""pg_depend's letter for what comes and goes with something else."""
_MADE_WITH_TYPES: Final = frozenset({"type", "composite type", "function"})
_SYSTEM_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema"})
_BUILT_IN_LANGUAGES: Final = frozenset({"internal", "c", "sql", "plpgsql"})


def printed_alike(snapshot: Snapshot, target: Capture, differences: Collection[Difference]) -> list[Difference]:
    """Those of `differences` that are left when another pg_dump reads the target: what one of them prints as recorded is equal."""
    still = {
        difference.name for difference in facts.entries(snapshot.entries(snapshot.order()), target.schema().entries)
    }
    return [one for one in differences if not is_of_text(one) or one.name in still]


def is_of_text(difference: Difference) -> bool:
    """Whether nothing but texts of pg_dump or of the server differ."""
    return difference.kind == "entry" and bool(difference.parts) and _TEXTS.issuperset(difference.parts)


def compare_recorded(snapshot: Snapshot, target: Capture, *, key: bytes, progress: Progress) -> Iterator[Difference]:
    """What differs in `target`. `key`: 32 random bytes.

    Raises  SourceError, Incoherent, Unreachable: the target could not be read; IntegrityError: the snapshot is damaged
    """
    database = snapshot.manifest.database
    assert database is not None, "a snapshot of files alone is compared with directories"
    progress.stage("comparing", database.tables.sums.bytes + database.large_objects.sums.bytes)
    recorded = list(snapshot.entries(snapshot.order()))
    ours, there = snapshot.catalog(), target.catalog()
    ownerless = _ownerless(ours, there)
    yield from _with_owners(facts.entries(recorded, target.schema().entries), ownerless)
    versions = (database.server.version_num, target.server.version_num)
    known = None
    if narrowed(snapshot.manifest.selection):
        known = frozenset(entry.identity.address for entry in recorded)
    ours, there = (_without_owners(side, ownerless, min(versions)) for side in (ours, there))
    yield from _selected(facts.catalog(ours, there, versions=versions), known)
    yield from facts.roles(snapshot.roles(), target.roles())
    yield from facts.sequences(snapshot.sequences(), target.sequences())
    yield from facts.large_objects(_large_objects(snapshot, versions[0], progress), large_objects(target))
    yield from _rows(snapshot, target, key=key, progress=progress)


def _selected(differences: Iterable[Difference], known: frozenset[Address] | None) -> Iterator[Difference]:
    """`known`: what has a definition in a snapshot of a part; None: the snapshot is of the whole."""
    for difference in differences:
        about = difference.about
        of_whole = difference.kind in _OF_THE_WHOLE and difference.what != facts.UNKNOWN
        if known is None or not of_whole or (about is not None and about.whole in known):
            yield difference


def _ownerless(*sides: CatalogFacts) -> dict[Address, frozenset[str]]:
    """Whose owner is whoever installed it or made the cluster, with those of both sides."""
    parts = {
        dependent
        for side in sides
        for dependent, _, letter in side.edges
        if letter == facts.MEMBER or (letter == _INTERNAL and dependent.kind in _MADE_WITH_TYPES)
    }
    owners: dict[Address, frozenset[str]] = {}
    for address, owner, _ in (owned for side in sides for owned in side.acls):
        if address in parts or _is_of_the_server(address):
            owners[address] = owners.get(address, frozenset()) | {owner}
    return owners


def _with_owners(differences: Iterable[Difference], ownerless: Collection[Address]) -> Iterator[Difference]:
    """Without what an ACL entry says of these: who owns them, and in its text with regard to whom. The privileges are compared as facts."""
    for difference in differences:
        if difference.about not in ownerless or not difference.name.startswith("ACL ") or not difference.parts:
            yield difference


def _without_owners(catalog: CatalogFacts, owners: Mapping[Address, frozenset[str]], version_num: int) -> CatalogFacts:
    """The same; of these what others may do, whoever granted it, and the owner of a member who is not its extension's."""
    own = {address: owner for address, owner, _ in catalog.acls if address.kind == "extension"}
    apart = {
        dependent: own[extension]
        for dependent, extension, letter in catalog.edges
        if letter == facts.MEMBER and extension in own
    }
    acls: list[Owned] = []
    for owned in catalog.acls:
        address, owner, _ = owned
        if address in owners:
            named = owner if apart.get(address, owner) != owner else ""
            owned = (address, named, _granted(owned, owners[address], version_num))
        acls.append(owned)
    return replace(catalog, acls=tuple(acls))


def _granted(owned: Owned, owners: Collection[str], version_num: int) -> tuple[str, ...]:
    address, owner, acl = owned
    items = map(read_acl_item, in_force(address.kind, owner, acl=acl, version_num=version_num))
    granted = {(item.grantee, item.privileges) for item in items if item.grantee not in owners}
    return tuple(sorted(f"{grantee}={sorted(privileges)}" for grantee, privileges in granted))


def _is_of_the_server(address: Address) -> bool:
    """It belongs to whoever made the cluster, or to whoever installed it. The one text of a type starts with its schema."""
    schema = address.names[0].partition(".")[0] if address.kind == "type" else address.names[0]
    return (
        address.kind == "extension"
        or schema in _SYSTEM_SCHEMAS
        or (address.kind == "language" and schema in _BUILT_IN_LANGUAGES)
    )


def _large_objects(snapshot: Snapshot, version_num: int, progress: Progress) -> Iterator[ComparedLargeObject]:
    for item in snapshot.large_objects():
        blocks = _told(snapshot.large_object_blocks(item), progress)
        yield ComparedLargeObject(item=item, blocks=blocks, version_num=version_num)


def _rows(snapshot: Snapshot, target: Capture, *, key: bytes, progress: Progress) -> Iterator[Difference]:
    tables = {table.name: table for table in target.tables}
    recorded = {item.name: item for item in snapshot.tables()}
    yield from facts.pairs("table", recorded, tables, about=lambda name: facts.of_relation("table", name))
    wanted: list[tuple[TableName, RowsDigest]] = []
    there: list[tuple[TableName, RowsDigest]] = []
    with closing(target.reader()) as reader:
        for name in sorted(recorded.keys() & tables.keys()):
            table = row_digests.in_columns_of(recorded[name], tables[name])
            if table is None:
                yield facts.other_columns(name)
                continue
            group = row_digests.group_of(recorded[name])
            blocks = _told(snapshot.rows(recorded[name]), progress)
            wanted.append((group, row_digests.of_text(blocks, key=key)))
            there.append((group, row_digests.of_live(reader, table, key=key)))
    for group, what in row_digests.differing(row_digests.sums(wanted), row_digests.sums(there)):
        yield facts.other_rows(group, what)


def _told(blocks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    for block in blocks:
        progress.advance(len(block))
        yield block
