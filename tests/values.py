"""Values of the model with what a test does not care for filled in: one home for each kind, so that a new field is filled in here."""

from __future__ import annotations

from typing import Any, Final

from vault.model import (
    ChunkList,
    Column,
    Extent,
    Identity,
    ListRef,
    SchemaEntry,
    Section,
    ServerFacts,
    TableItem,
    TableName,
)

SERVER: Final = ServerFacts(
    version_num=150018,
    version="PostgreSQL 15.18",
    system_id="1",
    database="app",
    database_oid=5,
    encoding="UTF8",
    in_recovery=False,
    timeline=1,
    postmaster_start="2026-01-01 00:00:00+00",
    snapshot="1:1:",
    horizon=1,
    next_xid=1,
    insert_lsn=1,
    flush_lsn=1,
    insert_lsn_before=1,
)


def schema_entry(identity: Identity, definition: str = "", **fields: Any) -> SchemaEntry:
    """Of the schema and the last name of `identity`, if `fields` do not say otherwise; owned by nobody and never dropped."""
    values: dict[str, Any] = {
        "section": Section.PRE_DATA,
        "tag": identity.names[-1] if identity.names else "",
        "namespace": identity.names[0] if identity.names else "",
        "owner": "",
        "drop": "",
        "tablespace": "",
        "table_access_method": "",
        **fields,
    }
    return SchemaEntry(identity=identity, definition=definition, **values)


def table_item(name: TableName, *columns: str, rows: int = 0, **fields: Any) -> TableItem:
    """A table of the heap with these columns of text, and so many rows of ten bytes each in its one extent."""
    values: dict[str, Any] = {
        "oid": 1,
        "filenode": 1,
        "kind": "r",
        "access_method": "heap",
        "columns": tuple(Column(name=column, type="text", attnum=at) for at, column in enumerate(columns, 1)),
        "key_columns": (),
        "fingerprint": b"",
        "load_via_root": None,
        "condition": "",
        "extents": ListRef(),
        "inline": Extent(start=0, blocks=0, rows=rows, bytes=rows * 10, chunks=ChunkList()),
        **fields,
    }
    return TableItem(name=name, **values)
