"""Chains of deltas of which only the end is needed: stored whole exactly where that leaves less."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests import packs
from tests.packs import Made
from tests.small_repository import new_repository, rows
from vault.limits import TAG_BYTES
from vault.ops.retention.delta_chains import expected_whole, free_chains
from vault.repo.census import FREED, WHOLE, Census
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def versions(count: int) -> list[bytes]:
    """Of one chunk of 7 kB: one row more each."""
    texts = [rows(1, 100)]
    for number in range(count - 1):
        texts.append(texts[-1] + rows(100 + number, 1))
    return texts


def store_chain(repo: Open, texts: list[bytes]) -> None:
    made = [Made(plain=texts[0])]
    made += [Made(plain=text, base=base, depth=depth) for depth, (base, text) in enumerate(pairwise(texts), start=1)]
    packs.put_fragment(repo, [packs.put_pack(repo, [one]) for one in made])


def census_of(repo: Open, needed: list[bytes]) -> Census:
    census = Census(repo.indexed(None).index)
    for text in needed:
        assert census.need(packs.object_id(repo, text)) is not None
    census.settle()
    return census


def marked(repo: Open, census: Census, texts: list[bytes], mark: int) -> list[int]:
    found = []
    for position, text in enumerate(texts):
        number = census.chosen(packs.object_id(repo, text))
        if number is not None and census.marks[number] & mark:
            found.append(position)
    return found


def test_the_last_of_a_chain_is_stored_whole_and_all_before_it_is_freed(repo: Open) -> None:
    texts = versions(6)
    store_chain(repo, texts)
    census = census_of(repo, texts[5:])
    free_chains(census, copied_bytes_max=None)
    assert marked(repo, census, texts, WHOLE) == [5]
    assert marked(repo, census, texts, FREED) == [0, 1, 2, 3, 4]


def test_a_delta_against_a_needed_one_stays_a_delta(repo: Open) -> None:
    texts = versions(6)
    store_chain(repo, texts)
    census = census_of(repo, texts[3:])
    free_chains(census, copied_bytes_max=None)
    assert marked(repo, census, texts, WHOLE) == [3]
    assert marked(repo, census, texts, FREED) == [0, 1, 2]


def test_a_base_of_many_stays_because_storing_all_of_them_whole_takes_more(repo: Open) -> None:
    base = rows(1, 100)
    texts = [base + rows(10 + number, 1) for number in range(4)]
    made = [Made(plain=base), *(Made(plain=text, base=base, depth=1) for text in texts)]
    packs.put_fragment(repo, [packs.put_pack(repo, made)])
    census = census_of(repo, texts)
    free_chains(census, copied_bytes_max=None)
    assert marked(repo, census, [base, *texts], WHOLE | FREED) == []


def test_of_a_long_chain_under_a_shared_base_only_the_upper_part_is_freed(repo: Open) -> None:
    base = rows(1, 100)
    shared = [base + rows(10 + number, 1) for number in range(4)]
    upper = [base + rows(50 + number, 90) for number in range(4)]
    made = [Made(plain=base), *(Made(plain=text, base=base, depth=1) for text in shared)]
    bases = [base, *upper]
    made += [Made(plain=text, base=bases[position], depth=position + 1) for position, text in enumerate(upper)]
    packs.put_fragment(repo, [packs.put_pack(repo, made)])
    census = census_of(repo, [*shared, upper[-1]])
    free_chains(census, copied_bytes_max=None)
    everything = [base, *shared, *upper]
    assert marked(repo, census, everything, WHOLE) == [everything.index(upper[-1])]
    assert marked(repo, census, everything, FREED) == [everything.index(text) for text in upper[:-1]]


def test_nothing_is_stored_whole_beyond_what_may_be_copied(repo: Open) -> None:
    texts = versions(6)
    store_chain(repo, texts)
    census = census_of(repo, texts[5:])
    free_chains(census, copied_bytes_max=1_000)
    assert marked(repo, census, texts, WHOLE | FREED) == []


def test_the_expected_size_is_that_of_the_chain_s_beginning(repo: Open) -> None:
    texts = versions(6)
    store_chain(repo, texts)
    census = census_of(repo, texts[5:])
    first = census.chosen(packs.object_id(repo, texts[0]))
    last = census.chosen(packs.object_id(repo, texts[5]))
    assert first is not None
    assert last is not None
    ratio = (census.entry(first).length - TAG_BYTES) / len(texts[0])
    assert expected_whole(census, last) == round(len(texts[5]) * ratio) + TAG_BYTES
