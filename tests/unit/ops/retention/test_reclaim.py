"""What sweeps name goes only if nothing needs it, whoever wrote the sweep; and whatever ends it half way, the next run goes on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Fault, FaultStore, RecordingStore
from tests.needed import ByReading
from tests.packs import Made, put_fragment, put_pack
from tests.small_repository import Quiet, TestClock, contents, damage, new_repository, opened, rows, take
from vault.errors import Locked, StoreError, Unavailable, VaultError
from vault.format.upkeep import encode_lease, upkeep_name
from vault.ids import PackId, SnapshotId
from vault.limits import LEASE_AGE_S, SWEEP_AGE_S
from vault.model import FileKind, ForgottenSnapshot, Lease
from vault.ops.backup.run import BackupReport
from vault.ops.retention.reclaim import Reclaimed, maintenance, run
from vault.ports import ObjectStore, StoredFile
from vault.repo.keyring import seal_file
from vault.repo.lease import publish as publish_lease
from vault.repo.lease import take_back
from vault.repo.sweep import publish
from vault.store.memory import MemoryStore

ONE = FakeDatabase(tables={"public.t": [rows(n, 300) for n in range(3)]})
TWO = FakeDatabase(tables={"public.u": [rows(n + 50, 300) for n in range(3)]})
DAY_MS = LEASE_AGE_S * 1000


class Standing(TestClock):
    """The store's clock: it moves when somebody says so."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.at_ms = 1_750_000_000_000

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def store(clock: Standing) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def reports(store: MemoryStore) -> tuple[BackupReport, BackupReport]:
    """Of two sources that share nothing."""
    repo = new_repository(store)
    return take(repo, ONE, source="one"), take(repo, TWO, source="two")


@pytest.fixture
def dead(store: MemoryStore, reports: tuple[BackupReport, BackupReport]) -> frozenset[PackId]:
    """Packs that only the snapshot of source one needed, which is forgotten."""
    one, two = reports
    forget(store, one)
    needed = relied_on(store, two.id)
    return frozenset(packs(store) - needed)


def forget(store: ObjectStore, report: BackupReport) -> None:
    item = ForgottenSnapshot(
        id=report.id, source=report.manifest.source, sequence=report.manifest.sequence, created_ms=1
    )
    take_back(opened(store), item, now_ms=1, entropy=os.urandom)


def packs(store: MemoryStore) -> set[PackId]:
    return {PackId(bytes.fromhex(name[6:])) for name in store.files if name.startswith("packs/")}


def names(store: MemoryStore, prefix: str) -> list[str]:
    return sorted(name for name in store.files if name.startswith(prefix))


def relied_on(store: MemoryStore, snapshot: SnapshotId) -> set[PackId]:
    """Packs without which a snapshot is not whole, found by taking each away."""
    needed = set()
    for pack in packs(store):
        name = f"packs/{pack.hex()}"
        data = store.files.pop(name)
        try:
            contents(opened(store), snapshot)
        except VaultError:
            needed.add(pack)
        store.files[name] = data
    return needed


def reclaim(store: ObjectStore, going: Iterable[PackId] = (), *, progress: Quiet | None = None) -> Reclaimed:
    repo = opened(store)
    tell = progress or Quiet()
    with maintenance(repo, lease(), is_dead=lambda _: False, entropy=os.urandom, progress=tell) as own:
        return run(
            repo,
            list(going),
            needed=ByReading(),
            lease=own,
            clock=TestClock(),
            entropy=os.urandom,
            progress=tell,
        )


def lease(purpose: str = "backup", going: Iterable[PackId] = (), parent: SnapshotId | None = None) -> Lease:
    return Lease(created_ms=1, host="h", pid=7, purpose=purpose, source="s", parent=parent, packs=tuple(sorted(going)))


def leased(store: ObjectStore, one: Lease) -> str:
    return publish_lease(opened(store), one, entropy=os.urandom)


def swept(store: ObjectStore, going: Iterable[PackId]) -> None:
    """A sweep of a pruner that died."""
    publish(opened(store), going, now_ms=1, entropy=os.urandom)


