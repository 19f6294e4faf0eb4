"""Digests of generated columns: sums over a multiset, whatever its parts and order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Malformed
from vault.pipeline.generated import ColumnDigests, DigestSums, added

KEY = bytes(range(32))
ROWS = st.lists(st.tuples(st.sampled_from(["", "a", "\\N", "42"]), st.sampled_from(["x", "\\t"])), max_size=20)


def text(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{first}\t{second}\n" for first, second in rows).encode()


def read(rows: list[tuple[str, str]]) -> ColumnDigests:
    return ColumnDigests.read([text(rows)] if rows else [], 2, id_key=KEY)


@pytest.mark.spec("SNAP-20")
@given(ROWS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_parts_add_up_in_any_order(rows: list[tuple[str, str]], at: int, random: object) -> None:
    shuffled = sorted(rows)
    parts = (read(shuffled[:at]), read(shuffled[at:]))
    assert added((one.digests for one in parts), 2) == read(rows).digests
    assert sum(one.rows for one in parts) == len(rows)


@given(ROWS, st.integers(1, 5))
def test_where_blocks_are_cut_does_not_matter(rows: list[tuple[str, str]], size: int) -> None:
    whole = text(rows)
    blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert ColumnDigests.read(blocks, 2, id_key=KEY) == read(rows)


def test_every_value_counts_by_column_and_occurrence() -> None:
    one = read([("a", "x")])
    assert one.digests[0] != read([("b", "x")]).digests[0]
    assert one.digests[1] == read([("b", "x")]).digests[1]
    assert one.digests != read([("a", "x"), ("a", "x")]).digests
    assert read([("\\N", "x")]).digests != read([("", "x")]).digests
    assert ColumnDigests.read([text([("a", "x")])], 2, id_key=bytes(32)).digests != one.digests


def test_no_row_has_the_digest_of_nothing() -> None:
    assert read([]).digests == (bytes(32), bytes(32)) == added([], 2)


def test_rows_of_other_columns_are_malformed() -> None:
    with pytest.raises(Malformed):
        ColumnDigests.read([b"a\tb\tc\n"], 2, id_key=KEY)


def test_what_passes_is_handed_on_as_it_was() -> None:
    whole = text([("a", "x"), ("\\N", "42")])
    sums = DigestSums(2, id_key=KEY)
    assert b"".join(sums.passing([whole[:3], whole[3:]])) == whole
    assert sums.digests() == read([("a", "x"), ("\\N", "42")])
