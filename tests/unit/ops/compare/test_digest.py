"""The digest of a table's rows does not depend on where the stream is cut, and long rows are never joined."""

from __future__ import annotations

import hashlib

import pytest

from tests.fake_source import FakeCapture, FakeDatabase
from vault.ops.compare.databases import digest_rows

ROWS = {
    "none": [],
    "empty ones": [b"", b"", b""],
    "short": [b"1\ta", b"2\tb", b"2\tb"],
    "longer than a piece": [b"1\t" + b"x" * 3_000_000, b"2\ty", b"3\t" + b"z" * 200_000],
}


@pytest.mark.parametrize("case", ROWS)
def test_digest_is_the_sum_of_the_rows_digests_however_the_stream_is_cut(case: str) -> None:
    capture = FakeCapture(FakeDatabase(tables={"public.t": [b"".join(row + b"\n" for row in ROWS[case])]}))
    total = sum(int.from_bytes(hashlib.sha256(row).digest()) for row in ROWS[case]) % (1 << 256)
    assert digest_rows(capture.reader(), capture.tables[0]) == (len(ROWS[case]), total)