def whole(store: MemoryStore, report: BackupReport, database: FakeDatabase) -> None:
    (name,) = database.tables
    assert contents(opened(store), report.id)[f"table {name}"] == b"".join(database.tables[name])
    assert not [fault for fault in damage(opened(store)) if fault.affects]


def test_what_nothing_needs_goes(
    store: MemoryStore, reports: tuple[BackupReport, BackupReport], dead: frozenset[PackId]
) -> None:
    assert dead
    size = sum(len(store.files[f"packs/{pack.hex()}"]) for pack in dead)
    done = reclaim(store, dead)
    assert (done.deleted, done.deleted_bytes, done.sweeps, done.denied) == (len(dead), size, 0, ())
    assert packs(store).isdisjoint(dead)
    assert names(store, "sweeps/") == names(store, "leases/") == []
    whole(store, reports[1], TWO)


@pytest.mark.spec("LEASE-14", "LEASE-4")
def test_it_publishes_then_looks_then_deletes(store: MemoryStore, dead: frozenset[PackId]) -> None:
    recording = RecordingStore(store)
    reclaim(recording, dead)
    seen = [f"{call.kind} {call.name.partition('/')[0]}".strip() for call in recording.calls]
    seen = seen[seen.index("put sweeps") :]
    assert seen[:2] == ["put sweeps", "barrier"]
    first = {what: seen.index(what) for what in ("delete packs", "delete sweeps")}
    order = ["list sweeps", "list leases", "list snapshots", "list index", "list packs"]
    look = [one for one in seen[: first["delete packs"]] if one in order]
    look = [one for at, one in enumerate(look) if at == 0 or one != look[at - 1]]
    assert look[-6:] == ["list sweeps", "list leases", "list sweeps", *order[2:]]
    assert "barrier" in seen[first["delete packs"] : first["delete sweeps"]], "or a loss of power takes the sweep alone"


@pytest.mark.spec("LEASE-15")
def test_what_a_snapshot_needs_stays_and_so_does_its_sweep(
    store: MemoryStore, reports: tuple[BackupReport, BackupReport], dead: frozenset[PackId]
) -> None:
    needed = packs(store) - dead
    done = reclaim(store, packs(store))
    assert (done.deleted, done.needed, done.sweeps) == (len(dead), len(needed), 1)
    assert packs(store) == needed
    whole(store, reports[1], TWO)


@pytest.mark.spec("LEASE-15")
def test_an_object_in_two_packs_keeps_both_where_both_are_swept(store: MemoryStore) -> None:
    """As two pruners do that do not know of each other: each sees the other's sweep, or is seen."""
    repo = new_repository(store)
    report = take(repo, ONE)
    kept = packs(store)
    index = repo.indexed(None).index
    places = [place for pack in kept for place in index.in_pack(pack)]
    (first,) = [place for place in places if place.record.id == index_of_rows(store, report)]
    plain = repo.indexed(None).reader().get(first.record.id, first.record.type)
    twin = put_pack(repo, [Made(plain=plain)])
    put_fragment(repo, [twin], generation=9)
    swept(store, [first.pack])
    done = reclaim(store, [twin.pack])
    assert (done.deleted, done.needed) == (0, 2)
    whole(store, report, ONE)


def index_of_rows(store: MemoryStore, report: BackupReport) -> bytes:
    snapshot = opened(store).indexed(None).snapshot(report.id)
    (table,) = snapshot.tables()
    return next(ref.id for extent in snapshot.extents(table) for ref in snapshot.chunk_refs(extent.chunks))


@pytest.mark.spec("LEASE-15")
def test_a_base_that_only_a_delta_needs_stays(store: MemoryStore) -> None:
    repo = new_repository(store)
    first = take(repo, ONE)
    before = packs(store)
    edited = FakeDatabase(tables={"public.t": [rows(n, 300).replace(b"9\t", b"8\t", 1) for n in range(3)]}, earlier=ONE)
    second = take(repo, edited)
    forget(store, first)
    done = reclaim(store, before)
    assert done.needed > 0
    whole(store, second, edited)


