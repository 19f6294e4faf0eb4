"""Every store of the project under the one suite; the store in a bucket is in test_buckets."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.conformance.store_suite import StoreSuite
from tests.faults import Fault, FaultStore, RecordingStore
from vault.errors import StoreError, Unavailable
from vault.ports import ObjectStore
from vault.repo.interruptible import InterruptibleStore
from vault.repo.workers import Abandonable
from vault.store.disk import OsDisk
from vault.store.local import LocalStore, create_local
from vault.store.memory import MemoryStore
from vault.store.readonly import ReadOnlyStore
from vault.store.retry import RetryStore


def retrying(store: ObjectStore) -> RetryStore:
    return RetryStore(store, attempts=3, sleep=lambda seconds: None, jitter=lambda: 0.5)


class DiskWithoutHardLinks(OsDisk):
    """As FAT: link is not permitted."""

    def link(self, path: str, new: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        create_local(tmp_path / "repository")
        return LocalStore(tmp_path / "repository", os.urandom)


class TestLocalStoreWithoutHardLinks(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        create_local(tmp_path / "repository")
        return LocalStore(tmp_path / "repository", os.urandom, disk=DiskWithoutHardLinks())


class TestInterruptibleStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return InterruptibleStore(MemoryStore(), Abandonable())


class TestRetryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return retrying(MemoryStore())


class TestRetryStoreOverLostAnswers(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        kinds = ("put", "get", "get_range", "list", "delete", "barrier")
        lost = [Fault(kind=kind, at=at, after=True, error=Unavailable("lost")) for kind in kinds for at in (1, 4)]
        return retrying(FaultStore(MemoryStore(), lost))


class TestRecordingStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return RecordingStore(MemoryStore())


class TestFaultStoreWithoutFaults(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return FaultStore(MemoryStore())


class TestReadOnlyStore:
    """It cannot pass the suite, which writes; what it reads comes from a store that does."""

    def test_reads_pass_and_writes_are_refused(self) -> None:
        behind = MemoryStore({"packs/a": b"abc"})
        store = ReadOnlyStore(behind)
        assert store.get("packs/a") == b"abc"
        assert store.get_range("packs/a", 1, 1) == b"b"
        assert [file.name for file in store.list("packs/")] == ["packs/a"]
        store.barrier()
        with pytest.raises(StoreError, match="cannot write b"):
            store.put("b", b"")
        with pytest.raises(StoreError, match="cannot delete packs/a"):
            store.delete("packs/a")
        assert behind.files == {"packs/a": b"abc"}
