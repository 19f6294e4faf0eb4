"""What exported scripts and archives need for extensions' tables, which CREATE EXTENSION makes and may fill. Pure.

A restore by pgvault looks and decides; a script cannot, so it carries the decision: what is on a member already is replaced by
what was saved, and rows that CREATE EXTENSION has just put there go before the saved ones come. Rows of an extension that the
target had before stay, and loading fails on them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.model import OrderItem, SchemaEntry, TableItem
from vault.ops.view.executed.fence import dollar_quoted
from vault.repo.snapshot import Snapshot
from vault.sql import statements
from vault.sql.names import literal, qualified

_RELATIONS: Final = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})
_BY_NEED: Final = frozenset({"INDEX", "STATISTICS"})
"""Their names do not tell the table."""
_ON_A_RELATION: Final = frozenset({"CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"})
_SETTING: Final = "pgvault.extensions_before"

KEYS_OFF: Final = (
    "DO $keys$BEGIN PERFORM pg_catalog.set_config('session_replication_role', 'replica', false);"
    " EXCEPTION WHEN insufficient_privilege THEN NULL; END$keys$;\n"
)
"""Triggers and foreign keys of members stand before their rows. Who may not switch them off loads past them, as pg_restore does."""
KEYS_ON: Final = "RESET session_replication_role;\n"

REMEMBER_EXTENSIONS: Final = f"""SELECT pg_catalog.set_config('{_SETTING}', coalesce((SELECT pg_catalog.string_agg(oid::pg_catalog.text, ',') FROM pg_catalog.pg_extension), ''), false);
"""
"""To be run before the first CREATE EXTENSION, on the connection that later clears."""


def clear_member(item: TableItem) -> str:
    """Delete the rows of a table, if its extension was not there when REMEMBER_EXTENSIONS ran. To be run after KEYS_OFF."""
    table = literal(qualified(item.name))
    body = (
        f"BEGIN IF pg_catalog.current_setting('{_SETTING}', true) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend"
        f" WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = {table}::pg_catalog.regclass AND deptype = 'e'"
        f" AND refobjid::pg_catalog.text = ANY (pg_catalog.string_to_array(pg_catalog.current_setting('{_SETTING}'), ',')))"
        f" THEN {statements.delete_rows(item)} END IF; END"
    )
    return f"DO {literal(body)};\n"


def member_tables(order: Sequence[OrderItem], tables: Iterator[TableItem]) -> Iterator[TableItem]:
    """Those that no entry defines: CREATE EXTENSION does."""
    defined = {item.identity.names for item in order if item.identity.desc == "TABLE"}
    return (table for table in tables if (table.name.schema, table.name.name) not in defined)


def on_members(order: Sequence[OrderItem]) -> frozenset[int]:
    """Positions of indexes, triggers, ... on relations that no entry defines."""
    relations = {item.identity.names for item in order if item.identity.desc in _RELATIONS}
    positions = set()
    for at, item in enumerate(order):
        identity = item.identity
        if identity.desc in _BY_NEED:
            on_member = not any(order[need].identity.desc in _RELATIONS for need in item.needs)
        else:
            on_member = identity.desc in _ON_A_RELATION and len(identity.names) == 3
            on_member = on_member and identity.names[:2] not in relations
        if on_member and any(order[need].identity.desc == "EXTENSION" for need in item.needs):
            positions.add(at)
    return frozenset(positions)


def replacing(entry: SchemaEntry, snapshot: Snapshot) -> str:
    """The entry's definition, after its DROP where an extension's script has made the same object."""
    if not entry.drop:
        return entry.definition
    create = dollar_quoted(entry.definition, snapshot, "create")
    drop = dollar_quoted(entry.drop, snapshot, "drop")
    body = (
        f"\nBEGIN\nEXECUTE {create};\nEXCEPTION WHEN duplicate_table OR duplicate_object OR invalid_table_definition THEN\n"
        f"EXECUTE {drop};\nEXECUTE {create};\nEND\n"
    )
    return f"DO {dollar_quoted(body, snapshot, 'do')};\n"


def with_version(entry: SchemaEntry, snapshot: Snapshot, *, version: str, schema: str) -> str:
    """The definition of an extension with the recorded version where the target offers it, as a restore does."""
    offered = (
        f"EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions"
        f" WHERE name = {literal(entry.tag)} AND version = {literal(version)})"
    )
    body = (
        f"\nBEGIN\nIF {offered} THEN\n{statements.create_extension(entry.tag, schema=schema, version=version)}"
        f"ELSE\n{entry.definition.strip()}\nEND IF;\nEND\n"
    )
    return f"DO {dollar_quoted(body, snapshot, 'extension')};\n"
