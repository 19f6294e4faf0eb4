"""What a check leaves behind: its result, and when which pack was last read and found whole (spec 60-snapshot)."""

from __future__ import annotations

import os

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Fault, FaultStore
from tests.small_repository import Quiet, new_repository, opened, rows, take
from vault.errors import StoreError
from vault.format.notes import decode_check
from vault.ids import PackId
from vault.model import CheckRecord, FileKind
from vault.ops.check import run as check
from vault.repo import checks
from vault.repo.records import load
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 100)]}))
    return repo


def checked(repo: Open, now_ms: int, *, read_data: float | None = None) -> CheckRecord:
    indexed = repo.indexed(None)
    report = check.run(indexed, read_data=read_data, entropy=os.urandom, progress=Quiet())
    check.record(indexed, report, host="h", now_ms=now_ms, entropy=os.urandom)
    found = checks.newest(repo)
    assert found is not None
    assert found.created_ms == now_ms
    return found


def read_at(record: CheckRecord) -> set[int | None]:
    return {pack.read_ms for pack in record.packs}


@pytest.mark.spec("NOTE-7")
def test_a_record_carries_on_when_each_pack_was_read(repo: Open) -> None:
    assert checks.newest(repo) is None
    assert read_at(checked(repo, 1)) == {None}
    assert read_at(checked(repo, 2, read_data=1.0)) == {2}
    assert read_at(checked(repo, 3)) == {2}
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    assert read_at(checked(repo, 4)) == {2, None}
    assert read_at(checked(repo, 5, read_data=1.0)) == {5}


@pytest.mark.spec("NOTE-7")
def test_a_pack_that_is_damaged_was_never_read_whole(repo: Open) -> None:
    checked(repo, 1, read_data=1.0)
    assert isinstance(repo.store, MemoryStore)
    name = next(name for name in repo.store.files if name.startswith("packs/"))
    data = repo.store.files[name]
    repo.store.files[name] = data[:-1] + bytes([data[-1] ^ 1])
    found = checked(repo, 2, read_data=1.0)
    assert found.damage
    damaged = PackId(bytes.fromhex(name.rpartition("/")[2]))
    assert {pack.id: pack.read_ms for pack in found.packs}[damaged] is None
    assert checked(repo, 3).damage == (), "its bytes were not read"


@pytest.mark.spec("NOTE-7")
def test_records_are_few_however_often_one_checks(repo: Open) -> None:
    for now_ms in range(1, 30):
        checked(repo, now_ms)
    assert len(load(repo, FileKind.CHECK, decode_check).found) == checks.KEPT
    assert check.run(repo.indexed(None), read_data=1.0, entropy=os.urandom, progress=Quiet()).damage == ()


@pytest.mark.spec("NOTE-7")
def test_two_that_end_together_lose_nothing_of_each_other(repo: Open) -> None:
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes)
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    indexed = repo.indexed(None)
    other = next(pack for pack in indexed.index.pack_sizes if pack not in packs)
    for now_ms, whole in ((1, packs[0]), (2, other)):
        store = {name: data for name, data in repo.store.files.items() if not name.startswith("checks/")}  # type: ignore[attr-defined]
        apart = opened(MemoryStore(store)).indexed(None)
        checks.record(
            apart,
            host="h",
            now_ms=now_ms,
            objects=1,
            read_bytes=1,
            damage=(),
            whole={whole},
            damaged=(),
            entropy=os.urandom,
        )
        for name, data in apart.open.store.files.items():  # type: ignore[attr-defined]
            if name.startswith("checks/"):
                repo.store.put(name, data)
    assert {1, 2} <= read_at(checked(repo, 3))


def test_a_record_that_cannot_be_written_is_told_and_an_unreadable_one_passed_over(repo: Open) -> None:
    indexed = opened(FaultStore(repo.store, [Fault(kind="put", at=1)])).indexed(None)
    report = check.run(indexed, read_data=None, entropy=os.urandom, progress=Quiet())
    with pytest.raises(StoreError):
        check.record(indexed, report, host="h", now_ms=1, entropy=os.urandom)
    repo.store.put(f"checks/{'0' * 64}", b"nothing")
    checked(repo, 2)
