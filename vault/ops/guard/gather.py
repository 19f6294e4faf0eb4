"""The facts of two snapshots that a guard compares, from their manifests and what differs below them.

Never reads a row, a file or a large object. What both snapshots share is not read at all: equal lists have one root, equal roles and
catalogs one id. All tables, and the catalogs with them, are read only when one table shrank or lost its grants, or a function went.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from vault.model import (
    Address,
    CatalogFacts,
    DatabasePart,
    EntryItem,
    Manifest,
    Roles,
    SchemaEntry,
    State,
    TableItem,
    TableName,
)
from vault.ops.guard.facts import DatabaseFacts, Facts, RowSecurity, TableFact, Terms
from vault.ops.project.backup_selection import narrowed
from vault.ops.project.components import ROUTINES
from vault.repo.snapshot import Snapshot
from vault.sql.names import outside_quotes

POWER_ROLES: Final = frozenset(
    {
        "pg_create_subscription",
        "pg_execute_server_program",
        "pg_read_all_data",
        "pg_read_server_files",
        "pg_write_all_data",
        "pg_write_server_files",
    }
)
"""Of PostgreSQL's own roles those whose members reach past every grant."""
_READ: Final = frozenset({"POLICY", "ROW SECURITY"})
_VIEWS: Final = frozenset({"VIEW", "MATERIALIZED VIEW"})
_RELATIONS: Final = frozenset({*_VIEWS, "TABLE", "FOREIGN TABLE"})
_READ_IF_GONE: Final = frozenset({*_VIEWS, *ROUTINES, "TRIGGER", "ACL"})
"""What is read of what the other snapshot has not."""
_ABOUT_OTHERS: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_OF_COLUMN: Final = "COLUMN "
_SUBJECT: Final = re.compile(r" ON .*?(?= (?:TO|FROM) )", re.DOTALL)
"""Of a GRANT or REVOKE: privileges that went along with a new name are not gone."""
_NAME: Final = r'(?:"(?:[^"]|"")+"|\w+)'
_ROUTINE_NAME: Final = re.compile(rf"{_NAME}\.{_NAME}(?=\()")
"""Of a CREATE FUNCTION."""
_POLICY_NAMES: Final = re.compile(rf"CREATE POLICY {_NAME} ON {_NAME}\.{_NAME} ?")
_VIEW_NAME: Final = re.compile(rf"CREATE (?:MATERIALIZED )?VIEW {_NAME}\.{_NAME} ?")
_PARTITIONED: Final = "\nPARTITION BY "
_NO_ROWS: Final = TableFact(oid=0, rows=0, bytes=0)
_FORCED: Final = " FORCE ROW LEVEL SECURITY"
_NOT_FORCED: Final = f" NO{_FORCED}"
_ENABLED: Final = " ENABLE ROW LEVEL SECURITY"
_BELOW: Final = frozenset("an")
"""pg_depend's letters between a partition and its table, and between a table that inherits and the one that it inherits of."""


def gather(before: Snapshot, after: Snapshot, terms: Terms) -> tuple[Facts, Facts]:
    """Raises  IntegrityError: something that differs cannot be read"""
    then, now = before.manifest, after.manifest
    databases: tuple[DatabaseFacts | None, DatabaseFacts | None] = (None, None)
    if then.database is not None and now.database is not None and narrowed(then.selection) == narrowed(now.selection):
        databases = _databases(before, after, then.database, terms=terms, now=now.database)
    shared = then.directories.keys() & now.directories.keys()
    same = then.selection == now.selection
    return (
        Facts(
            database=databases[0],
            directories={name: then.directories[name].sums for name in shared},
            bytes=_bytes(then) if same else 0,
        ),
        Facts(
            database=databases[1],
            directories={name: now.directories[name].sums for name in shared},
            bytes=_bytes(now) if same else 0,
            new_bytes=now.effort.new_bytes,
        ),
    )


def _bytes(manifest: Manifest) -> int:
    rows = 0 if manifest.database is None else manifest.database.tables.sums.bytes
    return rows + sum(listed.sums.bytes for listed in manifest.directories.values())


