"""`complete_database_with_data.sql`: definitions, rows, sequences and large objects as one script for psql. Streams.

In the steps of pg_restore: definitions, rows, what comes after rows, privileges, event triggers and refreshes. No SQL text is
edited. The file is UTF-8 whatever the source's encoding, but for rows of SQL_ASCII, which stand as they are; large objects are hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from vault.errors import Malformed
from vault.model import LargeObjectItem, SchemaEntry, Section, TableItem
from vault.ops.view.archive.custom_format import copy_statement
from vault.ops.view.executed.entries import Executed
from vault.ops.view.executed.extension_tables import KEYS_OFF, KEYS_ON, REMEMBER_EXTENSIONS, clear_member, member_tables
from vault.ops.view.executed.failure_count import COUNT_UNDONE, FAIL_IF_UNDONE
from vault.ops.view.executed.key_checks import check_keys
from vault.ops.view.executed.operator_paths import Implied, implied
from vault.ops.view.scripts.parts import EntryScript, foot, head, version_of
from vault.ops.view.scripts.roles import database_settings
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot
from vault.sql import statements
from vault.sql.emptiness import REFUSE_UNFIT
from vault.sql.encoding import codec_of
from vault.sql.names import one_line
from vault.sql.privileges import CLOSED_PUBLIC_VERSION, public_was_open

_PRIVILEGES: Final = frozenset({"ACL", "DEFAULT ACL"})
_LAST: Final = frozenset({"EVENT TRIGGER", "MATERIALIZED VIEW DATA"})
_SLICE_BYTES: Final = 64 * 1024


def complete_sql(snapshot: Snapshot) -> Iterator[bytes]:
    """The script. Raises  NotThere: no database; UsageError: a row is not valid in the source's encoding"""
    found = implied(snapshot)
    yield head(
        snapshot,
        "The whole database: definitions, rows, sequences, large objects, privileges, settings.",
        "Into a new database (createdb -T template0), by a superuser: psql -X -d DATABASE -f complete_database_with_data.sql",
        "Anything else is refused by the first statement, before anything is changed. Roles belong to the cluster and must exist: roles.sql.",
        *found.said(),
    )
    yield from _whole(snapshot, found, chain(_rows(snapshot), _sequences(snapshot), _large_objects(snapshot)))
    yield b"\n-- A refresh sees what the view's owner sees.\nSET row_security = on;\n"
    script = EntryScript(snapshot, found)
    for entry in _step(snapshot, "last"):
        yield script.lines(entry)
    yield from (*database_settings(snapshot), FAIL_IF_UNDONE.encode())
    yield foot(snapshot)


def schema_sql(snapshot: Snapshot) -> Iterator[bytes]:
    """The same without rows, and without what is computed from them. Raises  NotThere: no database"""
    found = implied(snapshot)
    yield head(
        snapshot,
        "Every definition of the database in the order in which it can be executed, and its settings; no rows.",
        "Into a new database (createdb -T template0), by a superuser: psql -X -d DATABASE -f schema.sql",
        "Anything else is refused by the first statement, before anything is changed. Roles belong to the cluster and must exist: roles.sql.",
        *found.said(),
    )
    yield from _whole(snapshot, found, ())
    script = EntryScript(snapshot, found)
    for entry in _step(snapshot, "last"):
        if entry.identity.desc != "MATERIALIZED VIEW DATA":
            yield script.lines(entry)
    yield from (*database_settings(snapshot), FAIL_IF_UNDONE.encode())
    yield foot(snapshot)


def _whole(snapshot: Snapshot, found: Implied, rows: Iterable[bytes]) -> Iterator[bytes]:
    """Everything but what would fire or recompute."""
    yield f"\n{REFUSE_UNFIT}{REMEMBER_EXTENSIONS}{COUNT_UNDONE}".encode()
    script = EntryScript(snapshot, found)
    identities = (item.identity for item in snapshot.order())
    if version_of(snapshot) < CLOSED_PUBLIC_VERSION and public_was_open(identities, snapshot.catalog()):
        yield b"\nGRANT CREATE ON SCHEMA public TO PUBLIC;\n"
    for entry in _step(snapshot, "before"):
        yield script.lines(entry)
    yield from rows
    for step in ("after", "privileges"):
        for entry in _step(snapshot, step):
            yield script.lines(entry)


def _step(snapshot: Snapshot, wanted: str) -> Iterator[SchemaEntry]:
    """pg_restore's passes; the main one is parted where the rows come."""
    rows_come = False
    for entry in Executed(snapshot).entries():
        rows_come = rows_come or entry.section is Section.POST_DATA
        desc = entry.identity.desc
        if desc in _PRIVILEGES:
            step = "privileges"
        elif desc in _LAST or (desc == "COMMENT" and entry.tag.startswith("EVENT TRIGGER ")):
            step = "last"
        else:
            step = "after" if rows_come else "before"
        if step == wanted:
            yield entry


def _rows(snapshot: Snapshot) -> Iterator[bytes]:
    database = snapshot.manifest.database
    codec = codec_of(database.server.encoding if database else "UTF8")
    members = tuple(member_tables(snapshot.order(), snapshot.tables()))
    if members:
        yield f"\n{KEYS_OFF}".encode()
        yield from (clear_member(item).encode() for item in members)
        for item in members:
            yield from _copied(snapshot, item, codec)
        yield f"{KEYS_ON}{check_keys(snapshot, [item.name for item in members])}".encode()
    known = {item.name for item in members}
    for item in snapshot.tables():
        if item.name not in known:
            yield from _copied(snapshot, item, codec)


def _copied(snapshot: Snapshot, item: TableItem, codec: str) -> Iterator[bytes]:
    yield _data_title(item)
    yield copy_statement(item).encode()
    yield from copytext.to_utf8(copytext.whole_rows(snapshot.rows(item)), codec)
    yield b"\\.\n\n"


def _data_title(item: TableItem) -> bytes:
    rows = item.sums.rows
    name = one_line(str(item.name))
    return f"\n--\n-- Rows of {name}: {rows}\n--\n\n".encode()


def _sequences(snapshot: Snapshot) -> Iterator[bytes]:
    yield b"\n--\n-- Values of sequences\n--\n\n"
    for item in snapshot.sequences():
        yield f"{statements.set_sequence(item)}\n".encode()


def _large_objects(snapshot: Snapshot) -> Iterator[bytes]:
    yield b"\n--\n-- Large objects\n--\n\n"
    for item in snapshot.large_objects():
        yield f"BEGIN;\nSELECT pg_catalog.lo_create('{item.oid}');\n".encode()
        yield from _content(snapshot, item)
        lines = [statements.set_large_object_owner(item), *statements.large_object_access(item), "COMMIT;"]
        yield "".join(f"{line}\n" for line in lines).encode()


def _content(snapshot: Snapshot, item: LargeObjectItem) -> Iterator[bytes]:
    offset = 0
    for block in snapshot.large_object_blocks(item):
        for at in range(0, len(block), _SLICE_BYTES):
            piece = block[at : at + _SLICE_BYTES]
            yield f"SELECT pg_catalog.lo_put('{item.oid}', {offset}, '\\x{piece.hex()}');\n".encode()
            offset += len(piece)
    if offset != item.size:
        raise Malformed("a large object has another size than recorded", why=f"{offset} instead of {item.size}")