@pytest.mark.spec("LEASE-16")
def test_what_a_lease_names_stays_until_it_is_gone(store: MemoryStore, dead: frozenset[PackId]) -> None:
    name = leased(store, lease(going=dead))
    done = reclaim(store, dead)
    assert (done.deleted, done.leased, done.sweeps) == (0, len(dead), 1)
    assert packs(store) >= dead
    store.delete(name)
    assert reclaim(store).deleted == len(dead)
    assert names(store, "sweeps/") == []


@pytest.mark.spec("LEASE-6")
def test_a_sweep_stays_for_a_writer_that_has_still_to_look(store: MemoryStore, dead: frozenset[PackId]) -> None:
    name = leased(store, lease())
    done = reclaim(store, dead)
    assert (done.deleted, done.sweeps, len(done.writers)) == (len(dead), 1, 1)
    assert len(names(store, "sweeps/")) == 1
    store.delete(name)
    later = leased(store, lease())
    assert reclaim(store).sweeps == 1, "that one may have read the index before this look, too"
    store.delete(later)
    assert reclaim(store).sweeps == 0
    assert names(store, "sweeps/") == []


@pytest.mark.spec("LEASE-17")
@pytest.mark.parametrize("age_ms", [DAY_MS - 1, DAY_MS])
def test_a_lease_that_names_packs_ends_after_a_day(
    store: MemoryStore, clock: Standing, dead: frozenset[PackId], age_ms: int
) -> None:
    name = leased(store, lease(going=dead))
    clock.at_ms += age_ms
    done = reclaim(store, dead)
    assert (name in store.files) is (age_ms < DAY_MS)
    assert done.deleted == (0 if name in store.files else len(dead))


@pytest.mark.spec("LEASE-17")
def test_a_lease_that_cannot_be_removed_counts(store: MemoryStore, clock: Standing, dead: frozenset[PackId]) -> None:
    leased(store, lease(going=dead))
    clock.at_ms += DAY_MS
    denying = FaultStore(store, [Fault(kind="delete", prefix="leases/", error=StoreError("denied"))])
    assert reclaim(denying, dead).deleted == 0
    assert packs(store) >= dead


@pytest.mark.spec("LEASE-16")
@pytest.mark.parametrize(
    ("purpose", "gone", "stays"),
    [("restore", False, False), ("restore", True, True), ("maintenance", True, False), ("mirror", False, True)],
)
def test_what_a_lease_without_packs_pins_is_said_by_its_purpose(
    store: MemoryStore,
    reports: tuple[BackupReport, BackupReport],
    dead: frozenset[PackId],
    purpose: str,
    gone: bool,
    stays: bool,
) -> None:
    one, two = reports
    leased(store, lease(purpose, parent=one.id if gone else two.id))
    if purpose == "maintenance":
        store.delete(names(store, "leases/")[0])
    done = reclaim(store, dead)
    assert (done.deleted, done.leased) == ((0, len(dead)) if stays else (len(dead), 0))


@pytest.mark.spec("LEASE-16")
def test_a_lease_that_a_newer_program_wrote_pins_everything(store: MemoryStore, dead: frozenset[PackId]) -> None:
    repo = opened(store)
    plain = encode_lease(lease()).replace(b"purpose", b"purpoze")
    data = seal_file(plain, FileKind.LEASE, repo.keys, salt=os.urandom(24), squeeze=False)
    store.put(upkeep_name(FileKind.LEASE, os.urandom(32)), data)
    assert reclaim(store, dead).leased == len(dead)


def test_what_is_no_lease_pins_nothing(store: MemoryStore, dead: frozenset[PackId]) -> None:
    """Anybody who can write to the storage can put it there."""
    store.put(upkeep_name(FileKind.LEASE, bytes(32)), b"hostile")
    store.put(upkeep_name(FileKind.SWEEP, bytes(32)), b"hostile")
    assert reclaim(store, dead).deleted == len(dead)


@pytest.mark.spec("LEASE-18")
def test_a_sweep_of_a_dead_pruner_is_carried_out_as_far_as_nothing_needs_it(
    store: MemoryStore, reports: tuple[BackupReport, BackupReport], dead: frozenset[PackId]
) -> None:
    swept(store, packs(store))
    done = reclaim(store)
    assert done.deleted == len(dead)
    whole(store, reports[1], TWO)


