"""Copies of small files: as good as the file, or not used."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from tests.conformance.store_suite import StoreSuite
from tests.faults import RecordingStore
from vault.errors import NotFound
from vault.ports import ObjectStore
from vault.store.copies import CopyingStore
from vault.store.memory import MemoryStore


def named(directory: str, data: bytes) -> str:
    return f"{directory}/{hashlib.sha256(data).hexdigest()}"


def copies_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


class TestCopyingStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return CopyingStore(MemoryStore(), tmp_path / "copies")


@pytest.fixture
def behind() -> RecordingStore:
    return RecordingStore(MemoryStore())


def test_a_small_file_is_read_once(behind: RecordingStore, tmp_path: Path) -> None:
    once = ("keys", "forgotten", "checks", "pins", "findings", "acks", "drills")
    for directory, reads in (*((name, 1) for name in once), ("leases", 2), ("packs", 2)):
        name = named(directory, directory.encode())
        behind.put(name, directory.encode())
        for _ in range(2):
            assert CopyingStore(behind, tmp_path / "copies").get(name) == directory.encode()
        assert behind.requests().count(f"get {directory}") == reads


def test_copies_are_private(behind: RecordingStore, tmp_path: Path) -> None:
    behind.put(named("keys", b"slot"), b"slot")
    CopyingStore(behind, tmp_path / "copies").get(named("keys", b"slot"))
    (copy,) = copies_in(tmp_path)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == stat.S_IMODE(copy.parent.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("spoil", [b"", b"other"])
def test_a_copy_that_is_not_what_its_name_says_is_none(behind: RecordingStore, tmp_path: Path, spoil: bytes) -> None:
    behind.put(named("keys", b"slot"), b"slot")
    CopyingStore(behind, tmp_path).get(named("keys", b"slot"))
    (copy,) = copies_in(tmp_path)
    copy.write_bytes(spoil)
    assert CopyingStore(behind, tmp_path).get(named("keys", b"slot")) == b"slot"


def test_what_the_store_gives_otherwise_than_named_is_not_kept(behind: RecordingStore, tmp_path: Path) -> None:
    behind.put(named("keys", b"slot"), b"damaged")
    for _ in range(2):
        assert CopyingStore(behind, tmp_path).get(named("keys", b"slot")) == b"damaged"
    assert behind.requests().count("get keys") == 2
    assert copies_in(tmp_path) == []


@pytest.mark.parametrize(("size", "kept"), [(1 << 20, 1), ((1 << 20) + 1, 0)])
def test_what_is_large_is_not_kept(behind: RecordingStore, tmp_path: Path, size: int, kept: int) -> None:
    data = bytes(size)
    behind.put(named("checks", data), data)
    assert CopyingStore(behind, tmp_path).get(named("checks", data)) == data
    assert len(copies_in(tmp_path)) == kept


@pytest.mark.parametrize(("others", "left"), [(4095, 4095), (4096, 0)])
def test_copies_without_end_are_thrown_away(behind: RecordingStore, tmp_path: Path, others: int, left: int) -> None:
    for number in range(others):
        (tmp_path / str(number)).touch()
    behind.put(named("pins", b"pin"), b"pin")
    CopyingStore(behind, tmp_path).get(named("pins", b"pin"))
    assert len(copies_in(tmp_path)) == left + 1


def test_without_a_place_for_copies_everything_is_read(behind: RecordingStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    behind.put(named("keys", b"slot"), b"slot")
    store = CopyingStore(behind, tmp_path / "file" / "copies")
    assert store.get(named("keys", b"slot")) == b"slot"
    with pytest.raises(NotFound):
        store.get(named("keys", b"none"))


@pytest.mark.parametrize("prefix", ["", "keys/"])
def test_a_slot_that_was_removed_elsewhere_stays_nowhere(behind: RecordingStore, tmp_path: Path, prefix: str) -> None:
    for slot in (b"old", b"new"):
        behind.put(named("keys", slot), slot)
        CopyingStore(behind, tmp_path).get(named("keys", slot))
    behind.delete(named("keys", b"old"))
    listed = list(CopyingStore(behind, tmp_path).list(prefix))
    assert [file.name for file in listed] == [named("keys", b"new")]
    assert [copy.read_bytes() for copy in copies_in(tmp_path)] == [b"new"]


def test_what_is_deleted_leaves_no_copy(behind: RecordingStore, tmp_path: Path) -> None:
    store = CopyingStore(behind, tmp_path)
    for directory in ("keys", "pins"):
        name = named(directory, directory.encode())
        behind.put(name, directory.encode())
        store.get(name)
        store.delete(name)
    assert copies_in(tmp_path) == []


def test_a_listing_that_was_left_early_removes_no_copy(behind: RecordingStore, tmp_path: Path) -> None:
    for slot in (b"one", b"two"):
        behind.put(named("keys", slot), slot)
        CopyingStore(behind, tmp_path).get(named("keys", slot))
    next(CopyingStore(behind, tmp_path).list(""))
    assert len(copies_in(tmp_path)) == 2


@pytest.mark.parametrize("prefix", ["leases/", "keys/0", "k"])
def test_only_a_whole_listing_of_slots_says_which_are_gone(behind: RecordingStore, tmp_path: Path, prefix: str) -> None:
    slot = named("keys", b"slot")
    behind.put(slot, b"slot")
    store = CopyingStore(behind, tmp_path)
    store.get(slot)
    behind.delete(slot)
    assert list(store.list(prefix)) == []
    assert len(copies_in(tmp_path)) == (0 if prefix == "k" else 1)


class Elsewhere(MemoryStore):
    @property
    def url(self) -> str:
        return "memory of another place"


def test_slots_of_two_repositories_lie_apart(behind: RecordingStore, tmp_path: Path) -> None:
    behind.put(named("keys", b"slot"), b"slot")
    CopyingStore(behind, tmp_path).get(named("keys", b"slot"))
    assert list(CopyingStore(Elsewhere(), tmp_path).list("")) == []
    assert len(copies_in(tmp_path)) == 1
    with pytest.raises(NotFound):
        CopyingStore(Elsewhere(), tmp_path).get(named("keys", b"slot"))


def test_a_copy_is_replaced_as_a_whole_and_leaves_nothing_beside_it(behind: RecordingStore, tmp_path: Path) -> None:
    for directory in ("pins", "keys"):
        behind.put(named(directory, b"x"), b"x")
        for _ in range(2):
            CopyingStore(behind, tmp_path).get(named(directory, b"x"))
            (copy,) = copies_in(tmp_path)
            assert copy.name == named(directory, b"x").partition("/")[2]
            copy.write_bytes(b"spoilt")
        copy.unlink()
