"""A repository that has every kind of file twice, what of it is gone, and another of the same passphrase: for the catalogue of damage."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    Quiet,
    contents,
    damage,
    new_repository,
    opened,
    quick_keys,
    rows,
    take,
)
from vault.errors import VaultError
from vault.format import notes, upkeep
from vault.format.pack import decode_header
from vault.format.upkeep import DIRECTORIES
from vault.ids import FindingId, PackId, SnapshotId
from vault.limits import KIB
from vault.model import (
    Ack,
    CheckRecord,
    DrillRecord,
    FileKind,
    Finding,
    Findings,
    Forgotten,
    ForgottenSnapshot,
    Lease,
    PackClass,
    Pin,
    Sweep,
)
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.repo import records, writer
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore

SOURCE: Final = "project"
PRUNER: Final = Lease(created_ms=1, host="host", pid=1, purpose="maintenance", source="", parent=None)
AT_ONCE: Final = PruneOptions(min_age_ms=0, max_unused=0.0)
DIRECTORY_OF: Final[Mapping[str, str]] = {
    "config": "config",
    "slot": "keys/",
    "data pack": "packs/",
    "meta pack": "packs/",
    "index": "index/",
    "snapshot": "snapshots/",
    **{kind.name.lower(): f"{directory}/" for kind, directory in DIRECTORIES.items()},
}
"""Every kind of file, and where it lies."""


def names(files: Mapping[str, bytes], kind: str) -> list[str]:
    """Of the files of a kind, in order."""
    found = sorted(name for name in files if name.startswith(DIRECTORY_OF[kind]))
    if kind.endswith("pack"):
        wanted = PackClass.DATA if kind.startswith("data") else PackClass.META
        found = [name for name in found if decode_header(files[name]).pack_class is wanted]
    return found


@dataclass(frozen=True, kw_only=True)
class World:
    """files     of the repository: of each kind at least two, but for the configuration
    victims      kind -> the file of it that is damaged; for packs one that the oldest snapshot needs, of the slots the second one's
    gone         kind -> a file of an older state that is there no more
    foreign      kind -> the file of that kind of another repository with the same passphrase
    database     as it is now, with what it was at the newest snapshot"""

    files: Mapping[str, bytes]
    victims: Mapping[str, str]
    gone: Mapping[str, tuple[str, bytes]]
    foreign: Mapping[str, tuple[str, bytes]]
    snapshots: Sequence[SnapshotId]
    expected: Mapping[SnapshotId, Mapping[str, bytes]]
    database: FakeDatabase
    directory: FakeDirectory


@cache
def world() -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "PACK_BYTES_TARGET", 16 * KIB)
        return _make()


def _make() -> World:
    store = MemoryStore()
    repo = new_repository(store)
    directory = FakeDirectory({b"a": rows(50, 60), b"b/c": b"small", b"empty": b""})
    taken = [_day(repo, directory, day) for day in range(3)]
    with quick_keys():
        second = keys.add_slot(repo, passphrase="second", label="second", clock=CLOCK, entropy=os.urandom)
        third = keys.add_slot(repo, passphrase="third", label="third", clock=CLOCK, entropy=os.urandom)
    before = dict(store.files)
    keys.remove_slot(repo, third.hex())
    for snapshot in taken[:2]:  # two records, though a forget that died would be one
        plan = forget.plan_named(forget.take_stock(repo), [snapshot], remove_all=True)
        forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)
    prune.run(
        repo, options=AT_ONCE, lease=PRUNER, is_dead=lambda _: True, tell=lambda _: None, clock=CLOCK,
        entropy=os.urandom, progress=Quiet(),
    )  # fmt: skip
    taken += [_day(repo, directory, day) for day in (3, 4)]
    for kind in DIRECTORIES:
        third_name = _furnish(repo, kind, taken[2])
        before[third_name] = store.files[third_name]
        store.delete(third_name)
    snapshots = taken[2:]
    return World(
        files=dict(store.files),
        victims={kind: _victim(repo, kind, snapshots[0]) for kind in DIRECTORY_OF} | {"slot": f"keys/{second.hex()}"},
        gone={kind: found for kind in DIRECTORY_OF if (found := _gone(before, store.files, kind)) is not None},
        foreign=_foreign(),
        snapshots=snapshots,
        expected={snapshot: contents(repo, snapshot) for snapshot in snapshots},
        database=replace(_database(5), earlier=_database(4)),
        directory=directory,
    )


def _database(day: int) -> FakeDatabase:
    return FakeDatabase(
        tables={
            "public.events": [
                rows(0, 150).replace(b"\n70\t", b"\n70\t%d" % day),
                *(rows(n, 90) for n in range(day + 1)),
            ],
            "public.other": [rows(9 + day % 2, 20)],
        },
        large_objects={7: rows(70 + day, 60)},
        sequences={"public.s": day},
    )


def _day(repo: Open, directory: FakeDirectory, day: int) -> SnapshotId:
    directory.rest()
    directory.write(b"day", rows(60 + day, 40))
    return take(repo, _database(day), {"lib": directory}, source=SOURCE).id


def _victim(repo: Open, kind: str, oldest: SnapshotId) -> str:
    """A snapshot that is not the last; a pack whose middle the oldest snapshot needs, or an index file; of the forgotten a record that tells
    of no parent, whose absence nobody can tell."""
    found = names(_files(repo), kind)
    if kind == "forgotten":
        return next(name for name in found if not damage(opened(MemoryStore(_without(repo, name)))))
    if kind == "snapshot":
        return f"snapshots/{oldest.hex()}"
    if kind in ("data pack", "meta pack"):
        return next(name for name in found if not _is_whole(_spoiled(repo, name), oldest))
    if kind == "index":
        return next(name for name in found if not _is_whole(_without(repo, name), oldest))
    return found[0]


def _is_whole(files: dict[str, bytes], snapshot: SnapshotId) -> bool:
    try:
        contents(opened(MemoryStore(files)), snapshot)
    except VaultError:
        return False
    return True


def _spoiled(repo: Open, name: str) -> dict[str, bytes]:
    """With a bit in the middle of the file turned."""
    data = bytearray(_files(repo)[name])
    data[len(data) // 2] ^= 1
    return _files(repo) | {name: bytes(data)}


def _without(repo: Open, name: str) -> dict[str, bytes]:
    return {other: data for other, data in _files(repo).items() if other != name}


def _files(repo: Open) -> dict[str, bytes]:
    assert isinstance(repo.store, MemoryStore)
    return repo.store.files


def _gone(before: Mapping[str, bytes], now: Mapping[str, bytes], kind: str) -> tuple[str, bytes] | None:
    return next(((name, before[name]) for name in names(before, kind) if name not in now), None)


def _foreign() -> Mapping[str, tuple[str, bytes]]:
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
    repo = Closed(store).open(PASSPHRASE)
    snapshot = _day(repo, FakeDirectory({b"f": b"theirs"}), 0)
    for kind in DIRECTORIES:
        _furnish(repo, kind, snapshot)
    return {kind: (name, store.files[name]) for kind in DIRECTORY_OF for name in names(store.files, kind)[:1]}


# --- one of each record ----------------------------------------------------------------------------


def _furnish(repo: Open, kind: FileKind, snapshot: SnapshotId) -> str:
    """Three records of a kind; the name of the last."""
    saved = [records.save(repo, kind, RECORDS[kind](snapshot, number), entropy=os.urandom) for number in (1, 2, 3)]
    return saved[-1]


def _lease(snapshot: SnapshotId, number: int) -> bytes:
    """Of a restore whose process is gone: it holds up no prune."""
    return upkeep.encode_lease(
        Lease(created_ms=number, host="elsewhere", pid=number, purpose="restore", source=SOURCE, parent=snapshot)
    )


def _sweep(snapshot: SnapshotId, number: int) -> bytes:
    return upkeep.encode_sweep(Sweep(created_ms=number, packs=(PackId(bytes([number]) * 32),)))


def _forgotten(snapshot: SnapshotId, number: int) -> bytes:
    other = ForgottenSnapshot(id=SnapshotId(bytes([number]) * 32), source=SOURCE, sequence=number, created_ms=number)
    return upkeep.encode_forgotten(Forgotten(created_ms=number, snapshots=(other,)))


def _check(snapshot: SnapshotId, number: int) -> bytes:
    return notes.encode_check(CheckRecord(created_ms=number, kind="check", host="elsewhere", objects=1, read_bytes=1))


def _pin(snapshot: SnapshotId, number: int) -> bytes:
    reason = f"reason {number}"
    return notes.encode_pin(
        Pin(created_ms=number, host="elsewhere", reason=reason, snapshot=snapshot, source=SOURCE, sequence=3)
    )


_FINDING: Final = Finding(code="TABLE_EMPTY", subject="public.events", text="it has no rows any more")


def _findings(snapshot: SnapshotId, number: int) -> bytes:
    """Of a snapshot that is not there, so that they make none of ours suspect."""
    other = SnapshotId(bytes([number]) * 32)
    return notes.encode_findings(
        Findings(created_ms=number, findings=(_FINDING,), snapshot=other, source=SOURCE, sequence=1)
    )


def _ack(snapshot: SnapshotId, number: int) -> bytes:
    return notes.encode_ack(
        Ack(created_ms=number, finding=FindingId(bytes([number]) * 32), host="elsewhere", reason="we know")
    )


def _drill(snapshot: SnapshotId, number: int) -> bytes:
    return notes.encode_drill(
        DrillRecord(
            created_ms=number, duration_ms=1, host="elsewhere", mismatches=(), not_checked=(), passed=True, rows=1,
            server="PostgreSQL 15", snapshot=snapshot, source=SOURCE, tables=1,
        )
    )  # fmt: skip


RECORDS: Final[Mapping[FileKind, Callable[[SnapshotId, int], bytes]]] = {
    FileKind.LEASE: _lease,
    FileKind.SWEEP: _sweep,
    FileKind.FORGOTTEN: _forgotten,
    FileKind.CHECK: _check,
    FileKind.PIN: _pin,
    FileKind.FINDINGS: _findings,
    FileKind.ACK: _ack,
    FileKind.DRILL: _drill,
}
