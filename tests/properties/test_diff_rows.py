"""What differs between two snapshots is what a naive comparison of all their rows says, however they are stored."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_source import FakeDatabase
from tests.unit.ops.diff.compared import differ
from vault.ops.diff.shared import unequal_rows

T = "public.t"
Lines = list[bytes]

keys = st.integers(0, 40)
bodies = st.sampled_from([b"", b"\\N", b"a", b"b", b"a\\tb", b"x" * 60_000, b"y" * 1_200_000, b"y" * 1_200_000 + b"z"])


@st.composite
def tables(draw: st.DrawFn, *, unique: bool) -> Lines:
    rows = draw(st.lists(st.tuples(keys, bodies), max_size=25, unique_by=(lambda row: row[0]) if unique else None))
    return [b"%d\t%s\n" % row for row in rows]


@st.composite
def versions(draw: st.DrawFn, *, unique: bool) -> tuple[Lines, Lines]:
    """The second holds much of the first, in another order or not."""
    before, other = draw(tables(unique=unique)), draw(tables(unique=unique))
    kept = [line for line in before if draw(st.booleans())]
    there = {line.split(b"\t")[0] for line in kept} if unique else set()
    after = kept + [line for line in other if line.split(b"\t")[0] not in there]
    return before, draw(st.permutations(after)) if draw(st.booleans()) else after


def extents(draw: st.DataObject, lines: Lines) -> list[bytes]:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    return [b"".join(lines[start:end]) for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


def fields(lines: Counter[bytes]) -> Counter[tuple[bytes, ...]]:
    return Counter({tuple(line[:-1].split(b"\t")): count for line, count in lines.items()})


@settings(max_examples=60, deadline=None)
@given(st.data(), versions(unique=False), st.booleans())
def test_without_a_key_the_difference_is_that_of_two_multisets(
    data: st.DataObject, both: tuple[Lines, Lines], apart: bool
) -> None:
    before, after = map(Counter, both)
    databases = [FakeDatabase(tables={T: extents(data, lines)}, keys={T: ()}) for lines in both]
    with tempfile.TemporaryDirectory() as scratch:
        found = differ(databases[0], databases[1], Path(scratch), apart=apart).get(T, [])
    assert Counter(one.before for one in found if one.before is not None) == fields(before - after)
    assert Counter(one.after for one in found if one.after is not None) == fields(after - before)


@settings(max_examples=60, deadline=None)
@given(st.data(), versions(unique=True), st.booleans())
def test_with_a_key_each_row_is_the_one_of_its_key(data: st.DataObject, both: tuple[Lines, Lines], apart: bool) -> None:
    sides = [{line.split(b"\t")[0]: tuple(line[:-1].split(b"\t")) for line in lines} for lines in both]
    databases = [FakeDatabase(tables={T: extents(data, lines)}) for lines in both]
    with tempfile.TemporaryDirectory() as scratch:
        found = differ(databases[0], databases[1], Path(scratch), apart=apart).get(T, [])
    wanted = {
        (sides[0].get(key), sides[1].get(key))
        for key in sides[0].keys() | sides[1].keys()
        if sides[0].get(key) != sides[1].get(key)
    }
    assert Counter((one.before, one.after) for one in found) == Counter(wanted)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"\n", b"a\n", b"b\n", b"ccc\n"]), max_size=40), st.data())
def test_texts_without_what_differs_are_equal(lines: Lines, data: st.DataObject) -> None:
    other = [line for line in lines if data.draw(st.booleans())]
    other += data.draw(st.lists(st.sampled_from([b"a\n", b"d\n"]), max_size=10))
    texts = b"".join(lines), b"".join(other)
    kept = []
    for text, ranges in zip(texts, unequal_rows(*texts), strict=True):
        left, at = b"", 0
        for start, end in ranges:
            assert text[start - 1 : start] in (b"", b"\n")
            assert text[end - 1 : end] == b"\n"
            left += text[at:start]
            at = end
        kept.append(left + text[at:])
    assert kept[0] == kept[1]
