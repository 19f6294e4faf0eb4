"""Fragments are merged when they are many or tell of packs that are gone; nothing that is there is forgotten by it."""

from __future__ import annotations

import os

import pytest

from tests import packs
from tests.faults import Crashed, Fault, FaultStore
from tests.packs import Made
from tests.small_repository import new_repository, opened, rows
from vault.errors import StoreError, UnsafeError
from vault.format.pack import pack_name
from vault.ids import ObjectId
from vault.ops.retention.index_fragments import MANY_FRAGMENTS, Merged, merge
from vault.ports import ObjectStore
from vault.repo.index import Index
from vault.store.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    new_repository(store)
    return store


def merged(store: ObjectStore, *, dead_max: float = 0.05) -> Merged:
    return merge(opened(store), dead_max=dead_max, entropy=os.urandom)


def names(store: MemoryStore) -> list[str]:
    return [name for name in store.files if name.startswith("index/")]


def index(store: MemoryStore) -> Index:
    return opened(store).indexed(None).index


def fragments(store: MemoryStore, count: int, *, objects: int = 2) -> list[ObjectId]:
    """So many fragments of one pack each; what they tell of."""
    repo = opened(store)
    ids: list[ObjectId] = []
    for number in range(count):
        texts = [rows(number * objects + one, 2) for one in range(objects)]
        packs.put_fragment(repo, [packs.put_pack(repo, [Made(plain=text) for text in texts])], generation=number)
        ids += [packs.object_id(repo, text) for text in texts]
    return ids


def test_few_fragments_stay_as_they_are(store: MemoryStore) -> None:
    fragments(store, MANY_FRAGMENTS - 1)
    before = dict(store.files)
    assert merged(store) == Merged()
    assert store.files == before


def test_many_become_one_that_tells_the_same(store: MemoryStore) -> None:
    ids = fragments(store, MANY_FRAGMENTS)
    before = {one: index(store).locations(one) for one in ids}
    assert merged(store).removed == MANY_FRAGMENTS
    assert len(names(store)) == 1
    assert {one: index(store).locations(one) for one in ids} == before
    assert merged(store) == Merged()


def test_entries_of_packs_that_are_gone_go(store: MemoryStore) -> None:
    ids = fragments(store, 2)
    store.delete(pack_name(index(store).locations(ids[0])[0].pack))
    assert merged(store).removed == 2
    assert len(index(store)) == 2
    assert list(index(store).missing_packs()) == []
    assert all(one in index(store) for one in ids[2:])


@pytest.mark.spec("LEASE-22")
def test_a_delta_whose_base_is_gone_is_told_of_and_is_there_again_with_it(store: MemoryStore) -> None:
    """A writer may have stored the base anew since the fragments were read, and rely on the delta."""
    repo = opened(store)
    text, later = rows(1, 40), rows(1, 40) + rows(2, 1)
    base = packs.put_pack(repo, [Made(plain=text)])
    delta = packs.put_pack(repo, [Made(plain=later, base=text, depth=1), Made(plain=rows(3, 1))])
    packs.put_fragment(repo, [base, delta])
    store.delete(pack_name(base.pack))
    merged(store)
    assert len(index(store)) == 2
    again = packs.object_id(repo, later)
    assert index(store).chain(again) == []
    packs.put_fragment(repo, [packs.put_pack(repo, [Made(plain=text)])], generation=9)
    assert len(index(store).chain(again)) == 2


def test_the_last_entries_leave_no_fragment_behind(store: MemoryStore) -> None:
    ids = fragments(store, 1)
    store.delete(pack_name(index(store).locations(ids[0])[0].pack))
    assert merged(store) == Merged(removed=1)
    assert names(store) == []


def test_groups_that_do_not_fit_into_one_are_merged_apart(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = fragments(store, MANY_FRAGMENTS, objects=4)
    monkeypatch.setattr("vault.ops.retention.index_fragments.FRAGMENT_ENTRIES_MAX", 40)
    merged(store)
    assert 1 < len(names(store)) < MANY_FRAGMENTS
    assert all(len(index(store).locations(one)) == 1 for one in ids)


@pytest.mark.spec("LEASE-22")
@pytest.mark.parametrize("kind", ["put", "barrier", "delete"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 7])
def test_killed_anywhere_every_entry_is_still_told(store: MemoryStore, kind: str, after: bool, at: int) -> None:
    ids = fragments(store, MANY_FRAGMENTS)
    fault = Fault(kind=kind, at=at, crash=True, after=after)
    try:
        merged(FaultStore(store, [fault]))
    except Crashed:
        pass
    assert all(one in index(store) for one in ids)
    merged(store)
    assert len(names(store)) == 1
    assert all(len(index(store).locations(one)) == 1 for one in ids)


def test_a_store_that_does_not_delete_keeps_the_old_ones_and_the_next_time_they_go(store: MemoryStore) -> None:
    ids = fragments(store, MANY_FRAGMENTS)
    faults = [Fault(kind="delete", at=at, error=StoreError("access denied")) for at in range(1, MANY_FRAGMENTS + 1)]
    assert merged(FaultStore(store, faults)).left == MANY_FRAGMENTS
    assert all(len(index(store).locations(one)) == 1 for one in ids)
    assert merged(store).removed == MANY_FRAGMENTS
    assert len(names(store)) == 1


def test_a_fragment_that_does_not_open_is_named_and_nothing_is_removed(store: MemoryStore) -> None:
    fragments(store, MANY_FRAGMENTS)
    name = names(store)[3]
    store.files[name] = store.files[name][:-1]
    before = dict(store.files)
    with pytest.raises(UnsafeError) as refusal:
        merged(store)
    assert refusal.value.hint == "pgvault repair index"
    assert store.files == before
