"""Chains of deltas as the index tells them: with their packs, outside of swept ones, and without a base."""

from __future__ import annotations

import pytest

from tests.packs import object_id, put_fragment, put_pack
from tests.small_repository import new_repository
from tests.unit.repo.test_reader import chain, versions
from vault.format.pack import pack_name
from vault.ids import ObjectId
from vault.repo.runs import Link, Run
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def test_a_chain_is_told_with_the_packs_of_all_of_it_and_lasts_outside_of_swept_ones(repo: Open) -> None:
    plains = versions(3)
    made = chain(plains)
    first, second = put_pack(repo, made[:1]), put_pack(repo, made[1:])
    put_fragment(repo, [first, second])
    index = repo.indexed(None).index
    one, two, three = (object_id(repo, plain) for plain in plains)
    found = index.head_and_packs(three)
    assert found is not None
    assert (found[0].pack, found[0].record.depth) == (second.pack, 2)
    assert found[1] == index.lasting_packs(three) == [second.pack, second.pack, first.pack]
    assert [place.record.id for place in index.chain(three)] == [three, two, one]
    assert index.lasting_chain(three) == index.chain(three)
    assert index.packs_of(two) == [second.pack]
    index.sweep([second.pack])
    assert (index.lasting_chain(three), index.lasting_packs(two)) == ([], [])
    assert index.lasting_packs(one) == [first.pack]
    assert len(index.chain(three)) == 3, "readers still read it"
    nobody = ObjectId(bytes(32))
    assert (index.head_and_packs(nobody), index.chain_head(nobody), index.packs_of(nobody)) == (None, None, [])


def test_a_delta_whose_base_is_gone_at_any_depth_is_an_orphan_and_one_that_is_too_deep_is_not(repo: Open) -> None:
    plains = versions(3)
    made = chain(plains)
    first, second = put_pack(repo, made[:1]), put_pack(repo, made[1:])
    put_fragment(repo, [first, second])
    one, two, _ = (object_id(repo, plain) for plain in plains)
    index = repo.indexed(None).index
    assert [index.is_orphan(one, depth=1), index.is_orphan(two, depth=2)] == [False, False]
    repo.store.delete(pack_name(first.pack))
    index = repo.indexed(None).index
    assert [index.is_orphan(one, depth=1), index.is_orphan(two, depth=2)] == [True, True]
    assert not index.is_orphan(two, depth=1), "its place is there, and no base of such a delta"


def test_an_orphan_of_which_all_is_there_twice_is_looked_at_once(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a prune that was interrupted, and the loss of one pack: of ways down there are 4096, or 2 ** 63 at the greatest depth."""
    plains = versions(13)
    made = chain(plains)[1:]
    for generation in (1, 2):
        put_fragment(repo, [put_pack(repo, made)], generation=generation)
    index = repo.indexed(None).index
    looked: list[ObjectId] = []
    genuine = Run.links

    def counted(run: Run, object_id: ObjectId) -> list[Link]:
        looked.append(object_id)
        return genuine(run, object_id)

    monkeypatch.setattr(Run, "links", counted)
    assert index.is_orphan(object_id(repo, plains[-1]), depth=13)
    assert len(looked) <= 4 * len(plains)