def _databases(
    before: Snapshot, after: Snapshot, then: DatabasePart, *, now: DatabasePart, terms: Terms
) -> tuple[DatabaseFacts, DatabaseFacts]:
    changed = list(after.changed_entries(before))
    removed = [old for old, new in changed if old is not None and new is None]
    added = [new for old, new in changed if new is not None and old is None]
    shrank = any(_shrank(*pair, terms) for pair in after.changed_tables(before))
    routines = any(item.identity.desc in ROUTINES for item in removed)
    shrank = shrank or _lost_grants(removed)
    catalogs = (before.catalog(), after.catalog()) if shrank or routines else (CatalogFacts(), CatalogFacts())
    roles = (before.roles(), after.roles()) if then.roles != now.roles else (Roles(), Roles())
    gone = frozenset(_tables(removed)) - {
        address.relation for address, _, _ in catalogs[1].acls if address.kind == "table"
    }
    sides: list[DatabaseFacts] = []
    for number, (snapshot, part, other) in enumerate(((before, then, removed), (after, now, added))):
        read = [pair[number] for pair in changed]
        alone = [pair[number] for pair in changed if pair[1 - number] is None]
        entries = list(_read(snapshot, read, alone))
        only = [entry for entry in entries if entry.identity.desc in _READ_IF_GONE]
        tables = {item.name: _fact(item) for item in snapshot.tables()} if shrank else {}
        if sides:
            tables |= dict.fromkeys(_hollow(snapshot, read, sides[0].tables.keys() - tables.keys()), _NO_ROWS)
        sides.append(
            DatabaseFacts(
                key=part.server.database_key,
                rows=part.tables.sums.rows,
                large_objects=part.large_objects.sums,
                lacks_large_objects=_lacks_large_objects(snapshot.manifest),
                tables=tables,
                parents=_parents(catalogs[number]) if shrank else {},
                schemas=frozenset(item.identity.names[0] for item in other if item.identity.desc == "SCHEMA"),
                described=frozenset(_tables(other)),
                undescribed=frozenset(sides[0].tables.keys() - tables.keys() - gone) if sides else frozenset(),
                policies={_policy(entry): _unnamed(entry) for entry in entries if entry.identity.desc == "POLICY"},
                row_security=_row_security(entries),
                functions=_functions(catalogs[number]) if routines else frozenset(),
                routines=_routines(only),
                views={entry.identity.relation: _selects(entry) for entry in only if entry.identity.desc in _VIEWS},
                triggers={_policy(entry): _runs(entry) for entry in only if entry.identity.desc == "TRIGGER"},
                granted=_granted(only, [] if sides else removed),
                powers=_powers(roles[number]),
            )
        )
    return sides[0], sides[1]


def _lacks_large_objects(manifest: Manifest) -> bool:
    state, _ = manifest.coverage.get("large_objects", (State.CAPTURED, 0))
    return state in (State.NOT_PERMITTED, State.FAILED)


def _shrank(before: TableItem | None, after: TableItem | None, terms: Terms) -> bool:
    """Whether the table alone would be told, or could be a part of what would; what it belongs to decides."""
    if before is None or (terms.ignores(before.name) and before.name != terms.users_table):
        return False
    if after is None:
        return True
    was, now = before.sums, after.sums
    emptied = bool(was.rows) and not now.rows
    return emptied or terms.is_lost(was.rows, now.rows, at_least=1) or terms.is_lost(was.bytes, now.bytes, at_least=1)


def _lost_grants(removed: Iterable[EntryItem]) -> bool:
    """Of a table that is there, or of another one that has its name now: their oids tell which."""
    items = [item.identity for item in removed if item.identity.kind == "table"]
    gone = {one.address for one in items if one.desc == "TABLE"}
    return any(one.desc == "ACL" and one.address not in gone for one in items)


def _fact(item: TableItem) -> TableFact:
    return TableFact(oid=item.oid, rows=item.sums.rows, bytes=item.sums.bytes)


def _tables(items: Iterable[EntryItem]) -> Iterator[TableName]:
    return (item.identity.relation for item in items if item.identity.desc in _RELATIONS)


