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


class TestCopyingStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return CopyingStore(MemoryStore(), tmp_path / "copies")


@pytest.fixture
def behind() -> RecordingStore:
    return RecordingStore(MemoryStore())


def test_a_small_file_is_read_once(behind: RecordingStore, tmp_path: Path) -> None:
    for directory, reads in (("keys", 1), ("pins", 1), ("leases", 2), ("packs", 2)):
        name = named(directory, directory.encode())
        behind.put(name, directory.encode())
        for _ in range(2):
            assert CopyingStore(behind, tmp_path / "copies").get(name) == directory.encode()
        assert behind.requests().count(f"get {directory}") == reads


def test_copies_are_private(behind: RecordingStore, tmp_path: Path) -> None:
    behind.put(named("keys", b"slot"), b"slot")
    CopyingStore(behind, tmp_path / "copies").get(named("keys", b"slot"))
    (copy,) = (tmp_path / "copies").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("spoil", [b"", b"other"])
def test_a_copy_that_is_not_what_its_name_says_is_none(behind: RecordingStore, tmp_path: Path, spoil: bytes) -> None:
    behind.put(named("keys", b"slot"), b"slot")
    CopyingStore(behind, tmp_path).get(named("keys", b"slot"))
    (copy,) = tmp_path.iterdir()
    copy.write_bytes(spoil)
    assert CopyingStore(behind, tmp_path).get(named("keys", b"slot")) == b"slot"


def test_what_the_store_gives_otherwise_than_named_is_not_kept(behind: RecordingStore, tmp_path: Path) -> None:
    behind.put(named("keys", b"slot"), b"damaged")
    for _ in range(2):
        assert CopyingStore(behind, tmp_path).get(named("keys", b"slot")) == b"damaged"
    assert behind.requests().count("get keys") == 2


def test_without_a_place_for_copies_everything_is_read(behind: RecordingStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    behind.put(named("keys", b"slot"), b"slot")
    store = CopyingStore(behind, tmp_path / "file" / "copies")
    assert store.get(named("keys", b"slot")) == b"slot"
    with pytest.raises(NotFound):
        store.get(named("keys", b"none"))
