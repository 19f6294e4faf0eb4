"""What is put beside a store: it is seen with the store's own, durable with it, and nothing of the store is changed."""

from __future__ import annotations

import pytest

from tests.faults import RecordingStore
from vault.errors import AlreadyExists, NotFound, StoreError
from vault.store.memory import MemoryStore
from vault.store.overlay import OverlayStore


def test_an_overlay_shows_both_and_changes_its_own_alone() -> None:
    below, own = MemoryStore({"a": b"below", "c": b"below"}), RecordingStore(MemoryStore())
    store = OverlayStore(below, own)
    store.put("b", b"own")
    assert [file.name for file in store.list("")] == ["a", "b", "c"]
    assert (store.get("a"), store.get("b"), store.get_range("b", 1, 2)) == (b"below", b"own", b"wn")
    assert store.get_range("c", 0, 2) == b"be"
    with pytest.raises(AlreadyExists):
        store.put("a", b"own")
    with pytest.raises(StoreError, match="cannot delete a"):
        store.delete("b", "a")
    assert store.get("b") == b"own", "nothing was deleted"
    store.delete("b")
    with pytest.raises(NotFound):
        store.get("b")
    assert below.files == {"a": b"below", "c": b"below"}


def test_a_barrier_of_an_overlay_is_one_of_its_own() -> None:
    own = RecordingStore(MemoryStore())
    OverlayStore(MemoryStore(), own).barrier()
    assert [call.kind for call in own.calls] == ["barrier"]
