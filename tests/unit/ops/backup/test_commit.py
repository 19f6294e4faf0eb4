"""What a backup looks at again before and after its manifest: everything that it relies on and did not write itself (spec 80-leases)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import Quiet, contents, new_repository, opened, rows, take
from vault.crypto import keyed
from vault.errors import Locked, MissingObject, StoreDenied, StoreError, StoreFull, Unavailable
from vault.format.upkeep import decode_forgotten, decode_lease, encode_sweep, upkeep_name
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import Codec, FileKind, Lease, Sweep
from vault.ops.backup.run import BackupReport
from vault.ports import ObjectStore
from vault.repo.keyring import seal_file, unseal_file
from vault.repo.state import Open
from vault.store.memory import MemoryStore

FIRST = FakeDatabase(tables={"public.t": [rows(n, 700) for n in range(5)]})
SAME = FakeDatabase(tables=FIRST.tables, earlier=FIRST)
EDITED = FakeDatabase(tables={"public.t": [rows(n, 700).replace(b"9\t", b"8\t", 1) for n in range(5)]}, earlier=FIRST)
WAYS = pytest.mark.parametrize("second", [SAME, EDITED], ids=["taken over", "base of a delta"])

DENIED = (("delete", "snapshots/"), ("put", "forgotten/"))


class Before(FaultStore):
    """Does something once, before the put number `at` below a prefix."""

    def __init__(self, next_store: ObjectStore, prefix: str, action: Callable[[], None], *, at: int = 1) -> None:
        super().__init__(next_store)
        self._prefix, self._action = prefix, action
        self._left = at

    def put(self, name: str, data: bytes) -> None:
        if name.startswith(self._prefix):
            self._left -= 1
            if not self._left:
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


def first_sample(length: int) -> bytes:
    """Draws the first extent of the first table as the sample that is read again, and so that table's list is put anew."""
    return bytes(8) if length == 8 else os.urandom(length)


def refused(
    store: MemoryStore,
    known: BackupReport | list[SnapshotId],
    second: FakeDatabase,
    action: Callable[[], None],
    prefix: str = "leases/",
) -> None:
    """`action` happens when everything was read and the second lease is about to be written, or the first file below another
    prefix; no snapshot may come of it."""
    before = Before(store, prefix, action, at=2 if prefix == "leases/" else 1)
    with pytest.raises((Locked, MissingObject), match="that this command relies on"):
        take(opened(before), second, entropy=first_sample)
    assert [snapshot for snapshot, _ in opened(store).snapshots()] == (known if isinstance(known, list) else [known.id])
    assert [name for name in store.files if name.startswith("leases/")] == []


@pytest.mark.spec("LEASE-1")
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


@pytest.mark.spec("LEASE-10")
@pytest.mark.parametrize("first_put", [True, False], ids=["under the lease", "before it"])
@WAYS
def test_packs_that_a_sweep_names_do_not_exist_for_a_writer(
    store: MemoryStore, first: BackupReport, second: FakeDatabase, first_put: bool
) -> None:
    """Neither for deduplication nor as bases: the snapshot is whole when they are gone, and no backup fails for them."""
    packs = {PackId(bytes.fromhex(name[6:])) for name in store.files if name.startswith("packs/")}
    if not first_put:
        sweep(store, packs)
    action = (lambda: sweep(store, packs)) if first_put else (lambda: None)
    report = take(opened(Before(store, "leases/", action)), second)
    assert contents(opened(store), first.id)["table public.t"] == b"".join(FIRST.tables["public.t"]), (
        "readers read them"
    )
    for pack in packs:
        store.delete(f"packs/{pack.hex()}")
    assert contents(opened(store), report.id)["table public.t"] == b"".join(second.tables["public.t"])
    index = opened(store).indexed(None).index
    assert {index.chain(one)[0].record.codec for one in chunks(opened(store), report)} == {Codec.ZSTD}


@pytest.mark.spec("LEASE-10")
def test_lease_then_sweeps_then_index_then_packs(store: MemoryStore, first: BackupReport) -> None:
    recording = RecordingStore(store)
    take(opened(recording), SAME)
    seen = [f"{call.kind} {call.name.partition('/')[0]}".strip() for call in recording.calls]
    start = seen.index("put leases")
    listed = [one for one in seen[start:] if one.split(" ")[0] in ("put", "barrier", "list")]
    assert listed[:5] == ["put leases", "barrier", "list sweeps", "list index", "list packs"]
    assert not {"list index", "list packs"}.intersection(seen[:start])


@pytest.mark.spec("LEASE-2")
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


