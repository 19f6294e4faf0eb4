"""What a backup looks at again before and after its manifest: everything that it relies on and did not write itself (spec 80-leases)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import FaultStore, RecordingStore
from tests.small_repository import contents, new_repository, opened, rows, take
from vault.crypto import keyed
from vault.errors import Locked, MissingObject
from vault.format.upkeep import encode_sweep, upkeep_name
from vault.ids import ObjectId, PackId
from vault.model import Codec, FileKind, Sweep
from vault.ops.backup.run import BackupReport
from vault.repo.keyring import seal_file
from vault.repo.state import Open
from vault.store.memory import MemoryStore

FIRST = FakeDatabase(tables={"public.t": [rows(n, 700) for n in range(5)]})
SAME = FakeDatabase(tables=FIRST.tables, earlier=FIRST)
EDITED = FakeDatabase(tables={"public.t": [rows(n, 700).replace(b"9\t", b"8\t", 1) for n in range(5)]}, earlier=FIRST)
WAYS = pytest.mark.parametrize("second", [SAME, EDITED], ids=["taken over", "base of a delta"])


class Before(FaultStore):
    """Does something once, before the first put below a prefix."""

    def __init__(self, next_store: MemoryStore, prefix: str, action: Callable[[], None]) -> None:
        super().__init__(next_store)
        self._prefix, self._action = prefix, action
        self._done = False

    def put(self, name: str, data: bytes) -> None:
        if name.startswith(self._prefix) and not self._done:
            self._done = True
            self._action()
        super().put(name, data)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def first(store: MemoryStore) -> BackupReport:
    return take(new_repository(store), FIRST)


def chunks(repo: Open, report: BackupReport) -> list[ObjectId]:
    snapshot = repo.indexed(None).snapshot(report.id)
    (table,) = snapshot.tables()
    return [ref.id for extent in snapshot.extents(table) for ref in snapshot.chunk_refs(extent.chunks)]


def row_packs(store: MemoryStore, report: BackupReport) -> set[PackId]:
    """Packs that hold row chunks, and nothing but file contents besides."""
    repo = opened(store)
    index = repo.indexed(None).index
    return {index.chain(object_id)[0].pack for object_id in chunks(repo, report)}


def sweep(store: MemoryStore, packs: set[PackId]) -> None:
    repo = opened(store)
    plain = encode_sweep(Sweep(created_ms=1, packs=tuple(sorted(packs))))
    data = seal_file(plain, FileKind.SWEEP, repo.keys, salt=os.urandom(24), squeeze=False)
    store.put(upkeep_name(FileKind.SWEEP, keyed.sha256(data)), data)


def refused(store: MemoryStore, first: BackupReport, second: FakeDatabase, action: Callable[[], None]) -> None:
    """The index is open and the lease is about to be written when `action` happens; no snapshot may come of it."""
    with pytest.raises((Locked, MissingObject), match="that this backup relies on"):
        take(opened(Before(store, "leases/", action)), second)
    assert [snapshot for snapshot, _ in opened(store).snapshots()] == [first.id]
    assert [name for name in store.files if name.startswith("leases/")] == []


@WAYS
def test_packs_of_rows_that_are_being_swept_are_not_relied_on(
    store: MemoryStore, first: BackupReport, second: FakeDatabase
) -> None:
    for pack in row_packs(store, first):
        before = dict(store.files)
        refused(store, first, second, lambda pack=pack: sweep(store, {pack}))  # type: ignore[misc]
        store.files.clear()
        store.files.update(before)
    assert take(opened(store), second).manifest.suspect == ""


@pytest.mark.parametrize("harm", ["gone", "shorter"])
def test_packs_of_rows_that_went_away_meanwhile_are_not_relied_on(
    store: MemoryStore, first: BackupReport, harm: str
) -> None:
    for pack in row_packs(store, first):
        name = f"packs/{pack.hex()}"
        data = store.files[name]

        def spoil(name: str = name, data: bytes = data) -> None:
            if harm == "gone":
                del store.files[name]
            else:
                store.files[name] = data[:-1]

        refused(store, first, SAME, spoil)
        store.files[name] = data


def test_edited_rows_are_deltas_of_the_day_before(store: MemoryStore, first: BackupReport) -> None:
    """So that the case above is one."""
    repo = opened(store)
    second = take(repo, EDITED)
    index = repo.indexed(None).index
    assert {index.chain(object_id)[0].record.codec for object_id in chunks(repo, second)} == {Codec.ZSTD_DELTA}
    assert contents(repo, second.id)["table public.t"] == b"".join(EDITED.tables["public.t"])


def test_withdrawn_snapshot_is_durably_gone_before_the_backup_fails(store: MemoryStore) -> None:
    """A power cut after the error must not bring back a manifest whose packs a prune may have deleted."""
    new_repository(store)

    def unlock() -> None:
        for name in [name for name in store.files if name.startswith("leases/")]:
            store.delete(name)

    recording = RecordingStore(Before(store, "snapshots/", unlock))
    with pytest.raises(Locked, match="was removed while it ran"):
        take(opened(recording), FIRST)
    kinds = [call.kind + " " + call.name.partition("/")[0] for call in recording.calls]
    assert "barrier " in kinds[kinds.index("delete snapshots") :]
    assert opened(store).snapshots() == []
