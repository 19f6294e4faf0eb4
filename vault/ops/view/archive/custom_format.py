"""`complete_database_with_data.dump`: a snapshot as pg_dump's custom archive, version 1.14, which pg_restore 12 and later reads.

Streams: the table of contents is at hand, rows and large objects pass through. Every size is known beforehand, so offsets
are written and `pg_restore -j` works. Text is in the encoding of the source, as the rows are. Nothing is compressed.
Invariant: exactly one TABLE DATA entry per table; with two, a parallel pg_restore silently loses rows.
Layout: pg_backup_archiver.c, pg_backup_custom.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from vault.errors import Malformed, NotThere, UsageError
from vault.model import DatabasePart, LargeObjectItem, Section, SequenceItem, TableItem, TableName
from vault.ops.view.archive.entry_order import ancestors, schema_acls
from vault.ops.view.executed.entries import Executed
from vault.ops.view.executed.extension_tables import KEYS_OFF, KEYS_ON, REMEMBER_EXTENSIONS, clear_member, member_tables
from vault.ops.view.executed.key_checks import check_keys
from vault.repo.lineage import calendar
from vault.repo.snapshot import Snapshot
from vault.sql import archive, statements
from vault.sql.encoding import codec_of
from vault.sql.names import one_line, qualified, quote

VERSION: Final = (1, 14)
CHUNK_BYTES: Final = 256 * 1024
"""Of a data block; pg_restore holds one."""
_END_OF_ROWS: Final = b"\\.\n\n\n"
_BLOCK_OF_ROWS: Final = 1
_BLOCK_OF_LARGE_OBJECTS: Final = 3
_LARGE_OBJECTS: Final = b"2613"
"""Oid of pg_largeobject, as pg_dump has it; `pg_restore --clean --if-exists` removes what the entry's oid names, whatever its drop says."""
_INT_BYTES: Final = 1 + archive.INT_BYTES
_OF_THE_ARCHIVE: Final = frozenset({b"ENCODING", b"STDSTRINGS", b"SEARCHPATH"})
_WITH_STORAGE: Final = frozenset({"TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"})
"""Their tablespace is never absent: empty means the default one, and not the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """An entry of the table of contents; `data` is None for what has no data block."""

    entry: archive.Entry
    data: _Rows | _LargeObjects | None = None


def archive_blocks(snapshot: Snapshot) -> Iterator[bytes]:
    """The archive.

    Raises  NotThere: no database; Malformed: rows are not as long as recorded; UsageError: a name does not exist in the source's encoding
    """
    contents = _Contents(snapshot)
    yield contents.head()
    for part in contents.parts:
        if part.data is not None:
            yield from part.data.blocks(part.entry.dump_id)


def archive_bytes(snapshot: Snapshot) -> int:
    """Length of the archive, without rendering its data."""
    contents = _Contents(snapshot)
    return len(contents.head()) + sum(part.data.size for part in contents.parts if part.data is not None)


# --- data blocks ---------------------------------------------------------------------------------


class _Rows:
    """Data block of one table."""

    def __init__(self, snapshot: Snapshot, item: TableItem) -> None:
        self._snapshot = snapshot
        self._item = item
        self._text_bytes = item.sums.bytes + len(_END_OF_ROWS)
        self.size = 1 + _INT_BYTES + _chunks_bytes(self._text_bytes)

    def blocks(self, dump_id: int) -> Iterator[bytes]:
        yield bytes([_BLOCK_OF_ROWS]) + archive.encode_int(dump_id)
        yield from _chunks(self._text(), self._text_bytes)

    def _text(self) -> Iterator[bytes]:
        yield from self._snapshot.rows(self._item)
        yield _END_OF_ROWS


class _LargeObjects:
    """Data block of all large objects."""

    def __init__(self, snapshot: Snapshot, items: Iterable[LargeObjectItem]) -> None:
        self._snapshot = snapshot
        self._items = tuple(items)
        self.size = 1 + 2 * _INT_BYTES + sum(_INT_BYTES + _chunks_bytes(item.size) for item in self._items)

    def blocks(self, dump_id: int) -> Iterator[bytes]:
        yield bytes([_BLOCK_OF_LARGE_OBJECTS]) + archive.encode_int(dump_id)
        for item in self._items:
            yield archive.encode_int(_signed(item.oid))
            yield from _chunks(self._snapshot.large_object_blocks(item), item.size)
        yield archive.encode_int(0)


def _chunks(blocks: Iterable[bytes], total: int) -> Iterator[bytes]:
    """`blocks`, together of `total` bytes, as chunks with their lengths, and the end."""
    left, in_chunk = total, 0
    for block in blocks:
        at = 0
        while at < len(block):
            if in_chunk == 0:
                in_chunk = min(CHUNK_BYTES, left)
                yield archive.encode_int(in_chunk)
            piece = block[at : at + in_chunk]
            if not piece or len(piece) > left:
                raise Malformed("rows are longer than recorded", why=f"{total} bytes were expected")
            yield piece
            at += len(piece)
            in_chunk -= len(piece)
            left -= len(piece)
    if left:
        raise Malformed("rows are shorter than recorded", why=f"{left} of {total} bytes are missing")
    yield archive.encode_int(0)


def _chunks_bytes(total: int) -> int:
    return total + _INT_BYTES * (-(-total // CHUNK_BYTES) + 1)


def _signed(oid: int) -> int:
    """As C's int, which is what the archive holds."""
    return oid - (1 << 32) if oid >= 1 << 31 else oid


