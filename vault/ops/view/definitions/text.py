"""What stands in one file of the `schema/` folder: every entry of one object as pg_dump printed it. No SQL text is edited. Streams.

To be read and compared: nothing in it depends on the snapshot or on other objects, so equal definitions are equal files. It is not what is
executed (`schema.sql` is, in the order in which that can be done, fenced against psql's commands).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.model import OrderItem, SchemaEntry
from vault.ops.view.scripts.parts import owner, text, title
from vault.repo.snapshot import Snapshot
from vault.sql.names import quote

_USUAL_METHOD: Final = "heap"


def definition_sql(snapshot: Snapshot, items: Sequence[OrderItem]) -> Iterator[bytes]:
    """The entries in their order; the bytes of one object's file."""
    for entry in snapshot.entries(items):
        yield entry_sql(entry)


def entry_sql(entry: SchemaEntry) -> bytes:
    """One entry with what it is called, where it is stored if that is unusual, and whose it is."""
    where = ""
    if entry.tablespace:
        where += f"SET default_tablespace = {quote(entry.tablespace)};\n"
    if entry.table_access_method not in ("", _USUAL_METHOD):
        where += f"SET default_table_access_method = {quote(entry.table_access_method)};\n"
    return title(entry).removeprefix(b"\n") + where.encode() + text(entry.definition) + owner(entry) + b"\n"
