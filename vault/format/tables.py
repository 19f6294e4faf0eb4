"""Items of a database's lists: tables, extents, sequences, large objects. Spec 60-snapshot.

Invariants: a table with exactly one extent has it inline (TREE-8); an extent has no digests, or one for each generated column of its
table (TREE-14), and values only with digests (TREE-15).
"""

from __future__ import annotations

from typing import Final

from vault.errors import Malformed
from vault.format.chunks import (
    check_content,
    check_ends,
    check_no_rows,
    decode_chunk_list,
    decode_list_ref,
    encode_chunk_list,
    encode_list_ref,
)
from vault.format.codec import INTEGER_MIN, POSITIVE_MAX, Row, Value, proven
from vault.model import ChunkList, Column, Extent, LargeObjectItem, SequenceItem, TableItem, TableName

DIGEST_BYTES: Final = 32
OID_MAX: Final = 2**32 - 1
_ATTNUM_MAX: Final = 2**15 - 1


def name_key(name: TableName) -> bytes:
    """schema || 0x00 || name"""
    return name.schema.encode("utf-8") + b"\0" + name.name.encode("utf-8")


def encode_extent(extent: Extent) -> Value:
    """Raises as `decode_extent`"""
    chunks = encode_chunk_list(extent.chunks)
    values = None if extent.values is None else encode_chunk_list(extent.values)
    fields = (extent.start, extent.blocks, extent.rows, extent.bytes, chunks, extent.digests, values)
    return proven(fields, decode_extent)


def decode_extent(value: Value) -> Extent:
    """Raises  Malformed: also for values without digests (TREE-15); LimitExceeded"""
    row = Row(value, length=7, what="extent")
    extent = Extent(
        start=row.integer(),
        blocks=row.integer(),
        rows=row.integer(),
        bytes=row.integer(),
        chunks=decode_chunk_list(row.value()),
        digests=tuple(_decode_digest(digest) for digest in row.array()),
        values=_decode_values(row.value()),
    )
    check_content(extent.chunks, size=extent.bytes, what="extent")
    if extent.values is not None and not extent.digests:
        raise Malformed("extent: values of generated columns without their digests")
    return extent


def encode_table(table: TableItem) -> Value:
    """Raises as `decode_table`"""
    root = table.load_via_root
    value: Value = (
        table.name.schema,
        table.name.name,
        table.oid,
        table.filenode,
        table.kind,
        table.access_method,
        tuple((column.name, column.type, column.attnum, column.not_null) for column in table.columns),
        table.key_columns,
        table.fingerprint,
        None if root is None else (root.schema, root.name),
        table.condition,
        encode_list_ref(table.extents),
        None if table.inline is None else encode_extent(table.inline),
        tuple((column.name, column.type, column.attnum, column.not_null) for column in table.generated),
    )
    return proven(value, decode_table)


def decode_table(value: Value) -> TableItem:
    """Raises  Malformed: also if the extents are not in their one form (TREE-8); LimitExceeded"""
    row = Row(value, length=14, what="table")
    name = TableName(schema=row.text(), name=row.text())
    oid, filenode, kind, access_method = row.integer(0, OID_MAX), row.integer(0, OID_MAX), row.text(), row.text()
    columns = tuple(_decode_column(column) for column in row.array())
    key_columns, fingerprint, root, condition = row.texts(), row.blob(), row.value(), row.text()
    extents, inline = decode_list_ref(row.value()), row.value()
    table = TableItem(
        name=name,
        oid=oid,
        filenode=filenode,
        kind=kind,
        access_method=access_method,
        columns=columns,
        key_columns=key_columns,
        fingerprint=fingerprint,
        load_via_root=None if root is None else _decode_name(root),
        condition=condition,
        extents=extents,
        inline=None if inline is None else decode_extent(inline),
        generated=tuple(_decode_column(column) for column in row.array()),
    )
    _check_extents(table)
    return table


def encode_sequence(item: SequenceItem) -> Value:
    """Raises as `decode_sequence`"""
    return proven((item.name.schema, item.name.name, item.last_value, item.is_called), decode_sequence)


def decode_sequence(value: Value) -> SequenceItem:
    """Raises  Malformed"""
    row = Row(value, length=4, what="sequence")
    name = TableName(schema=row.text(), name=row.text())
    return SequenceItem(name=name, last_value=row.integer(INTEGER_MIN, POSITIVE_MAX), is_called=row.flag())


def encode_large_object(item: LargeObjectItem) -> Value:
    """Raises as `decode_large_object`"""
    chunks = encode_chunk_list(item.chunks)
    return proven((item.oid, item.owner, item.acl, item.comment, item.size, chunks), decode_large_object)


def decode_large_object(value: Value) -> LargeObjectItem:
    """Raises  Malformed, LimitExceeded"""
    row = Row(value, length=6, what="large object")
    item = LargeObjectItem(
        oid=row.integer(0, OID_MAX),
        owner=row.text(),
        acl=row.optional_texts(),
        comment=row.optional_text(),
        size=row.integer(),
        chunks=decode_chunk_list(row.value()),
    )
    _check_large_object(item)
    return item


def _decode_column(value: Value) -> Column:
    row = Row(value, length=4, what="column")
    return Column(name=row.text(), type=row.text(), attnum=row.integer(1, _ATTNUM_MAX), not_null=row.flag())


def _decode_digest(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise Malformed(f"extent: a digest that is not {DIGEST_BYTES} bytes")
    return value


def _decode_values(value: Value) -> ChunkList | None:
    if value is None:
        return None
    values = decode_chunk_list(value)
    check_ends(values, what="extent: values")
    return values


def check_digests(table: TableItem, extent: Extent) -> None:
    """Raises  Malformed: an extent of `table` with digests of other columns (TREE-14)"""
    if extent.digests and len(extent.digests) != len(table.generated):
        raise Malformed(f"extent: {len(extent.digests)} digests of {len(table.generated)} generated columns")


def _decode_name(value: Value) -> TableName:
    row = Row(value, length=2, what="table: root")
    return TableName(schema=row.text(), name=row.text())


def _check_large_object(item: LargeObjectItem) -> None:
    check_content(item.chunks, size=item.size, what="large object")
    check_no_rows(item.chunks, what="large object")


def _check_extents(table: TableItem) -> None:
    items = table.extents.sums.items
    if items == 1 or (table.inline is not None and items != 0):
        raise Malformed("table: one extent that is not inline, or extents both inline and in a list")
    if table.inline is not None:
        check_digests(table, table.inline)
