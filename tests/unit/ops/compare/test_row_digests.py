"""The digest of a table's rows does not depend on order or on where the stream is cut, and long rows are never joined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blake3 import blake3

from tests.fake_source import FakeCapture, FakeDatabase
from vault.model import TableName
from vault.ops.compare.row_digests import RowsDigest, differing, of_live, of_text, sums

KEY = bytes(range(32))
ROWS = {
    "none": [],
    "empty ones": [b"", b"", b""],
    "short": [b"1\ta", b"2\tb", b"2\tb"],
    "longer than a piece": [b"1\t" + b"x" * 3_000_000, b"2\ty", b"3\t" + b"z" * 200_000],
}


def text_of(rows: list[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in rows)


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


def of_rows(rows: list[bytes], key: bytes = KEY) -> RowsDigest:
    total = sum(int.from_bytes(blake3(row, key=key).digest(), "big") for row in rows) % (1 << 256)
    return RowsDigest(rows=len(rows), total=total)


@pytest.mark.parametrize("case", ROWS)
def test_digest_is_the_sum_of_the_rows_digests_however_the_stream_is_cut(case: str) -> None:
    capture = FakeCapture(FakeDatabase(tables={"public.t": [text_of(ROWS[case])]}))
    assert of_live(capture.reader(), capture.tables[0], key=KEY) == of_rows(ROWS[case])
    for size in (1 << 20, 70_001, 3) if case != "longer than a piece" else (1 << 20, 70_001):
        assert of_text(cut(text_of(ROWS[case]), size), key=KEY) == of_rows(ROWS[case])


def test_digest_is_of_a_multiset_of_rows_under_its_key() -> None:
    rows = [b"1\ta", b"2\tb", b"2\tb"]
    assert of_text([text_of(rows)], key=KEY) == of_text([text_of(rows[::-1])], key=KEY)
    for other in ([b"1\ta", b"2\tb"], [b"1\ta", b"1\ta", b"2\tb"], [b"1\tb", b"2\ta", b"2\tb"]):
        assert of_text([text_of(other)], key=KEY) != of_text([text_of(rows)], key=KEY)
    assert of_text([text_of(rows)], key=KEY) != of_text([text_of(rows)], key=KEY[::-1])


def test_parts_of_a_group_are_compared_together_and_told_without_a_value() -> None:
    root, other = TableName(schema="public", name="root"), TableName(schema="public", name="other")
    here = sums([(root, of_rows([b"a"])), (root, of_rows([b"b", b"c"])), (other, of_rows([b"x"]))])
    assert here[root] == of_rows([b"c", b"b", b"a"])
    assert list(differing(here, sums([(root, of_rows([b"a", b"b", b"c"])), (other, of_rows([b"x"]))]))) == []
    assert list(differing(here, sums([(root, of_rows([b"a", b"b", b"d"]))]))) == [
        (root, "3 rows, some with other values"),
        (other, "0 rows instead of 1"),
    ]
