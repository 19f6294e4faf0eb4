"""Packs of metadata that are kept: fewer requests, and never another answer than the store would have given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import RecordingStore
from tests.small_repository import Quiet, contents, new_repository, opened_far, rows, take
from vault.crypto import keyed
from vault.ids import PackId
from vault.limits import MIB
from vault.ops.check import run as check
from vault.repo import meta_packs
from vault.repo.meta_packs import MetaPacks
from vault.store.memory import MemoryStore

DATABASE = FakeDatabase(tables={f"public.t{n:02}": [rows(n, 20)] for n in range(60)})


def pack(store: MemoryStore, data: bytes) -> PackId:
    name = PackId(keyed.sha256(data))
    store.put(f"packs/{name.hex()}", data)
    return name


def test_a_small_pack_is_read_once_and_kept(tmp_path: Path) -> None:
    store = MemoryStore()
    name = pack(store, bytes(range(200)))
    recording = RecordingStore(store)
    for _ in range(2):
        packs = MetaPacks(recording, tmp_path / "packs")
        assert packs.read(name, 200, offset=3, length=2) == b"\x03\x04"
        assert packs.read(name, 200, offset=199, length=1) == b"\xc7"
    assert recording.requests() == ["get packs"]
    (copy,) = (tmp_path / "packs").iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", [b"", bytes(200), b"x"])
def test_a_copy_of_another_content_is_none(tmp_path: Path, spoil: bytes) -> None:
    store = MemoryStore()
    name = pack(store, bytes(range(200)))
    MetaPacks(store, tmp_path).read(name, 200, offset=0, length=1)
    (copy,) = tmp_path.iterdir()
    copy.write_bytes(spoil)
    assert MetaPacks(store, tmp_path).read(name, 200, offset=5, length=1) == b"\x05"


def test_a_larger_pack_is_read_whole_after_a_few_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_packs, "_AT_ONCE_BYTES", 100)
    store = MemoryStore()
    name = pack(store, bytes(200))
    recording = RecordingStore(store)
    packs = MetaPacks(recording, tmp_path)
    for _ in range(20):
        packs.read(name, 200, offset=0, length=1)
    assert recording.requests() == [*["get_range packs"] * 8, "get packs"]


def test_what_is_longer_than_any_pack_is_never_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an index says of its size: it would fill the memory."""
    monkeypatch.setattr(meta_packs, "PACK_BYTES_MAX", 200)
    store = MemoryStore()
    longest, longer = pack(store, bytes(200)), pack(store, bytes(201))
    recording = RecordingStore(store)
    packs = MetaPacks(recording, None)
    for _ in range(2):
        assert packs.read(longer, 201, offset=200, length=1) == b"\0"
    assert packs.read(longest, 200, offset=199, length=1) == b"\0"
    assert recording.requests() == ["get_range packs", "get_range packs", "get packs"]


def test_what_is_not_used_for_longest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_packs, "_KEPT_BYTES_MAX", 1000)
    monkeypatch.setattr(meta_packs, "_SAVES_BETWEEN", 1)
    store = MemoryStore()
    for number in range(10):
        MetaPacks(store, tmp_path).keep(pack(store, bytes([number]) * 300), bytes([number]) * 300)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1300


def test_what_was_read_lately_stays_longer_than_what_was_only_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meta_packs, "_KEPT_BYTES_MAX", 700)
    monkeypatch.setattr(meta_packs, "_SAVES_BETWEEN", 1)
    store = MemoryStore()
    first, second, third = (pack(store, bytes([number]) * 300) for number in range(3))
    for number, name in enumerate((first, second)):
        MetaPacks(store, tmp_path).keep(name, store.files[f"packs/{name.hex()}"])
        os.utime(tmp_path / name.hex(), (number, number))
    MetaPacks(store, tmp_path).read(first, 300, offset=0, length=1)
    for name in (third, third):
        MetaPacks(store, tmp_path).keep(name, store.files[f"packs/{name.hex()}"])
    assert {path.name for path in tmp_path.iterdir()} == {first.hex(), third.hex()}


def test_a_pack_whose_name_is_not_its_hash_is_read_whole_once_and_then_by_objects() -> None:
    """Some of its objects may be whole, and each that is not is told by its own seal."""
    store = MemoryStore()
    name = pack(store, bytes(range(200)))
    store.files[f"packs/{name.hex()}"] = bytes(range(199)) + b"x"
    recording = RecordingStore(store)
    packs = MetaPacks(recording, None)
    for _ in range(2):
        assert packs.read(name, 200, offset=5, length=1) == b"\x05"
    assert recording.requests() == ["get packs", "get_range packs", "get_range packs"]


@pytest.mark.parametrize(("size", "requests"), [(MIB, ["get packs"]), (MIB + 1, ["get_range packs"])])
def test_a_mebibyte_is_read_at_once(size: int, requests: list[str]) -> None:
    store = MemoryStore()
    name = pack(store, bytes(size))
    recording = RecordingStore(store)
    MetaPacks(recording, None).read(name, size, offset=0, length=1)
    assert recording.requests() == requests


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_packs, "_HELD_BYTES_MAX", 1000)
    store = MemoryStore()
    packs = MetaPacks(store, None)
    for number in range(10):
        packs.read(pack(store, bytes([number]) * 250), 250, offset=0, length=1)
    assert packs._held_bytes == 1000


def test_the_newest_stays_in_memory_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_packs, "_HELD_BYTES_MAX", 100)
    store = MemoryStore()
    small, large = pack(store, bytes(10)), pack(store, bytes(200))
    recording = RecordingStore(store)
    packs = MetaPacks(recording, None)
    for name, size in ((small, 10), (large, 200), (large, 200), (small, 10)):
        packs.read(name, size, offset=0, length=1)
    assert recording.requests() == ["get packs"] * 3, "the small one made room"


def test_check_sees_damage_of_a_pack_that_is_kept(tmp_path: Path) -> None:
    store = MemoryStore()
    new_repository(store)
    report = take(opened_far(store, tmp_path), DATABASE, cache_dir=tmp_path)
    kept = list((tmp_path / opened_far(store).config.repository.hex() / "packs").iterdir())
    assert kept, "the writer kept what it put"
    for path in kept:
        name = f"packs/{path.name}"
        data = bytearray(store.files[name])
        for at in range(200, len(data) - 200, 50):
            data[at] ^= 1
        store.files[name] = bytes(data)
    assert contents(opened_far(store, tmp_path), report.id), "a reader has the copies"
    fresh = opened_far(store, tmp_path, copies=False).indexed(tmp_path)
    found = check.run(fresh, read_data=None, entropy=lambda length: bytes(length), progress=Quiet())
    assert found.damage
