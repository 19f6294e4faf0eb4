"""Kinds of damage to a repository, a repository to damage, and what must be told of it: for test_damage and test_damage_local."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import CLOCK, contents, damage, new_repository, opened, quick_keys, rows, take
from vault.errors import IntegrityError, VaultError
from vault.format.pack import decode_header
from vault.ids import SnapshotId
from vault.limits import KIB
from vault.model import PackClass
from vault.ops.check.run import Damage
from vault.ops.repository import keys
from vault.ports import ObjectStore
from vault.repo import writer
from vault.repo.state import Indexed
from vault.store.memory import MemoryStore

T = TypeVar("T")

DAYS = 3

Mutation = Callable[[bytes, bytes], bytes | None]
"""(a file's bytes, another's of its kind) -> its bytes now, None if it is gone."""


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x10
    return bytes(changed)


MUTATIONS: Mapping[str, Mutation] = {
    "missing": lambda data, other: None,
    "empty": lambda data, other: b"",
    "cut off": lambda data, other: data[:-1],
    "cut in half": lambda data, other: data[: len(data) // 2],
    "appended": lambda data, other: data + b"\0",
    "magic flipped": lambda data, other: flipped(data, 0),
    "header flipped": lambda data, other: flipped(data, 30),
    "body flipped": lambda data, other: flipped(data, 75),
    "middle flipped": lambda data, other: flipped(data, len(data) // 2),
    "trailer flipped": lambda data, other: flipped(data, -20),
    "footer flipped": lambda data, other: flipped(data, -2),
    "swapped": lambda data, other: other,
    "zeroed": lambda data, other: bytes(len(data)),
}
SAME_SIZE = {name for name in MUTATIONS if "flipped" in name or name == "zeroed"}


@dataclass
class Sample:
    """A repository of several snapshots, and what must be in each."""

    files: dict[str, bytes]
    snapshots: list[SnapshotId]
    expected: list[dict[str, bytes]]
    directory: FakeDirectory

    def names(self, kind: str) -> list[str]:
        found = sorted(name for name in self.files if name.startswith(kind.partition(" ")[0]))
        if kind.startswith("packs"):
            wanted = PackClass.META if kind.endswith("meta") else PackClass.DATA
            found = [name for name in found if decode_header(self.files[name]).pack_class is wanted]
        return found


def make_sample() -> Sample:
    """Three days of a small project, in many small packs, with two passphrases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "PACK_BYTES_TARGET", 48 * KIB)
        store = MemoryStore()
        repo = new_repository(store)
        directory = FakeDirectory({b"a": rows(50, 900), b"b/c": b"small", b"empty": b""})
        snapshots = []
        for day in range(1, DAYS + 1):
            events = [
                rows(0, 1_500).replace(b"\n700\t", b"\n700\t%d" % day),
                *(rows(n, 1_500) for n in range(1, day + 1)),
            ]
            database = FakeDatabase(
                tables={"public.events": events, "public.other": [rows(9, 50)]},
                large_objects={7: rows(70, 900)},
                sequences={"public.s": day},
            )
            directory.rest()
            directory.write(b"day", rows(60 + day, 200))
            snapshots.append(take(repo, database, {"lib": directory}).id)
        with quick_keys():
            keys.add_slot(repo, passphrase="second", label="second", clock=CLOCK, entropy=os.urandom)
        expected = [contents(repo, snapshot) for snapshot in snapshots]
        return Sample(dict(store.files), snapshots, expected, directory)


def mutate(sample: Sample, name: str, mutation: Mutation) -> MemoryStore:
    same_kind = [other for other in sample.names(name.partition("/")[0]) if other != name]
    data = mutation(sample.files[name], sample.files[same_kind[0]] if same_kind else b"")
    files = {**sample.files, name: data} if data is not None else {**sample.files}
    if data is None:
        del files[name]
    return MemoryStore(files)


def still_there(repo: Indexed, snapshot_id: SnapshotId) -> dict[str, bytes | None]:
    """As `contents`, item by item, with None for what cannot be read; items of a list that is damaged are not in it."""
    try:
        snapshot = repo.snapshot(snapshot_id)
    except VaultError:
        return {}
    found: dict[str, bytes | None] = {}
    for table in _until_damage(snapshot.tables()):
        found[f"table {table.name}"] = _joined(snapshot.rows(table))
    for item in _until_damage(snapshot.large_objects()):
        found[f"large object {item.oid}"] = _joined(snapshot.large_object_blocks(item))
    for file in _until_damage(snapshot.files("lib")):
        found[f"lib/{os.fsdecode(file.path)}"] = _joined(snapshot.file_blocks(file))
    return found


def _joined(blocks: Iterator[bytes]) -> bytes | None:
    try:
        return b"".join(blocks)
    except IntegrityError:
        return None


def _until_damage(items: Iterator[T]) -> Iterator[T]:
    try:
        yield from items
    except IntegrityError:
        return


def label(key: str) -> str:
    """What check calls an item of `contents`, behind the snapshot."""
    return key.replace("large object ", "large objects ")


def expect_named_and_contained(sample: Sample, name: str, store: ObjectStore, *, in_data: bool) -> list[Damage]:
    """The damage is found by a full check, names the file, and names every item that cannot be read, and no other."""
    repo = opened(store).indexed(None)
    found = list(damage(repo))
    assert any(item.file == name for item in found), (name, found)
    told = {text for item in found for text in item.affects}
    for snapshot_id, expected in zip(sample.snapshots, sample.expected, strict=True):
        start = snapshot_id.hex()[:12] + ":"
        about = [text.removeprefix(start) for text in told if text.startswith(start)]
        now = still_there(opened(store).indexed(None), snapshot_id)
        for key, value in now.items():
            assert value in (None, expected[key]), f"{key} reads, and is not what it was"
            assert (value is None) == any(text.strip() == label(key) for text in about), (key, about)
        lost = {key for key in expected if key.partition(" ")[0] in ("table", "large") or key.startswith("lib/")}
        if lost - now.keys():
            assert about, f"whole lists of {start} are gone, and nothing is told"
        if in_data:
            assert lost <= now.keys(), "a data pack takes no list with it"
    return found