@pytest.mark.spec("LEASE-4")
def test_backups_go_on_beside_a_sweep_and_rely_on_nothing_of_it(
    store: MemoryStore, reports: tuple[BackupReport, BackupReport], dead: frozenset[PackId]
) -> None:
    everything = packs(store)
    swept(store, everything)
    report = take(opened(store), TWO, source="two")
    assert relied_on(store, report.id).isdisjoint(everything)
    forget(store, reports[1])
    assert reclaim(store).deleted == len(everything)
    whole(store, report, TWO)


@pytest.mark.spec("LEASE-20")
def test_a_delete_that_is_denied_is_told_and_the_next_one_goes_on(store: MemoryStore, dead: frozenset[PackId]) -> None:
    locked = sorted(dead)[0]
    lock = StoreError("cannot", why="object lock")
    prefix = f"packs/{locked.hex()}"
    denying = FaultStore(store, [Fault(kind="delete", at=at, prefix=prefix, error=lock) for at in (1, 2)])
    done = reclaim(denying, dead)
    assert [(one.name, one.why) for one in done.denied] == [(f"packs/{locked.hex()}", "object lock")]
    assert (done.deleted, done.sweeps) == (len(dead) - 1, 1)
    assert reclaim(store).deleted == 1
    assert names(store, "sweeps/") == []


def test_a_store_that_does_not_answer_ends_it(store: MemoryStore, dead: frozenset[PackId]) -> None:
    silent = FaultStore(store, [Fault(kind="delete", prefix="packs/", error=Unavailable("gone"))])
    with pytest.raises(Unavailable):
        reclaim(silent, dead)
    assert reclaim(store).deleted == len(dead)


class Networked(FaultStore):
    """A store whose listings may be late."""

    @property
    def network(self) -> str:
        return "nfs4"


@pytest.mark.spec("LEASE-21")
def test_on_a_network_file_system_a_sweep_waits(store: MemoryStore, clock: Standing, dead: frozenset[PackId]) -> None:
    done = reclaim(Networked(store), dead)
    assert (done.deleted, done.waiting, done.network) == (0, len(dead), "nfs4")
    clock.at_ms += SWEEP_AGE_S * 1000 - 1
    assert reclaim(Networked(store)).deleted == 0
    clock.at_ms += 1
    assert reclaim(Networked(store)).deleted == len(dead)


def test_one_prune_at_a_time(store: MemoryStore, clock: Standing, dead: frozenset[PackId]) -> None:
    name = leased(store, lease("maintenance"))
    clock.at_ms += 1
    with pytest.raises(Locked, match="another prune") as caught:
        reclaim(store, dead)
    assert name[7:19] in caught.value.hint
    assert names(store, "leases/") == [name]
    assert packs(store) >= dead


@pytest.mark.parametrize("how", ["old", "dead"])
def test_a_pruner_that_died_stops_no_other(
    store: MemoryStore, clock: Standing, dead: frozenset[PackId], how: str
) -> None:
    leased(store, lease("maintenance"))
    clock.at_ms += DAY_MS if how == "old" else 1
    repo = opened(store)
    with maintenance(
        repo, lease(), is_dead=lambda one: how == "dead" and one.pid == 7, entropy=os.urandom, progress=Quiet()
    ) as own:
        assert names(store, "leases/") == [own]
    assert names(store, "leases/") == []


def test_a_pruner_whose_lease_is_gone_at_once_takes_nobody_for_dead(store: MemoryStore) -> None:
    other = leased(store, lease("maintenance"))

    class Unlocking(FaultStore):
        def list(self, prefix: str) -> Iterator[StoredFile]:
            for name in [name for name in names(store, "leases/") if name != other]:
                store.delete(name)
            return super().list(prefix)

    repo = opened(Unlocking(store))
    with maintenance(repo, lease(), is_dead=lambda _: False, entropy=os.urandom, progress=Quiet()):
        pass
    assert names(store, "leases/") == [other]
