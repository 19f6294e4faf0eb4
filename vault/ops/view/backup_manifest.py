"""BACKUP_MANIFEST.md: what a snapshot holds and what it does not, as Markdown. True counts only. Streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Counts, Manifest, State, TableItem
from vault.ops.project.backup_selection import narrowed
from vault.ops.project.components import COMPONENTS, Selectors
from vault.ops.project.summary import nine_lines
from vault.ops.view.executed.operator_paths import implied
from vault.repo.lineage import calendar
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line

_MARKS: Final = {
    State.CAPTURED: "✅",
    State.EMPTY: "✅",
    State.NOT_SELECTED: "➖",
    State.NOT_EXPORTABLE: "⚠️",
    State.NOT_PERMITTED: "⚠️",
    State.FAILED: "❌",
}

_Section = tuple[str, str, list[str]]
"""Title, component whose state it shows, lines."""

_COMPLETE: Final = [
    "complete_database_with_data.dump - Binary format, for pg_restore",
    "complete_database_with_data.sql - SQL format (readable), for psql",
    "roles.sql - roles of the cluster, which both need",
    "database_settings.sql - settings of the database, which the binary format lacks",
    "schema.sql - every definition, without rows",
    "restore_complete_backup.sh - restores the dump from its directory",
]

_IMPLIED: Final = """
## ⚠️ Definitions that pg_restore may make with another meaning

SQL has no name for what these call in CASE, NULLIF, IS DISTINCT FROM or JOIN USING, and the dump has no place for it: after
pg_restore they may compare otherwise, without an error. `pgvault restore` keeps it; the SQL files say in their heads what they do.

"""
_NOT_RECORDED: Final = """
## What no backup of this kind holds

- Generated columns, for loading: their values follow from the others and are computed again by a restore, which says where they
  come out otherwise than they were. What they were is in the CSV files. Virtual ones (PostgreSQL 18) hold no values.
- Files: owner, hard links and extended attributes. Type, mode, time and content are recorded.
- Files that a platform keeps outside the database (the objects behind `storage.objects`), its secrets, and keys that are
  kept outside the database, such as the root key of `vault.secrets`.
- What a platform keeps of a project outside the database: settings of sign-in and mail, the JWT secret, secrets of edge functions.
- What belongs to the server: its other databases, `postgresql.conf` and ALTER SYSTEM, `pg_hba.conf`, replication slots; planner
  statistics (ANALYZE makes them again).
