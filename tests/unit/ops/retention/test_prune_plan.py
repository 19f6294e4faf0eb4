"""Which packs a prune chooses: by what is dead in them, by age, by size, within what may be copied."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests import packs
from tests.packs import Made
from tests.small_repository import new_repository
from vault.ids import PackId
from vault.ops.retention.prune_plan import PackFile, PruneOptions, PrunePlan, plan
from vault.repo.census import Census
from vault.repo.state import Open
from vault.store.memory import MemoryStore

DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS
AT_ONCE = PruneOptions(min_age_ms=0)


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def text(number: int, size: int = 1_000) -> bytes:
    """Of random letters: it takes its size."""
    return random.Random(number).randbytes(size).replace(b"\n", b" ") + b"\n"


def store(repo: Open, *contents: Sequence[bytes]) -> list[PackId]:
    """One pack for each group of chunks."""
    made = [packs.put_pack(repo, [Made(plain=one) for one in content]) for content in contents]
    packs.put_fragment(repo, made)
    return [one.pack for one in made]


def planned(
    repo: Open,
    needed: Sequence[bytes],
    *,
    options: PruneOptions = AT_ONCE,
    ages_days: dict[PackId, int] | None = None,
    leased: frozenset[PackId] = frozenset(),
) -> PrunePlan:
    index = repo.indexed(None).index
    census = Census(index)
    for one in needed:
        assert census.need(packs.object_id(repo, one)) is not None
    census.settle()
    listed = {
        pack: PackFile(size=size, modified_ms=NOW_MS - (ages_days or {}).get(pack, 30) * DAY_MS)
        for pack, size in index.pack_sizes.items()
    }
    return plan(census, listed, leased=leased, now_ms=NOW_MS, options=options)


def test_a_pack_of_which_nothing_is_needed_goes_and_others_stay(repo: Open) -> None:
    dead, live = store(repo, [text(1)], [text(2)])
    result = planned(repo, [text(2)])
    assert (result.delete, result.repack, result.stay) == ((dead,), (), 1)
    assert result.deleted_bytes == repo.indexed(None).index.pack_sizes[dead]
    assert live not in result.sweep


def test_the_deadest_packs_are_repacked_until_little_is_unused(repo: Open) -> None:
    texts = [text(number) for number in range(40)]
    mostly_dead, half_dead, _ = store(repo, texts[:10], texts[10:20], texts[20:])
    needed = [*texts[:1], *texts[10:15], *texts[20:]]
    assert planned(repo, needed, options=PruneOptions(min_age_ms=0, max_unused=0.25)).repack == (mostly_dead,)
    assert planned(repo, needed).repack == tuple(sorted([mostly_dead, half_dead]))
    assert planned(repo, needed, options=PruneOptions(min_age_ms=0, max_unused=1)).repack == ()


def test_no_more_is_copied_than_is_allowed(repo: Open) -> None:
    texts = [text(number) for number in range(20)]
    one, two = store(repo, texts[:10], texts[10:])
    needed = [*texts[:2], *texts[10:14]]
    options = PruneOptions(min_age_ms=0, copied_bytes_max=3_000)
    assert planned(repo, needed, options=options).repack == (one,)
    assert planned(repo, needed, options=PruneOptions(min_age_ms=0, copied_bytes_max=0)).repack == ()
    assert planned(repo, [*texts[:2]], options=PruneOptions(min_age_ms=0, copied_bytes_max=0)).delete == (two,)


@pytest.mark.spec("LEASE-19")
def test_young_packs_and_those_of_leases_stay(repo: Open) -> None:
    young, old, leased = store(repo, [text(1)], [text(2)], [text(3)])
    result = planned(
        repo, [], options=PruneOptions(), ages_days={young: 6, old: 8, leased: 8}, leased=frozenset([leased])
    )
    assert result.sweep == (old,)
    assert (result.young, result.leased, result.stay) == (1, 1, 2)
    assert set(planned(repo, [], ages_days={young: 0}).sweep) == {young, old, leased}


def test_a_pack_that_no_fragment_names_goes_when_it_is_old(repo: Open) -> None:
    nameless = packs.put_pack(repo, [Made(plain=text(1))])
    assert planned(repo, []).sweep == (nameless.pack,)
    assert planned(repo, [], options=PruneOptions(), ages_days={nameless.pack: 1}).sweep == ()
    assert planned(repo, [], leased=frozenset([nameless.pack])).sweep == ()


def test_of_two_places_of_an_object_the_one_among_needed_ones_is_kept(repo: Open) -> None:
    """Such packs are what an interrupted prune leaves: the copies, and what they were copied from."""
    texts = [text(number) for number in range(10)]
    old, copies = store(repo, texts, texts[:3])
    result = planned(repo, texts[:3])
    assert (result.delete, result.repack, result.copied_bytes) == ((old,), (), 0)
    assert copies not in result.sweep


def test_small_packs_are_merged_only_when_they_fill_one(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text(number) for number in range(6)]
    stored = store(repo, *([one] for one in texts))
    assert planned(repo, texts).repack == ()
    monkeypatch.setattr("vault.ops.retention.prune_plan.PACK_BYTES_TARGET", 6_000)
    assert planned(repo, texts).repack == tuple(sorted(stored))
    assert planned(repo, texts[:5]).repack == ()


def test_overhead_of_an_object_is_not_waste(repo: Open) -> None:
    texts = [b"%d\n" % number for number in range(50)]
    store(repo, texts)
    result = planned(repo, texts, options=PruneOptions(min_age_ms=0, max_unused=0))
    assert (result.repack, result.unused_bytes) == ((), 0)