def _hollow(snapshot: Snapshot, read: Iterable[EntryItem | None], names: AbstractSet[TableName]) -> Iterator[TableName]:
    """Those of them that are there and partitioned: their rows are in partitions, if anywhere."""
    items = [item for item in read if item is not None and item.identity.desc == "TABLE"]
    entries = snapshot.entries([item for item in items if item.identity.relation in names])
    return (entry.identity.relation for entry in entries if _PARTITIONED in outside_quotes(entry.definition))


def _parents(catalog: CatalogFacts) -> dict[TableName, TableName]:
    return {
        child.relation: parent.relation
        for child, parent, letter in catalog.edges
        if letter in _BELOW and child.kind == parent.kind == "table" and child != parent
    }


def _functions(catalog: CatalogFacts) -> frozenset[tuple[str, str]]:
    return frozenset((schema, name) for schema, name, _, _, extension in catalog.functions if not extension)


def _routines(entries: Iterable[SchemaEntry]) -> dict[tuple[str, str], frozenset[str]]:
    texts: dict[tuple[str, str], frozenset[str]] = {}
    for entry in entries:
        if entry.identity.desc in ROUTINES:
            name = entry.namespace, entry.identity.names[-1]
            text = _ROUTINE_NAME.sub("", entry.definition, count=1)
            texts[name] = texts.get(name, frozenset()) | {text}
    return texts


def _read(
    snapshot: Snapshot, changed: Iterable[EntryItem | None], alone: Iterable[EntryItem | None]
) -> Iterator[SchemaEntry]:
    """`alone`: of those that changed the ones that the other has not"""
    items = [item for item in changed if item is not None and item.identity.desc in _READ]
    items += [item for item in alone if item is not None and item.identity.desc in _READ_IF_GONE]
    return snapshot.entries(items)


def _selects(entry: SchemaEntry) -> str:
    """With what stands before it, as `security_invoker`."""
    return _VIEW_NAME.sub("", entry.definition, count=1)


def _runs(entry: SchemaEntry) -> str:
    return entry.definition.rpartition(" EXECUTE ")[2].rstrip("\n").removesuffix(";")


def _granted(entries: Iterable[SchemaEntry], removed: Iterable[EntryItem]) -> dict[Address, str]:
    """Of objects that are not `removed` themselves."""
    gone = {item.identity.address for item in removed if item.identity.desc not in _ABOUT_OTHERS}
    return {
        entry.identity.address: _SUBJECT.sub(" ", entry.definition)
        for entry in entries
        if entry.identity.desc == "ACL"
        and not entry.identity.sub.startswith(_OF_COLUMN)
        and entry.identity.address not in gone
    }


def _policy(entry: SchemaEntry) -> tuple[TableName, str]:
    return entry.identity.relation, entry.identity.names[-1]


def _unnamed(entry: SchemaEntry) -> str:
    """What a policy says of its table, without its own name and the table's: equal text is the same policy under another name."""
    return _POLICY_NAMES.sub("", entry.definition, count=1)


def _row_security(entries: Iterable[SchemaEntry]) -> dict[TableName, RowSecurity]:
    """An entry that is not there says that it is off."""
    texts: dict[TableName, str] = {}
    for entry in entries:
        if entry.identity.desc == "ROW SECURITY":
            texts[entry.identity.relation] = texts.get(entry.identity.relation, "") + entry.definition
    return {
        table: RowSecurity(enabled=_ENABLED in text, forced=_FORCED in text.replace(_NOT_FORCED, ""))
        for table, text in texts.items()
    }


def _powers(roles: Roles) -> dict[str, frozenset[str]]:
    powers: dict[str, set[str]] = {}
    for role in roles.roles:
        attributes = (
            ("SUPERUSER", role.superuser),
            ("BYPASSRLS", role.bypass_rls),
            ("CREATEROLE", role.create_role),
            ("REPLICATION", role.replication),
        )
        powers[role.name] = {word for word, holds in attributes if holds}
    strong = {name for name, words in powers.items() if words} | POWER_ROLES
    for membership in roles.memberships:
        if membership.role in strong:
            powers.setdefault(membership.member, set()).add(f"member of {membership.role}")
    return {name: frozenset(words) for name, words in powers.items() if words}
