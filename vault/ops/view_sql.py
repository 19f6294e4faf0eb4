"""The SQL files of the view, rendered from typed entries in pg_dump's order. Streams; no SQL text is edited.

Invariants: names in comments hold no control character, so no comment can end its line (CVE-2025-8714 and 8715); every
file is fenced by `\\restrict` with a key that who wrote the definitions could not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from vault.errors import NotThere
from vault.model import SchemaEntry, TableItem
from vault.ops.components import EntrySelector, Selectors
from vault.ops.table import table_rows
from vault.ops.view_paths import one_line
from vault.repo.snapshot import Snapshot
from vault.source.postgres import statements
from vault.source.postgres.names import qualified, quote

_SETTINGS: Final = """SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
"""
_OF_THE_DATABASE: Final = frozenset({"DATABASE", "DATABASE PROPERTIES"})
_OF_THE_ARCHIVE: Final = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH"})
_ABOUT: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_TIMES: Final = ("timestamp", "date")


def schema_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Every definition in order, with its owner. Rows belong between pre-data and post-data; they are not in it."""
    yield _head(snapshot, "Every definition of the database, in the order in which it can be executed; no rows.")
    tablespace = method = ""
    for entry in _entries(snapshot):
        if entry.identity.desc in _OF_THE_ARCHIVE:
            continue
        yield _title(entry)
        if _is_of_the_database(entry):
            yield b"-- Belongs to the database itself and carries its name; see BACKUP_MANIFEST.md.\n"
            continue
        if entry.definition and entry.tablespace != tablespace and entry.identity.desc in ("TABLE", "INDEX"):
            tablespace = entry.tablespace
            value = quote(tablespace) if tablespace else "''"
            yield f"SET default_tablespace = {value};\n".encode()
        if entry.table_access_method and entry.table_access_method != method:
            method = entry.table_access_method
            yield f"SET default_table_access_method = {quote(method)};\n".encode()
        owner = statements.set_owner(entry)
        yield _text(entry.definition) + (f"{owner}\n".encode() if owner else b"")
    yield _foot(snapshot)


def policies_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Row-level security: what enables it, and every policy."""
    selected = ("ROW SECURITY", "POLICY")
    yield from _selected(
        snapshot,
        "Row-level security: enabled tables and all policies. The tables and functions must exist, the policies not yet.",
        lambda entry: _text(entry.definition) if entry.identity.desc in selected else b"",
    )


def functions_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """pg_get_functiondef of every function that can be called from outside."""
    selector = EntrySelector(catalog=snapshot.catalog(), selectors=selectors)

    def definition(entry: SchemaEntry) -> bytes:
        if not selector.is_rpc(entry):
            return b""
        return _text(entry.function_definition.rstrip("\n") + ";" if entry.function_definition else entry.definition)

    yield from _selected(
        snapshot,
        "Functions that can be called as RPC, by pg_get_functiondef. Existing ones are replaced and keep owner and grants.",
        definition,
    )


def history_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """The table of applied migrations as INSERT statements."""
    item = snapshot.table(selectors.history_table)
    yield _head(snapshot, f"Applied migrations: the rows of {qualified(item.name)}.")
    if not _has_time(item):
        yield (
            b"-- This table has no column for the time of application, so nothing can say when a migration was applied.\n"
            b"-- The version, which starts each file's name, is the time at which the migration was written.\n\n"
        )
    yield from table_rows(snapshot, item, "sql")
    yield _foot(snapshot)


def roles_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Roles, memberships and settings of the cluster."""
    roles = snapshot.roles()
    database = snapshot.manifest.database
    version = database.server.version_num if database else 0
    yield _head(snapshot, "Roles, memberships and settings of the cluster, read in the same moment as the rows.")
    if not roles.verifiers_read:
        yield b"-- Password verifiers could not be read; these roles are created without a password.\n\n"
    for role in roles.roles:
        yield "".join(f"{line}\n" for line in statements.create_role(role)).encode()
    for membership in roles.memberships:
        yield f"{statements.grant_role(membership, version_num=version, grantor=False)}\n".encode()
    for setting in roles.settings:
        name = database.server.database if database else ""
        yield f"{statements.set_setting(setting, database=name)}\n".encode()
    yield _foot(snapshot)


# --- parts ---------------------------------------------------------------------------------------


def _entries(snapshot: Snapshot) -> Iterator[SchemaEntry]:
    return snapshot.entries(item.entry for item in snapshot.order())


def _selected(snapshot: Snapshot, what: str, text: Callable[[SchemaEntry], bytes]) -> Iterator[bytes]:
    yield _head(snapshot, what)
    for entry in _entries(snapshot):
        rendered = text(entry)
        if rendered:
            yield _title(entry) + rendered
    yield _foot(snapshot)


def _head(snapshot: Snapshot, what: str) -> bytes:
    if snapshot.manifest.database is None:
        raise NotThere("the snapshot holds no database")
    return f"--\n-- {what}\n-- pgvault snapshot {snapshot.id.hex()}\n--\n\n\\restrict {_key(snapshot)}\n\n{_SETTINGS}\n".encode()


def _foot(snapshot: Snapshot) -> bytes:
    return f"\n\\unrestrict {_key(snapshot)}\n".encode()


def _key(snapshot: Snapshot) -> str:
    """The snapshot's id is a keyed hash over all that the snapshot holds, so no content can contain it."""
    return hashlib.sha256(b"pgvault restrict " + snapshot.id).hexdigest()


def _title(entry: SchemaEntry) -> bytes:
    parts = (
        ("Name", entry.tag),
        ("Type", entry.identity.desc),
        ("Schema", entry.namespace or "-"),
        ("Owner", entry.owner or "-"),
    )
    return f"\n--\n-- {'; '.join(f'{word}: {one_line(text)}' for word, text in parts)}\n--\n\n".encode()


def _text(text: str) -> bytes:
    """A definition with exactly one line end after it."""
    return text.rstrip("\n").encode() + b"\n" if text else b""


def _is_of_the_database(entry: SchemaEntry) -> bool:
    return entry.identity.desc in _OF_THE_DATABASE or (
        entry.identity.desc in _ABOUT and entry.tag.startswith("DATABASE ") and not entry.namespace
    )


def _has_time(item: TableItem) -> bool:
    return any(column.type.startswith(_TIMES) for column in item.columns)
