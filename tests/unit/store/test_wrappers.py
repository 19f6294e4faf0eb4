"""What every wrapper of a store passes on, and what those add that refuse or rename a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.store_suite import StoreSuite
from tests.faults import Fault, FaultStore, RecordingStore
from vault.errors import StoreDenied, StoreError, StoreFull, Unavailable, Unreadable
from vault.ports import ObjectStore
from vault.store.copies import CopyingStore
from vault.store.memory import MemoryStore
from vault.store.overlay import OverlayStore
from vault.store.readonly import ReadOnlyStore
from vault.store.retry import RetryStore
from vault.store.unreadable import UnreadableStore


class FarStore(MemoryStore):
    """Names of its own for what a wrapper must not make up."""

    @property
    def url(self) -> str:
        return "far:place"

    @property
    def network(self) -> str:
        return "nfs"


def copying(store: ObjectStore) -> ObjectStore:
    return CopyingStore(store, Path("/dev/null/copies"))


def retrying(store: ObjectStore) -> ObjectStore:
    return RetryStore(store, attempts=2, sleep=lambda seconds: None, jitter=lambda: 0.0)


def overlaid(store: ObjectStore) -> ObjectStore:
    return OverlayStore(store, MemoryStore())


Wrapping = Callable[[ObjectStore], ObjectStore]
WRITING: tuple[Wrapping, ...] = (copying, retrying, UnreadableStore)


class TestOverlayStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return overlaid(MemoryStore())


class TestUnreadableStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return UnreadableStore(MemoryStore())


@pytest.mark.parametrize("wrapping", [*WRITING, overlaid, ReadOnlyStore])
def test_a_wrapper_reads_from_the_store_behind_and_says_where_that_is(wrapping: Wrapping) -> None:
    store = wrapping(FarStore({"keys/b": b"0123", "packs/a": b"0123"}))
    assert (store.url, store.network) == ("far:place", "nfs")
    assert [store.get(name) for name in ("keys/b", "packs/a")] == [b"0123", b"0123"]
    assert store.get_range("packs/a", 1, 2) == b"12"
    assert [file.name for file in store.list("packs/")] == ["packs/a"]
    assert [file.name for file in store.list("")] == ["keys/b", "packs/a"]


@pytest.mark.parametrize("wrapping", WRITING)
def test_a_wrapper_changes_the_store_behind_and_waits_for_its_barrier(wrapping: Wrapping) -> None:
    memory = MemoryStore({"keys/b": b"old", "packs/a": b"old"})
    behind = RecordingStore(memory)
    store = wrapping(behind)
    store.put("packs/c", b"new")
    store.barrier()
    store.delete("keys/b", "packs/a")
    assert memory.files == {"packs/c": b"new"}
    assert [call.kind for call in behind.calls] == ["put", "barrier", "delete", "delete"]


def reads(store: ObjectStore) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    return lambda: store.get("packs/a"), lambda: store.get_range("packs/a", 0, 1)


def failing(error: StoreError) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    faults = [Fault(kind=kind, error=error) for kind in ("get", "get_range")]
    return reads(UnreadableStore(FaultStore(MemoryStore({"packs/a": b"x"}), faults)))


def test_a_file_that_may_not_be_read_is_one_that_cannot_be_and_is_named() -> None:
    denied = StoreDenied("cannot read packs/a", why="Permission denied", hint="run as the owner")
    for read in failing(denied):
        with pytest.raises(Unreadable) as caught:
            read()
        told = caught.value
        assert (told.message, told.why, told.hint) == (denied.message, denied.why, denied.hint)
        assert (told.file, told.__cause__) == ("packs/a", denied)


@pytest.mark.parametrize("error", [Unavailable("busy"), StoreFull("full"), StoreError("no")])
def test_another_failure_of_a_read_stays_what_it_is(error: StoreError) -> None:
    for read in failing(error):
        with pytest.raises(type(error)) as caught:
            read()
        assert caught.value is error


@pytest.mark.parametrize("kind", ["put", "delete", "list"])
def test_only_a_read_that_is_denied_is_told_as_damage(kind: str) -> None:
    """A sweep that this user may not delete has to stop whoever prunes."""
    store = UnreadableStore(FaultStore(MemoryStore(), [Fault(kind=kind, error=StoreDenied("denied"))]))
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("packs/a", b"x"),
        "delete": lambda: store.delete("packs/a"),
        "list": lambda: list(store.list("")),
    }
    with pytest.raises(StoreDenied):
        calls[kind]()
