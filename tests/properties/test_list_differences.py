"""Differences of two stored lists are those of their items, and what both share is not read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_lists import Objects, build_sequences, sequence
from vault.format.lists import SEQUENCES
from vault.model import ListRef, SequenceItem
from vault.pipeline.list_differences import between, differences

Numbers = dict[int, int]


def ref_of(objects: Objects, numbers: Numbers) -> ListRef:
    return build_sequences(objects, [sequence(number, value) for number, value in sorted(numbers.items())])


def compared(
    before: ListRef, after: ListRef, objects: Objects
) -> list[tuple[SequenceItem | None, SequenceItem | None]]:
    found = differences(before, after, SEQUENCES, load=objects.load)
    return list(found)


def expected(before: Numbers, after: Numbers) -> list[tuple[SequenceItem | None, SequenceItem | None]]:
    def item(numbers: Numbers, number: int) -> SequenceItem | None:
        return sequence(number, numbers[number]) if number in numbers else None

    pairs = [(item(before, number), item(after, number)) for number in sorted(before.keys() | after.keys())]
    return [pair for pair in pairs if pair[0] != pair[1]]


LISTS = st.integers(0, 3_000).map(lambda count: dict.fromkeys(range(count), 0))
CHANGES = st.dictionaries(st.integers(0, 3_500), st.none() | st.integers(1, 9), max_size=20)


@settings(max_examples=60, deadline=None)
@given(LISTS, CHANGES)
def test_differences_are_those_of_the_items(before: Numbers, changes: dict[int, int | None]) -> None:
    changed = {**before, **changes}
    after = {number: value for number, value in changed.items() if value is not None}
    objects = Objects()
    refs = ref_of(objects, before), ref_of(objects, after)
    assert compared(*refs, objects) == expected(before, after)
    assert compared(refs[1], refs[0], objects) == expected(after, before)


def test_lists_of_any_two_heights_are_compared() -> None:
    objects = Objects()
    sizes = (0, 1, 40, 3_000, 20_000)
    for left in sizes:
        for right in sizes:
            before, after = dict.fromkeys(range(left), 0), dict.fromkeys(range(right), 0)
            refs = ref_of(objects, before), ref_of(objects, after)
            assert compared(*refs, objects) == expected(before, after)


def test_one_changed_item_reads_two_paths_and_an_equal_list_nothing() -> None:
    objects = Objects()
    before = dict.fromkeys(range(20_000), 0)
    refs = ref_of(objects, before), ref_of(objects, {**before, 7_777: 1})
    objects.loads = 0
    assert len(compared(*refs, objects)) == 1
    assert objects.loads <= 10, "of about 400 nodes in each"
    objects.loads = 0
    assert compared(refs[0], refs[0], objects) == []
    assert objects.loads == 0


@given(LISTS, CHANGES)
@settings(max_examples=40, deadline=None)
def test_differences_between_items_that_ascend_are_those_of_the_items(
    before: Numbers, changes: dict[int, int | None]
) -> None:
    before = {number: value for number, value in before.items() if number < 30}
    changed = {**before, **{number % 40: value for number, value in changes.items()}}
    after = {number: value for number, value in changed.items() if value is not None}
    sides = ([sequence(number, value) for number, value in sorted(side.items())] for side in (before, after))
    found = between(*map(iter, sides), key=SEQUENCES.key)
    assert list(found) == expected(before, after)