# --- table of contents ---------------------------------------------------------------------------


class _Contents:
    """`parts` in the archive's order: definitions before rows, large objects, rows, sequences, definitions after rows.

    Dump ids: those of definitions are their places in the recorded order from 1 on, all others follow.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        if snapshot.manifest.database is None:
            raise NotThere("the snapshot holds no database")
        self._snapshot = snapshot
        self._database: DatabasePart = snapshot.manifest.database
        self._codec = codec_of(self._database.server.encoding)
        self._order = snapshot.order()
        self._entries = tuple(snapshot.entries(self._order))
        self._last_id = len(self._order)
        self._loaded_by: dict[int, list[int]] = {}
        """Dump id of a table -> dump ids of rows that are not its own and that its constraints and triggers concern."""
        self._above = ancestors(self._order)
        self._schema_acls = schema_acls(self._order)
        self._executed = Executed(snapshot)
        self._all_rows: list[int] = []
        self._member_rows: list[int] = []
        """Dump ids of the rows of extensions' tables, for what comes after them."""
        data = [*self._large_object_parts(), *self._data_parts()]
        definitions = [self._definition(at) for at in range(len(self._order))]
        after = next((at for at, item in enumerate(self._order) if item.section is Section.POST_DATA), len(self._order))
        before = sorted(definitions[:after], key=lambda part: part.entry.desc not in _OF_THE_ARCHIVE)
        members = tuple(member_tables(self._order, snapshot.tables()))
        checked: list[_Part] = []
        if members:
            first = sum(part.entry.desc in _OF_THE_ARCHIVE for part in before)
            before.insert(first, self._statement("EXTENSIONS", REMEMBER_EXTENSIONS))
            before += map(self._clear, members)
            keys = f"{KEYS_ON}{check_keys(snapshot, [item.name for item in members])}"
            checked = [self._statement("KEYS", keys, section=Section.POST_DATA, needs=self._member_rows)]
        self.parts: tuple[_Part, ...] = (*before, *data, *checked, *definitions[after:])

    def head(self) -> bytes:
        """Header and table of contents, with the places of the data blocks, which follow it."""
        place = len(self._encoded(part.entry for part in self.parts))
        entries = []
        for part in self.parts:
            if part.data is None:
                entries.append(part.entry)
            else:
                entries.append(replace(part.entry, offset_flag=archive.OFFSET_SET, offset=place))
                place += part.data.size
        return self._encoded(entries)

    def _encoded(self, entries: Iterable[archive.Entry]) -> bytes:
        manifest, server = self._snapshot.manifest, self._database.server
        at = calendar(manifest.created_ms)
        header = archive.Header(
            version=VERSION,
            revision=0,
            format=archive.CUSTOM,
            compression=0,
            created=(at.second, at.minute, at.hour, at.day, at.month - 1, at.year - 1900, 0),
            database=self._bytes(server.database),
            server_version=self._bytes(server.version),
            dump_version=self._bytes(manifest.program),
        )
        return archive.encode(archive.Archive(header=header, entries=tuple(entries)))

    def _definition(self, at: int) -> _Part:
        item, entry = self._order[at], self._entries[at]
        needs = [need + 1 for need in item.needs]
        if item.section is Section.POST_DATA:
            needs += [rows for need in needs for rows in self._loaded_by.get(need, ())]
        if at in self._executed.on_members:
            needs += self._member_rows
        if entry.identity.kind == "domain constraint" and item.section is Section.POST_DATA:
            needs += self._all_rows  # pg_dump lets nothing wait for rows of a domain, which may violate it: NOT VALID
        if entry.identity.desc == "ACL" and entry.identity.kind != "schema":
            needs += self._schema_acls.get(entry.namespace, ())
        archived = self._entry(at + 1, entry.identity.desc, entry.tag, section=item.section, needs=needs)
        keeps_empty = entry.identity.desc in _WITH_STORAGE
        return _Part(
            entry=replace(
                archived,
                definition=self._bytes(self._executed.definition(at, entry)) or None,
                drop=self._bytes(entry.drop) or None,
                namespace=self._bytes(entry.namespace) or None,
                tablespace=self._bytes(entry.tablespace) if entry.tablespace or keeps_empty else None,
                access_method=self._bytes(entry.table_access_method) or None,
                owner=self._bytes(entry.owner) or None,
            )
        )

    def _clear(self, item: TableItem) -> _Part:
        return self._statement(
            f"{item.name.schema} {item.name.name}", f"{KEYS_OFF}{clear_member(item)}", needs=self._extensions()
        )

    def _extensions(self) -> Iterator[int]:
        return (at + 1 for at, item in enumerate(self._order) if item.identity.desc == "EXTENSION")

    def _statement(
        self, tag: str, definition: str, *, section: Section = Section.PRE_DATA, needs: Iterable[int] = ()
    ) -> _Part:
        """An entry of our own."""
        archived = self._entry(self._next_id(), "EXTENSION ROWS", tag, section=section, needs=needs)
        return _Part(entry=replace(archived, definition=self._bytes(definition)))

    def _data_parts(self) -> Iterator[_Part]:
        tables = self._places("TABLE")
        for item in self._snapshot.tables():
            yield self._rows(item, tables)
        sequences = self._places("SEQUENCE")
        for sequence in self._snapshot.sequences():
            yield self._sequence(sequence, sequences)
        if self._database.large_objects.sums.items:
            archived = self._entry(self._next_id(), "BLOBS", "BLOBS", section=Section.DATA)
            data = _LargeObjects(self._snapshot, self._snapshot.large_objects())
            yield _Part(entry=replace(archived, had_dumper=True), data=data)

    def _rows(self, item: TableItem, tables: Mapping[TableName, int]) -> _Part:
        """A table without an entry is a member of an extension and is there when its extension is."""
        at = tables.get(item.name)
        dump_id = self._next_id()
        self._all_rows.append(dump_id)
        if at is None:
            self._member_rows.append(dump_id)
        archived = self._entry(
            dump_id, "TABLE DATA", item.name.name, section=Section.DATA, needs=[] if at is None else [at + 1]
        )
        for above in self._above.get(at, ()) if at is not None else ():
            self._loaded_by.setdefault(above + 1, []).append(dump_id)
        definition = None
        if item.load_via_root is not None:
            root = item.load_via_root
            definition = self._bytes(f"-- load via partition root {one_line(qualified(root))}")
        return _Part(
            entry=replace(
                archived,
                had_dumper=True,
                oid=str(item.oid).encode(),
                definition=definition,
                copy=self._bytes(f"{KEYS_OFF if at is None else ''}{copy_statement(item)}"),
                namespace=self._bytes(item.name.schema),
                owner=None if at is None else self._bytes(self._entries[at].owner),
            ),
            data=_Rows(self._snapshot, item),
        )

    def _sequence(self, item: SequenceItem, sequences: Mapping[TableName, int]) -> _Part:
        at = sequences.get(item.name)
        needs = [] if at is None else [at + 1]
        archived = self._entry(self._next_id(), "SEQUENCE SET", item.name.name, section=Section.DATA, needs=needs)
        return _Part(
            entry=replace(
                archived,
                definition=self._bytes(f"{statements.set_sequence(item)}\n"),
                namespace=self._bytes(item.name.schema),
                owner=None if at is None else self._bytes(self._entries[at].owner),
            )
        )

    def _large_object_parts(self) -> Iterator[_Part]:
        for item in self._snapshot.large_objects():
            dump_id = self._next_id()
            archived = self._entry(dump_id, "BLOB", str(item.oid), section=Section.PRE_DATA)
            yield _Part(
                entry=replace(
                    archived,
                    table_oid=_LARGE_OBJECTS,
                    oid=str(item.oid).encode(),
                    definition=f"SELECT pg_catalog.lo_create('{item.oid}');\n".encode(),
                    drop=f"SELECT pg_catalog.lo_unlink('{item.oid}');\n".encode(),
                    owner=self._bytes(item.owner),
                )
            )
            about = partial(self._about, item=item, large_object=dump_id)
            if item.acl is not None:
                yield about("ACL", statements.large_object_access(replace(item, comment=None)))
            if item.comment is not None:
                yield about("COMMENT", statements.large_object_access(replace(item, acl=None)))

    def _about(self, desc: str, lines: Iterable[str], *, item: LargeObjectItem, large_object: int) -> _Part:
        tag = f"LARGE OBJECT {item.oid}"
        archived = self._entry(self._next_id(), desc, tag, section=Section.NONE, needs=[large_object])
        definition = self._bytes("".join(f"{line}\n" for line in lines))
        return _Part(entry=replace(archived, definition=definition, owner=self._bytes(item.owner)))

    def _entry(
        self, dump_id: int, desc: str, tag: str, *, section: Section, needs: Iterable[int] = ()
    ) -> archive.Entry:
        return archive.Entry(
            dump_id=dump_id,
            had_dumper=False,
            table_oid=b"0",
            oid=b"0",
            tag=self._bytes(tag),
            desc=desc.encode(),
            section=section,
            definition=None,
            drop=None,
            copy=None,
            namespace=None,
            tablespace=None,
            access_method=None,
            relation_kind=0,
            owner=None,
            needs=tuple(str(need).encode() for need in needs),
        )

    def _places(self, desc: str) -> dict[TableName, int]:
        return {
            TableName(schema=item.identity.names[0], name=item.identity.names[1]): at
            for at, item in enumerate(self._order)
            if item.identity.desc == desc and len(item.identity.names) == 2
        }

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _bytes(self, text: str) -> bytes:
        try:
            return text.encode(self._codec)
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{one_line(text[:80])} has no form in the encoding of the source",
                hint="take complete_database_with_data.sql, which is UTF-8",
            ) from error


def copy_statement(item: TableItem) -> str:
    """COPY of the captured columns into the table, or into the partition root where leaves depend on oids."""
    columns = ", ".join(quote(column.name) for column in item.columns)
    listed = f" ({columns})" if columns else ""
    return f"COPY {qualified(item.load_via_root or item.name)}{listed} FROM stdin;\n"
