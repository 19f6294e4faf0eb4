"""SQL files of the view about definitions, roles and migrations, from typed entries in pg_dump's order. Streams; no SQL text is edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from vault.model import SchemaEntry, TableItem
from vault.ops.project.components import EntrySelector, Selectors
from vault.ops.view.members import executable_entries
from vault.ops.view.script import EntryScript, entries, foot, head, text, title
from vault.ops.view.table import table_rows
from vault.repo.snapshot import Snapshot
from vault.sql import roles as role_statements
from vault.sql.names import qualified

_TIMES: Final = ("timestamp", "date")


def schema_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Every definition in order, with its owner. Rows belong between pre-data and post-data; they are not in it."""
    yield head(snapshot, "Every definition of the database, in the order in which it can be executed; no rows.")
    script = EntryScript()
    for entry in executable_entries(snapshot):
        yield script.lines(entry)
    yield foot(snapshot)


def policies_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Row-level security: what enables it, and every policy."""
    selected = ("ROW SECURITY", "POLICY")
    yield from _selected(
        snapshot,
        "Row-level security: enabled tables and all policies. The tables and functions must exist, the policies not yet.",
        lambda entry: text(entry.definition) if entry.identity.desc in selected else b"",
    )


def functions_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """pg_get_functiondef of every function that can be called from outside."""
    selector = EntrySelector(catalog=snapshot.catalog(), selectors=selectors)

    def definition(entry: SchemaEntry) -> bytes:
        if not selector.is_rpc(entry):
            return b""
        return text(entry.function_definition.rstrip("\n") + ";" if entry.function_definition else entry.definition)

    yield from _selected(
        snapshot,
        "Functions that can be called as RPC, by pg_get_functiondef. Existing ones are replaced and keep owner and grants.",
        definition,
    )


def history_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """The table of applied migrations as INSERT statements."""
    item = snapshot.table(selectors.history_table)
    yield head(snapshot, f"Applied migrations: the rows of {qualified(item.name)}.")
    if not _has_time(item):
        yield (
            b"-- This table has no column for the time of application, so nothing can say when a migration was applied.\n"
            b"-- The version, which starts each file's name, is the time at which the migration was written.\n\n"
        )
    yield from table_rows(snapshot, item, "sql")
    yield foot(snapshot)


def roles_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Roles, memberships and settings of the cluster."""
    roles = snapshot.roles()
    database = snapshot.manifest.database
    version = database.server.version_num if database else 0
    yield head(snapshot, "Roles, memberships and settings of the cluster, read in the same moment as the rows.")
    if not roles.verifiers_read:
        yield b"-- Password verifiers could not be read; these roles are created without a password.\n\n"
    for role in roles.roles:
        lines = ("BEGIN;", *role_statements.create_role(role), "COMMIT;")
        yield "".join(f"{line}\n" for line in lines).encode()
    for membership in roles.memberships:
        yield f"{role_statements.grant_role(membership, version_num=version, grantor=False)}\n".encode()
    for setting in roles.settings:
        name = database.server.database if database else ""
        yield f"{role_statements.set_setting(setting, database=name)}\n".encode()
    yield foot(snapshot)


# --- parts ---------------------------------------------------------------------------------------


def _selected(snapshot: Snapshot, what: str, render: Callable[[SchemaEntry], bytes]) -> Iterator[bytes]:
    yield head(snapshot, what)
    for entry in entries(snapshot):
        rendered = render(entry)
        if rendered:
            yield title(entry) + rendered
    yield foot(snapshot)


def _has_time(item: TableItem) -> bool:
    return any(column.type.startswith(_TIMES) for column in item.columns)
