"""One snapshot under a lease: what is looked at in which order, and how it ends where the lease went (spec 80-leases)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import TestClock, opened, put_manifest
from vault.errors import Interrupted, Locked, StoreDenied, StoreError, Unavailable
from vault.ids import SnapshotId
from vault.model import ForgottenSnapshot, Lease, Manifest, ObjectType
from vault.ports import Clock, ObjectStore
from vault.repo import lease, sweep
from vault.repo import writer as writer_module
from vault.repo.records import forgotten
from vault.repo.writer import Committed
from vault.repo.writing import Writing, snapshot_id_of, taken, writing
from vault.store.memory import MemoryStore

TERMS = Lease(created_ms=1, host="h", pid=2, purpose="copy", source="app", parent=None)


def begun(store: ObjectStore, warned: list[str], clock: Clock | None = None) -> AbstractContextManager[Writing]:
    return writing(
        opened(store), TERMS, clock=clock or TestClock(), entropy=os.urandom, warn=warned.append, cache_dir=None
    )


def commit(under: Writing, manifest: Manifest, **changes: int) -> Committed:
    rely_on_all(under)
    return under.commit(lambda _: replace(manifest, **changes))  # type: ignore[arg-type]


def rely_on_all(under: Writing) -> None:
    """What the manifest names is in some pack."""
    index = under.indexed.index
    for pack in index.pack_sizes:
        for place in index.in_pack(pack):
            under.writer.adopt(place.record.id)


def below(store: MemoryStore, directory: str) -> set[str]:
    return {name for name in store.files if name.startswith(f"{directory}/")}


class Removed(FaultStore):
    """Somebody removes the leases as soon as a snapshot is put."""

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        if name.startswith("snapshots/"):
            self.delete(*[stored.name for stored in self.list("leases/")])


@pytest.mark.spec("LEASE-3")
def test_a_snapshot_is_judged_then_looked_at_then_put_then_its_lease_looked_for(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    recording = RecordingStore(store)
    judged: list[SnapshotId] = []

    def judge(snapshot_id: SnapshotId, judged_manifest: Manifest) -> None:
        assert judged_manifest.sequence == 7
        judged.append(snapshot_id)
        recording.calls.clear()

    with begun(recording, warned) as under:
        rely_on_all(under)
        done = under.commit(lambda _: replace(manifest, sequence=7), judge=judge)
        assert under.writer.unsettled == ""
    steps = [f"{call.kind} {call.name.partition('/')[0]}".strip() for call in recording.calls]
    assert steps == [
        *("put leases", "barrier", "list sweeps", "list packs"),
        *("put snapshots", "barrier", "list leases", "delete leases", "delete leases"),
    ]
    assert judged == [done.id]
    assert opened(store).manifest(done.id) == done.manifest
    assert below(store, "leases") == set()
    assert warned == []


def test_a_snapshot_gets_no_name_that_is_taken(store: MemoryStore, manifest: Manifest, warned: list[str]) -> None:
    repo = opened(store)

    def later_ms(number: int) -> Manifest:
        effort = replace(manifest.effort, new_bytes=0, duration_ms=5 + number)
        return replace(manifest, sequence=7, effort=effort)

    names = {snapshot_id_of(later_ms(number), repo.keys.id_key) for number in (0, 1)}
    with begun(store, warned) as under:
        rely_on_all(under)
        done = under.commit(lambda _: later_ms(0), taken=names)
        assert done.manifest == later_ms(2)
        assert under.commit(lambda _: replace(later_ms(0), sequence=8), taken=names).manifest.effort.duration_ms == 5
    assert names.isdisjoint({known for known, _ in opened(store).snapshots()})


@pytest.mark.spec("LEASE-3")
@pytest.mark.parametrize("may_delete", [True, False])
def test_a_snapshot_whose_lease_went_is_withdrawn_or_told(
    store: MemoryStore, manifest: Manifest, warned: list[str], may_delete: bool
) -> None:
    before = below(store, "snapshots")
    faults = [] if may_delete else [Fault(kind="delete", prefix="snapshots/", error=StoreDenied("no right"))]
    with pytest.raises(Locked) as caught, begun(Removed(store, faults), warned) as under:
        commit(under, manifest, sequence=7, created_ms=8)
    told = caught.value
    assert str(told) == "the lease of this copy was removed while it ran"
    ((_, record),) = forgotten(opened(store)).found
    (item,) = record.snapshots
    assert item == ForgottenSnapshot(id=item.id, source=manifest.source, sequence=7, created_ms=8)
    name = item.id.hex()[:12]
    if may_delete:
        assert told.why == "a prune may have deleted what it relied on, so its snapshot was withdrawn"
        assert told.hint == "run the copy again"
        assert below(store, "snapshots") == before
    else:
        assert told.why.startswith("a prune may have deleted what it relied on; ")
        assert f"its snapshot {name} stays" in told.why
        assert told.hint == f"run the copy again; whoever may delete removes the other one: pgvault forget {name}"
        assert below(store, "snapshots") == before | {f"snapshots/{item.id.hex()}"}
    assert warned == []


@pytest.mark.spec("LEASE-3")
def test_a_lease_whose_snapshot_may_be_there_stays_and_the_ones_before_it_go(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    faulty = FaultStore(store, [Fault(kind="put", prefix="snapshots/", error=Unavailable("no answer"), after=True)])
    before = below(store, "snapshots")
    with pytest.raises(Unavailable), begun(faulty, warned) as under:
        commit(under, manifest, sequence=7)
    (kept,) = below(store, "leases")
    (snapshot,) = below(store, "snapshots") - before
    (line,) = warned
    assert line.startswith(f"{snapshot} may be there")
    assert f"{kept} stays" in line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StoreDenied("no right"), "stays, for want of the right to delete"),
        (Unavailable("busy"), "could not be removed (busy)"),
        (Interrupted("ended"), "could not be removed (ended)"),
    ],
)
def test_a_lease_that_cannot_be_removed_is_named_and_fails_nothing(
    store: MemoryStore, manifest: Manifest, warned: list[str], error: StoreError, line: str
) -> None:
    faults = [Fault(kind="delete", prefix="leases/", at=at, error=error) for at in (1, 2)]
    with begun(FaultStore(store, faults), warned) as under:
        done = commit(under, manifest, sequence=7)
    assert done.id in {known for known, _ in opened(store).snapshots()}
    (told,) = warned
    assert line in told
    assert told.partition(" ")[0] in below(store, "leases")


@pytest.mark.spec("LEASE-11")
def test_a_lease_names_packs_while_more_are_written_and_hears_that_one_goes(
    store: MemoryStore, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 1)  # each object fills a pack, and has a fragment
    repo = opened(store)
    with begun(store, warned) as under:
        for number in range(2):
            under.writer.put(ObjectType.FILE_CHUNK, b"%d" % number)
            (found,) = sweep.found_leases(repo)
            packs = sorted(under.writer.relied_on())
            assert found.lease == replace(TERMS, packs=tuple(packs))
            assert len(packs) == number + 1
        sweep.publish(repo, packs[:1], now_ms=1, entropy=os.urandom)
        with pytest.raises(Locked, match="is deleting packs"):
            under.writer.put(ObjectType.FILE_CHUNK, b"one more")
    assert below(store, "leases") == set()


class Slow(TestClock):
    """Each look before a commit takes as long as `looks` says."""

    __test__ = False

    def __init__(self, looks: Iterator[int]) -> None:
        super().__init__()
        self._looks, self._began, self._at_s = looks, False, 0

    def uptime_s(self) -> float:
        self._began = not self._began
        self._at_s += 0 if self._began else next(self._looks)
        return self._at_s


@pytest.mark.spec("LEASE-12")
@pytest.mark.parametrize(
    ("looks", "leases"), [([600], 2), ([601, 600], 3), ([601, 601, 0], 4), ([601, 601, 601], None)]
)
def test_a_look_that_took_too_long_is_taken_again_but_not_for_ever(
    store: MemoryStore, manifest: Manifest, warned: list[str], looks: list[int], leases: int | None
) -> None:
    recording = RecordingStore(store)
    before = below(store, "snapshots")
    under = begun(recording, warned, Slow(iter(looks)))
    if leases is None:
        with pytest.raises(StoreError, match="took over 10 minutes, 3 times") as caught, under as one:
            commit(one, manifest, sequence=7)
        assert "run the copy again" in caught.value.hint
        assert below(store, "snapshots") == before
    else:
        with under as one:
            commit(one, manifest, sequence=7)
        assert recording.requests().count("put leases") == leases
    assert below(store, "leases") == set()


def test_names_that_are_taken_are_those_of_files_readable_or_not_and_of_what_was_forgotten(
    store: MemoryStore, manifest: Manifest
) -> None:
    repo = opened(store)
    (there,) = (known for known, _ in repo.snapshots())
    gone = put_manifest(repo, manifest, sequence=7)
    item = ForgottenSnapshot(id=gone, source=manifest.source, sequence=7, created_ms=1)
    lease.take_back(repo, item, now_ms=1, entropy=os.urandom)
    unreadable = SnapshotId(b"u" * 32)
    store.put(f"snapshots/{unreadable.hex()}", b"junk")
    store.put("snapshots/readme", b"junk")
    assert taken(repo) == {there, gone, unreadable}
