"""Compare two live databases: definitions, privileges, roles, sequences, large objects, and rows as multisets.

Never shows a value of a row. Each side is read through a capture, so both are consistent views with the same fixed settings.
Rows are compared by `row_digests`, the rest by `facts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from vault.model import TableName
from vault.ops.compare import facts, row_digests
from vault.ops.compare.facts import ComparedLargeObject, Difference
from vault.ops.compare.row_digests import RowsDigest
from vault.ports import Capture


def compare(source: Capture, target: Capture, *, key: bytes) -> list[Difference]:
    """What differs in `target`; empty = equal. `key`: 32 random bytes. Raises  SourceError: a side could not be read"""
    return [
        *facts.entries(source.schema().entries, target.schema().entries),
        *facts.catalog(
            source.catalog(), target.catalog(), versions=(source.server.version_num, target.server.version_num)
        ),
        *facts.roles(source.roles(), target.roles()),
        *facts.sequences(source.sequences(), target.sequences()),
        *facts.large_objects(large_objects(source), large_objects(target)),
        *_rows(source, target, key),
    ]


def large_objects(side: Capture) -> Iterator[ComparedLargeObject]:
    for large in side.large_objects():
        yield ComparedLargeObject(item=large.item, blocks=large.blocks(), version_num=side.server.version_num)


def _rows(source: Capture, target: Capture, key: bytes) -> Iterator[Difference]:
    sides = [{table.name: table for table in side.tables} for side in (source, target)]
    yield from facts.pairs("table", sides[0], sides[1], about=lambda name: facts.of_relation("table", name))
    digests: tuple[list[tuple[TableName, RowsDigest]], ...] = ([], [])
    with closing(source.reader()) as source_rows, closing(target.reader()) as target_rows:
        for name in sorted(sides[0].keys() & sides[1].keys()):
            first, second = sides[0][name], row_digests.in_columns_of(sides[0][name], sides[1][name])
            if second is None:
                yield facts.other_columns(name)
                continue
            group = row_digests.group_of(first)
            for parts, reader, table in zip(digests, (source_rows, target_rows), (first, second), strict=True):
                parts.append((group, row_digests.of_live(reader, table, key=key)))
    for group, what in row_digests.differing(*map(row_digests.sums, digests)):
        yield facts.other_rows(group, what)
