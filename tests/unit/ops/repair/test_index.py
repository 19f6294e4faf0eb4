"""What fragments told is told again from the packs, and nothing that counts is lost on the way."""

from __future__ import annotations

import os

import pytest

from tests.small_repository import Quiet, contents, damage
from tests.unit.ops.repair.support import fresh, spoil, two_days
from vault.errors import UnsafeError
from vault.format.pack import pack_name
from vault.ops.repair import index as repair
from vault.ops.retention.marking import require_whole
from vault.repo.state import Open
from vault.store.memory import MemoryStore


def mended(store: MemoryStore) -> repair.IndexPlan:
    planned = repair.plan(fresh(store), progress=Quiet())
    before = dict(store.files)
    repair.run(fresh(store), planned, entropy=os.urandom)
    assert before.items() <= store.files.items(), "nothing is changed or deleted"
    return planned


def all_contents(repo: Open) -> list[dict[str, bytes]]:
    return [contents(repo, snapshot_id) for snapshot_id, _ in repo.snapshots()]


def fragments(store: MemoryStore) -> list[str]:
    return sorted(name for name in store.files if name.startswith("index/"))


@pytest.mark.parametrize("how", ["gone", "spoiled", "all gone", "all spoiled", "swapped"])
def test_what_a_fragment_told_is_told_again(how: str) -> None:
    store, repo = two_days()
    before = all_contents(repo)
    names = fragments(store)
    for name in names if how.startswith("all") else names[:1]:
        if how.endswith("gone"):
            store.delete(name)
        else:
            spoil(store, name, len(store.files[name]) // 2)
    assert damage(fresh(store))
    planned = mended(store)
    assert planned.objects > 0
    assert bool(planned.unreadable) is not how.endswith("gone")
    assert damage(fresh(store)) == ()
    assert all_contents(fresh(store)) == before
    require_whole(fresh(store).indexed(None).index)
    assert repair.plan(fresh(store), progress=Quiet()).is_empty


def test_a_fragment_that_told_of_nothing_else_is_superseded_all_the_same() -> None:
    store, _ = two_days()
    store.put("index/00000009-" + "ab" * 32, b"junk")
    with pytest.raises(UnsafeError, match="index is damaged"):
        require_whole(fresh(store).indexed(None).index)
    planned = mended(store)
    assert (planned.packs, len(planned.unreadable)) == ((), 1)
    require_whole(fresh(store).indexed(None).index)
    assert damage(fresh(store)) == ()


def test_a_pack_whose_trailer_does_not_open_is_named_and_the_others_count() -> None:
    store, repo = two_days()
    for name in fragments(store):
        store.delete(name)
    pack = pack_name(min(repo.indexed(None).index.pack_sizes))
    name = min(name for name in store.files if name.startswith("packs/"))
    assert name == pack
    spoil(store, name, len(store.files[name]) - 3)
    planned = mended(store)
    assert [error.file for error in planned.silent] == [name]
    assert planned.packs


def test_an_intact_repository_needs_nothing() -> None:
    store, _ = two_days()
    assert repair.plan(fresh(store), progress=Quiet()).is_empty
