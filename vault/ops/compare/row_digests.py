"""Rows as a multiset in 40 bytes: how many, and the sum modulo 2^256 of the keyed BLAKE3 of each row's COPY text.

The one definition of "exactly these rows", for a snapshot, the database that is read, and the one that was restored: independent
of physical order and of where a stream is cut, streamed, with nothing of the rows in it. The key is drawn for one comparison, so that
nobody can have prepared rows whose sums are equal. COPY text has to be of the same columns in the same order and encoding on both
sides, never a server's `::text`, which prints other things. A group is what is compared together (`group_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from vault.crypto import keyed
from vault.model import TableItem, TableName
from vault.ports import ExtentJob, RowReader, SourceTable
from vault.repo.snapshot import Snapshot

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsDigest:
    """Of a multiset of rows; those of its parts add up to it. `total`: below 2^256."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: RowsDigest) -> RowsDigest:
        return RowsDigest(rows=self.rows + other.rows, total=(self.total + other.total) % keyed.DIGEST_MODULUS)


def of_text(blocks: Iterable[bytes], *, key: bytes) -> RowsDigest:
    """Of COPY text that is cut anywhere. Each row, without its line end, is hashed as it comes: a long one is never joined."""
    rows = total = 0
    fresh = keyed.row_hash(key)
    begun = fresh.copy()
    for block in blocks:
        first, *lines = block.split(b"\n")
        begun.update(first)
        for line in lines:
            total += int.from_bytes(begun.digest(), "big")
            begun = fresh.copy()
            begun.update(line)
        rows += len(lines)
    return RowsDigest(rows=rows, total=total % keyed.DIGEST_MODULUS)


def of_live(reader: RowReader, table: SourceTable, *, key: bytes) -> RowsDigest:
    """Of the rows of a database, in the columns that `table` names. Raises  SourceError, Incoherent, Unreachable"""
    whole = reader.read(iter([ExtentJob(table=table, start=0, blocks=0)]))
    return of_text((block for extent in whole for block in extent.blocks()), key=key)


def of_snapshot(snapshot: Snapshot, item: TableItem, *, key: bytes) -> RowsDigest:
    """Of the rows that a snapshot holds. Raises  IntegrityError"""
    return of_text(snapshot.rows(item), key=key)


def group_of(table: SourceTable | TableItem) -> TableName:
    """What the table's rows are compared as part of: leaves that are loaded through their root may get them otherwise (oids)."""
    return table.load_via_root or table.name


def in_columns_of(wanted: TableItem | SourceTable, table: SourceTable) -> SourceTable | None:
    """`table` with its columns as `wanted` has them (pg_dump reorders those of inheritance children); None: it has others."""
    columns = {column.name: column for column in table.columns}
    if {column.name: column.type for column in wanted.columns} != {
        name: column.type for name, column in columns.items()
    }:
        return None
    return replace(table, columns=tuple(columns[column.name] for column in wanted.columns))


def sums(parts: Iterable[tuple[TableName, RowsDigest]]) -> dict[TableName, RowsDigest]:
    """Digests by group."""
    digests: dict[TableName, RowsDigest] = {}
    for group, digest in parts:
        digests[group] = digests.get(group, RowsDigest()) + digest
    return digests


def differing(
    wanted: dict[TableName, RowsDigest], there: dict[TableName, RowsDigest]
) -> Iterator[tuple[TableName, str]]:
    """Groups whose rows are others, in words that hold no value."""
    for group, digest in wanted.items():
        other = there.get(group, RowsDigest())
        if digest.rows != other.rows:
            yield group, f"{other.rows} rows instead of {digest.rows}"
        elif digest != other:
            yield group, f"{digest.rows} rows, some with other values"