@pytest.mark.spec("LEASE-7")
@pytest.mark.parametrize("inner", [False, True], ids=["one node", "nodes above nodes"])
def test_nodes_of_a_table_that_is_taken_over_are_relied_on(store: MemoryStore, inner: bool) -> None:
    """They lie in a pack of the second day; on the third only another table changes, so nothing else of that pack is needed."""
    extents = [rows(n, 20) for n in range(600 if inner else 5)]
    first = {"public.a": [rows(800, 9)], "public.t": extents[:-1], "public.other": [rows(900, 50)]}
    second = {**first, "public.t": extents}
    third = {**second, "public.other": [rows(901, 50)]}
    repo = new_repository(store)
    take(repo, FakeDatabase(tables=first))
    before = set(store.files)
    saved = take(repo, FakeDatabase(tables=second, earlier=FakeDatabase(tables=first)))
    fresh = {name for name in set(store.files) - before if name.startswith("packs/")}
    again = FakeDatabase(tables=third, earlier=FakeDatabase(tables=second))
    for name in sorted(fresh):
        kept = dict(store.files)
        refused(store, [known for known, _ in repo.snapshots()], again, lambda name=name: store.delete(name), "packs/")  # type: ignore[misc]
        store.files.clear()
        store.files.update(kept)
    report = take(opened(store), again, entropy=first_sample)
    assert report.manifest.parent == saved.id
    assert report.manifest.effort.extents_reused == len(extents) + 1


def test_nodes_of_a_long_file_that_is_taken_over_are_relied_on(store: MemoryStore) -> None:
    """Its list of chunks has nodes; the list of files is written anew beside it."""
    directory = FakeDirectory({b"long": os.urandom(12_000_000)})
    repo = new_repository(store)
    first = take(repo, None, {"lib": directory})
    (long,) = repo.indexed(None).snapshot(first.id).files("lib")
    assert long.chunks.more is not None
    directory.write(b"another", b"text")
    directory.rest()
    take(repo, None, {"lib": directory})


def leases(store: MemoryStore) -> list[Lease]:
    keys = opened(store).keys
    return [
        decode_lease(unseal_file(data, FileKind.LEASE, keys))
        for name, data in store.files.items()
        if name.startswith("leases/")
    ]


def test_lease_names_every_pack_before_the_snapshot_is_put(store: MemoryStore, first: BackupReport) -> None:
    seen: list[Lease] = []
    take(opened(Before(store, "snapshots/", lambda: seen.extend(leases(store)))), SAME)
    earlier, named = sorted(seen, key=lambda lease: len(lease.packs))
    assert not earlier.packs, "the earlier one goes with the last"
    packs = {PackId(bytes.fromhex(name[6:])) for name in store.files if name.startswith("packs/")}
    assert set(named.packs) == packs
    assert named.parent == first.id
    assert leases(store) == []


@pytest.mark.spec("LEASE-9")
@pytest.mark.parametrize("lands", [False, True])
@pytest.mark.parametrize("error", [Unavailable("no answer"), StoreError("cut"), StoreFull("full"), KeyboardInterrupt()])
def test_lease_stays_where_the_put_of_the_snapshot_ended_without_an_answer(
    store: MemoryStore, lands: bool, error: BaseException
) -> None:
    new_repository(store)
    progress = Quiet()
    faulty = FaultStore(store, [Fault(kind="put", prefix="snapshots/", error=error, after=lands)])
    with pytest.raises(type(error)):
        take(opened(faulty), FIRST, progress=progress)
    (stays,) = leases(store)
    assert {PackId(bytes.fromhex(name[6:])) for name in store.files if name.startswith("packs/")} == set(stays.packs)
    assert [event for event in progress.events if "stays" in event]
    assert len(opened(store).snapshots()) == int(lands)


@pytest.mark.parametrize("prefix", ["packs/", "index/", "leases/"])
def test_lease_goes_where_any_other_put_fails(store: MemoryStore, prefix: str) -> None:
    new_repository(store)
    at = 2 if prefix == "leases/" else 1
    with pytest.raises(Unavailable):
        take(opened(FaultStore(store, [Fault(kind="put", prefix=prefix, at=at, error=Unavailable("gone"))])), FIRST)
    assert leases(store) == []


def test_a_snapshot_that_cannot_be_withdrawn_is_named(store: MemoryStore) -> None:
    """As where the rights do not include to delete: it stays, and nobody may take it for a sound one unwarned."""
    new_repository(store)

    def unlock() -> None:
        for name in [name for name in store.files if name.startswith("leases/")]:
            store.delete(name)

    denied = StoreDenied("cannot delete", why="the credentials lack the right")
    faulty = FaultStore(store, [Fault(kind=kind, prefix=prefix, error=denied) for kind, prefix in DENIED])
    with pytest.raises(Locked) as caught:
        take(opened(Before(faulty, "snapshots/", unlock)), FIRST)
    (left,) = opened(store).snapshots()
    assert left[0].hex()[:12] in caught.value.why
    assert "the right to delete" in caught.value.why
    assert f"pgvault forget {left[0].hex()[:12]}" in caught.value.hint


def test_withdrawn_snapshot_leaves_a_record(store: MemoryStore) -> None:
    """So that a later check does not call it lost."""
    new_repository(store)

    def unlock() -> None:
        for name in [name for name in store.files if name.startswith("leases/")]:
            store.delete(name)

    with pytest.raises(Locked):
        take(opened(Before(store, "snapshots/", unlock)), FIRST)
    (record,) = [data for name, data in store.files.items() if name.startswith("forgotten/")]
    (one,) = decode_forgotten(unseal_file(record, FileKind.FORGOTTEN, opened(store).keys)).snapshots
    assert (one.source, one.sequence) == ("project", 1)
