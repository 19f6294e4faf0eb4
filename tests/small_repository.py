"""Repositories for tests: made without waiting for a slow key derivation, backed up into, read whole, checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeOpener
from vault.crypto import keyed
from vault.format.snapshot import encode_manifest, snapshot_name
from vault.ids import SnapshotId
from vault.limits import KDF_MEMORY_KIB_MIN, KDF_PASSES_MIN
from vault.model import FileKind, Manifest, ObjectType
from vault.ops.backup import run as backup
from vault.ops.check import run as check
from vault.ops.check.amount import ALL, Amount
from vault.ops.guard.facts import DEFAULTS, Terms
from vault.ops.repository import keys
from vault.ports import Clock, DirectorySource, Entropy, ObjectStore
from vault.ports_of_buckets import BucketSource
from vault.repo import keyring
from vault.repo.freshness import Heads
from vault.repo.glance import Look, listed
from vault.repo.state import Closed, Indexed, Open
from vault.store.copies import CopyingStore
from vault.store.memory import MemoryStore

PASSPHRASE = "correct horse"


class TestClock:
    """Moves one second at each look."""

    __test__ = False

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        self._now_ms += 1_000
        return self._now_ms

    def uptime_s(self) -> float:
        return self._now_ms / 1_000


class Quiet:
    """A Progress that keeps the events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        pass

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        pass

    def event(self, kind: str, text: str) -> None:
        self.events.append(f"{kind}: {text}")


CLOCK = TestClock()


@contextmanager
def quick_keys() -> Iterator[None]:
    """Slots made inside are derived at the floor of the allowed cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyring, "KDF_PASSES", KDF_PASSES_MIN)
        patch.setattr(keyring, "KDF_MEMORY_KIB", KDF_MEMORY_KIB_MIN)
        patch.setattr(keyring, "KDF_LANES", 1)
        yield


@cache
def _template() -> tuple[dict[str, bytes], Open]:
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="test", clock=CLOCK, entropy=os.urandom)
    return dict(store.files), Closed(store).open(PASSPHRASE)


def new_repository(store: ObjectStore) -> Open:
    """A repository in an empty store; all that a test run makes share their keys."""
    files, _ = _template()
    for name, data in files.items():
        store.put(name, data)
    store.barrier()
    return opened(store)


def opened(store: ObjectStore, cache_dir: Path | None = None) -> Open:
    """The repository in `store`, unlocked without deriving keys again."""
    _, template = _template()
    return Open(store, template.config, template.keys, template.bundle, cache_dir=cache_dir)


def opened_far(store: ObjectStore, cache_dir: Path | None = None, *, copies: bool = True) -> Open:
    """As `opened`, as wiring opens a repository whose every request is a round trip."""
    _, template = _template()
    near = CopyingStore(store, cache_dir / "copies") if cache_dir is not None and copies else store
    look = Look(near, is_far=True, uptime_s=lambda: 0.0, copies=cache_dir / "copies" if cache_dir and copies else None)
    look.config(lambda: near.get("config"))
    glance = look.glance()
    for _ in keyring.slots(near, listed(glance, near, "keys/")):
        pass
    return Open(
        near,
        template.config,
        template.keys,
        template.bundle,
        cache_dir=cache_dir,
        glance=glance,
        copies=copies,
    )


def take(
    repo: Open | Indexed,
    database: FakeDatabase | FakeOpener | None = None,
    directories: Mapping[str, DirectorySource | BucketSource] | None = None,
    *,
    source: str = "project",
    selection: str = "",
    tags: Mapping[str, str] | None = None,
    cache_dir: Path | None = None,
    progress: Quiet | None = None,
    clock: Clock | None = None,
    moved: bool = False,
    attended: bool = False,
    entropy: Entropy = os.urandom,
    heads: Heads | None = None,
    accept_rollback: bool = False,
    guard: Terms | None = DEFAULTS,
    full: bool = False,
) -> backup.BackupReport:
    """One backup."""
    opener = FakeOpener(database) if isinstance(database, FakeDatabase) else database
    return backup.run(
        repo.open if isinstance(repo, Indexed) else repo,
        request=backup.BackupRequest(
            source=source,
            selection=selection,
            program="test",
            tags=tags or {},
            moved=moved,
            full=full,
            attended=attended,
            accept_rollback=accept_rollback,
            guard=guard,
        ),
        open_capture=opener,
        directories=directories or {},
        clock=clock or CLOCK,
        entropy=entropy,
        progress=progress or Quiet(),
        cache_dir=cache_dir,
        heads=heads,
    )


def put_manifest(repo: Open, manifest: Manifest, **changes: object) -> SnapshotId:
    """A snapshot that somebody with the keys wrote: `manifest` with other values."""
    values = {name: getattr(manifest, name) for name in manifest.__slots__} | changes
    plain = encode_manifest(type(manifest)(**values))
    snapshot_id = SnapshotId(keyed.object_id(repo.keys.id_key, ObjectType.SNAPSHOT, plain))
    data = keyring.seal_file(plain, FileKind.SNAPSHOT, repo.keys, salt=os.urandom(24), squeeze=True)
    repo.store.put(snapshot_name(snapshot_id), data)
    return snapshot_id


def contents(repo: Open | Indexed, snapshot_id: SnapshotId) -> dict[str, bytes]:
    """Every byte of a snapshot that came from its sources: `table X`, `large object N`, `sequence X`, `DIRECTORY/PATH`."""
    indexed = repo if isinstance(repo, Indexed) else repo.indexed(None)
    snapshot = indexed.snapshot(snapshot_id)
    found: dict[str, bytes] = {}
    for table in snapshot.tables():
        found[f"table {table.name}"] = b"".join(snapshot.rows(table))
    if snapshot.manifest.database is not None:
        for large_object in snapshot.large_objects():
            found[f"large object {large_object.oid}"] = b"".join(snapshot.large_object_blocks(large_object))
        for item in snapshot.sequences():
            found[f"sequence {item.name}"] = str(item.last_value).encode()
        for entry in snapshot.entries(snapshot.order()):
            found[f"entry {entry.tag}"] = entry.definition.encode()
        found["roles"] = repr(snapshot.roles()).encode()
        found["catalog"] = repr(snapshot.catalog()).encode()
    for directory in snapshot.manifest.directories:
        for file in snapshot.files(directory):
            found[f"{directory}/{os.fsdecode(file.path)}"] = b"".join(snapshot.file_blocks(file))
    found["ledger"] = repr(sorted(snapshot.ledger())).encode()
    return found


def damage(repo: Open | Indexed, *, read_data: Amount | None = ALL) -> tuple[check.Damage, ...]:
    """What a check finds."""
    indexed = repo if isinstance(repo, Indexed) else repo.indexed(None)
    return check.run(indexed, read_data=read_data, entropy=os.urandom, progress=Quiet()).damage


def rows(seed: int, count: int) -> bytes:
    """COPY text of `count` rows of about 70 bytes that compress by half; equal seeds give equal rows."""
    return b"".join(
        b"%d\t%s\n" % (number, hashlib.sha256(b"%d %d" % (seed, number)).hexdigest().encode())
        for number in range(count)
    )