"""


def manifest_md(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """The manifest. Not executable, not needed for a restore."""
    manifest = snapshot.manifest
    yield _head(snapshot, manifest).encode()
    yield "\n## 📦 Backup Contents\n".encode()
    yield "".join(_sections(snapshot, manifest, selectors)).encode()
    yield "".join(_ledger(snapshot)).encode()
    if manifest.database is not None:
        yield b"\n## Tables\n\n| table | rows | bytes of text |\n|---|---:|---:|\n"
        for item in snapshot.tables():
            yield _table_line(item).encode()
        yield "".join(_database_lines(snapshot)).encode()
        yield "".join(_implied_lines(snapshot)).encode()
    yield _NOT_RECORDED.encode()


def _head(snapshot: Snapshot, manifest: Manifest) -> str:
    when = calendar(manifest.created_ms).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        "# Backup manifest\n",
        f"- Snapshot: `{snapshot.id.hex()}`",
        f"- Source: {_cell(manifest.source)}",
        f"- Taken: {when}",
        f"- Number: {manifest.sequence}" + (f", after `{manifest.parent.hex()}`" if manifest.parent else ""),
        f"- Made by: {_cell(manifest.program)}",
    ]
    if manifest.database is not None:
        server = manifest.database.server
        lines.append(
            f"- Database: {_cell(server.database)}, encoding {server.encoding}, PostgreSQL {_cell(server.version)}"
        )
    lines += [f"- Tag: {_cell(key)} = {_cell(value)}" for key, value in sorted(manifest.tags.items())]
    if part := narrowed(manifest.selection):
        lines.append(f"- ➖ Partial: a part of the database only, by {_cell(', '.join(part))}")
    if manifest.suspect:
        lines.append(f"- ❌ Suspect: {_cell(manifest.suspect)}")
    return "\n".join(lines) + "\n"


def _sections(snapshot: Snapshot, manifest: Manifest, selectors: Selectors) -> Iterator[str]:
    yield "\n" + "".join(f"- {line}\n" for line in nine_lines(manifest.counts))
    sections = _file_sections(manifest, selectors)
    if manifest.database is not None:
        sections = [*_database_sections(list(snapshot.tables()), manifest.counts, selectors), *sections]
    for title, component, lines in sections:
        state = manifest.coverage.get(component, (State.NOT_SELECTED, 0))[0]
        yield f"\n### {_MARKS[state]} {title}\n" + "".join(f"- {line}\n" for line in lines)


def _database_sections(tables: list[TableItem], counts: Counts, selectors: Selectors) -> list[_Section]:
    passwords = any(
        item.name == selectors.users_table and any(column.name == "encrypted_password" for column in item.columns)
        for item in tables
    )
    schemas = {name.schema for name in selectors.role_tables}
    matrix = any(item.name.name in selectors.role_related and item.name.schema in schemas for item in tables)
    return [
        ("Database Complete Backup", "schema", _COMPLETE),
        (
            "Users & Authentication",
            "users",
            [f"Total Users: {counts.users}", f"Encrypted Passwords: {_has(passwords)}"],
        ),
        (
            "User Roles & Permissions",
            "user_roles",
            [f"Total Roles: {counts.user_roles}", f"Permissions Matrix: {_has(matrix)}"],
        ),
        ("RLS Policies", "rls_policies", [f"Total Policies: {counts.rls_policies}"]),
        ("RPC Functions", "rpc_functions", [f"Total Functions: {counts.rpc_functions}"]),
        ("Encryption System", "encryption", [f"Encryption Functions: {counts.encryption_functions}"]),
        ("Data Records", "data", [f"Total Records: {counts.records} records", f"Total Tables: {counts.tables} tables"]),
    ]


def _file_sections(manifest: Manifest, selectors: Selectors) -> list[_Section]:
    counts = manifest.counts
    known = {selectors.migrations_directory, selectors.edge_functions_directory}
    return [
        ("Migrations", "migrations", [f"Total Migrations: {counts.migrations}"]),
        ("Edge Functions", "edge_functions", [f"Total Functions: {counts.edge_functions}"]),
        *(
            (f"Directory {name}", f"dir:{name}", [f"Total Paths: {manifest.directories[name].sums.items}"])
            for name in sorted(set(manifest.directories) - known)
        ),
    ]


def _ledger(snapshot: Snapshot) -> Iterator[str]:
    ledger = snapshot.ledger()
    yield "\n## Coverage\n\n| component | state | captured | not captured |\n|---|---|---:|---:|\n"
    order = {name: at for at, name in enumerate(COMPONENTS)}
    for name in sorted(ledger, key=lambda name: (order.get(name, len(order)), name)):
        item = ledger[name]
        yield f"| {_cell(name)} | {_MARKS[item.state]} {item.state.value} | {item.count} | {len(item.missing)} |\n"
    missing = {(gap.item, gap.state.value, gap.why, gap.fix): None for item in ledger.values() for gap in item.missing}
    if missing:
        yield "\n| not captured | state | why | what helps |\n|---|---|---|---|\n"
        yield from (f"| {' | '.join(map(_cell, gap))} |\n" for gap in missing)


def _table_line(item: TableItem) -> str:
    rows, size = item.sums.rows, item.sums.bytes
    return f"| {_cell(str(item.name))} | {rows} | {size} |\n"


def _database_lines(snapshot: Snapshot) -> Iterator[str]:
    facts = snapshot.catalog().database
    yield "\n## Properties of the database\n\n"
    yield from (f"- {_cell(key)}: {_cell(value or '-')}\n" for key, value in sorted(facts.items()))


def _implied_lines(snapshot: Snapshot) -> Iterator[str]:
    labels = implied(snapshot).labels
    if labels:
        yield _IMPLIED
        yield from (f"- {_cell(label)}\n" for label in labels.values())


def _has(present: bool) -> str:
    return "✅ Included" if present else "none in this database"


def _cell(text: str) -> str:
    """A name as text of a table cell: nothing in it is taken for Markdown's structure."""
    return "".join(f"\\{letter}" if letter in "\\|`<[" else letter for letter in one_line(text))
