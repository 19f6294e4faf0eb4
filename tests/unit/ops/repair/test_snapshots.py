"""A damaged snapshot gets a sibling without what is lost, which says so; nothing goes in the run that first speaks of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, put_manifest, rows, take
from tests.unit.ops.repair.support import LEASE, chunks, fresh, spoil, spoil_object
from vault.crypto import keyed
from vault.errors import UnsafeError, Unsupported
from vault.format import codec
from vault.format.snapshot import encode_manifest, snapshot_name
from vault.ids import SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, Manifest, ObjectType, State, TableItem
from vault.ops.repair import packs, remake, snapshots
from vault.ops.retention.marking import remaining
from vault.repo.keyring import seal_file
from vault.repo.state import Open
from vault.repo.writing import writing
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore

TABLES_OF = {"public.big": [rows(at, 300) for at in range(5)], "public.empty": [], "public.small": [rows(9, 3)]}


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    (tmp_path / "large").write_bytes(os.urandom(900_000))
    (tmp_path / "small").write_bytes(b"text")
    made = MemoryStore()
    repo = new_repository(made)
    database = FakeDatabase(tables=TABLES_OF, large_objects={5: os.urandom(70_000), 6: b"x"}, sequences={"public.s": 7})
    take(repo, database, {"files": DirectoryFiles(tmp_path)}, tags={"day": "1"})
    return made


def repaired(store: MemoryStore) -> snapshots.SnapshotsPlan:
    """Both steps: packs, then snapshots."""
    found = packs.plan(fresh(store).indexed(None), progress=Quiet())
    if found.packs:
        packs.run(
            fresh(store), found, LEASE, is_dead=lambda _: False, clock=CLOCK, entropy=os.urandom, progress=Quiet()
        )
    repo = fresh(store)
    planned = snapshots.plan(repo, progress=Quiet())
    before = dict(store.files)
    terms = replace(LEASE, purpose="repair")
    if planned.to_make:
        with writing(repo, terms, clock=CLOCK, entropy=os.urandom, warn=print, cache_dir=None) as target:
            for damaged in planned.to_make:
                remake.remake(target, damaged)
    assert before.items() <= store.files.items(), "nothing is changed or deleted"
    return planned


def only_the_new(store: MemoryStore, planned: snapshots.SnapshotsPlan) -> Open:
    """As after `forget` of the damaged one and a prune."""
    for damaged in planned.damaged:
        store.delete(snapshot_name(damaged.id))
    for name in [name for name in store.files if name.startswith("sweeps/")]:
        store.delete(name)
    return fresh(store)


def survived(store: MemoryStore) -> tuple[dict[str, bytes], Manifest, dict[str, tuple[str, ...]]]:
    """What the new snapshot of the one damaged one holds, its manifest, and what its ledger says is lost."""
    planned = snapshots.plan(fresh(store), progress=Quiet())
    (damaged,) = planned.damaged
    repo = fresh(store)
    (_, _), (new_id, manifest) = repo.snapshots()
    assert (manifest.sequence, manifest.created_ms, manifest.parent) == (
        damaged.manifest.sequence, damaged.manifest.created_ms, damaged.manifest.parent,
    )  # fmt: skip
    assert manifest.origin is not None
    assert manifest.origin.snapshot == damaged.id
    assert manifest.suspect.startswith("repaired: ")
    assert repo.resolve("latest") == new_id
    ledger = repo.indexed(None).snapshot(new_id).ledger()
    lost = {
        name: tuple(item.item for item in coverage.missing if item.state is State.FAILED)
        for name, coverage in ledger.items()
    }
    return contents(repo, new_id), manifest, lost


def table(repo: Open, name: str) -> TableItem:
    snapshot = repo.indexed(None).snapshot(repo.snapshots()[0][0])
    return next(item for item in snapshot.tables() if item.name.name == name)


@pytest.mark.spec("SNAP-22")
def test_a_lost_extent_takes_its_rows_alone(store: MemoryStore) -> None:
    repo = fresh(store)
    index = repo.indexed(None).index
    extents = list(repo.indexed(None).snapshot(repo.snapshots()[0][0]).extents(table(repo, "big")))
    whole = contents(repo, repo.snapshots()[0][0])
    spoil_object(store, index.locations(extents[2].chunks.inline[0].id)[0])
    planned = repaired(store)
    assert [loss.rows for loss in planned.damaged[0].losses] == [300]
    after, manifest, lost = survived(store)
    assert after["table public.big"] == b"".join(TABLES_OF["public.big"][at] for at in (0, 1, 3, 4))
    assert {name: data for name, data in after.items() if name not in ("table public.big", "ledger")} == {
        name: data for name, data in whole.items() if name not in ("table public.big", "ledger")
    }
    assert lost["data"] == ("table public.big",)
    assert manifest.coverage["data"][0] is State.FAILED
    assert damage(only_the_new(store, planned)) != ()  # the damaged pack itself is still there


@pytest.mark.parametrize(
    ("object_type", "component", "gone"),
    [
        (ObjectType.FILE_CHUNK, "dir:files", "files/large"),
        (ObjectType.LARGE_OBJECT_CHUNK, "large_objects", "large object 5"),
    ],
)
def test_a_lost_chunk_takes_its_file_or_large_object_alone(
    store: MemoryStore, object_type: ObjectType, component: str, gone: str
) -> None:
    repo = fresh(store)
    whole = contents(repo, repo.snapshots()[0][0])
    largest = max(chunks(repo, object_type), key=lambda place: place.record.length)
    spoil_object(store, largest)
    repaired(store)
    after, _, lost = survived(store)
    assert whole.keys() - after.keys() == {gone}
    assert len(lost[component]) == 1


@pytest.mark.parametrize(
    ("object_type", "component"),
    [
        (ObjectType.SCHEMA_ENTRY, "schema"),
        (ObjectType.FILE_NODE, "dir:files"),
        (ObjectType.EXTENT_NODE, "data"),
        (ObjectType.TABLE_NODE, "data"),
        (ObjectType.SEQUENCE_NODE, "sequences"),
        (ObjectType.LEDGER, "schema"),
    ],
)
def test_a_lost_node_or_entry_takes_what_it_held(store: MemoryStore, object_type: ObjectType, component: str) -> None:
    repo = fresh(store)
    spoil_object(store, chunks(repo, object_type)[0])
    planned = repaired(store)
    assert planned.damaged[0].losses
    _, _, lost = survived(store)
    assert lost[component]
    new = only_the_new(store, planned)
    assert snapshots.survey(new.indexed(None), new.snapshots()[0][1]) == ((), "")


@pytest.mark.parametrize("object_type", [ObjectType.SCHEMA_ORDER, ObjectType.ROLES, ObjectType.CATALOG])
def test_without_order_roles_or_facts_no_new_one_is_made(store: MemoryStore, object_type: ObjectType) -> None:
    spoil_object(store, chunks(fresh(store), object_type)[0])
    planned = repaired(store)
    assert [bool(damaged.hopeless) for damaged in planned.damaged] == [True]
    assert planned.to_make == ()
    assert len(fresh(store).snapshots()) == 1


def test_lost_values_of_generated_columns_take_no_rows(store: MemoryStore) -> None:
    store.files.clear()
    made = b"".join(b"made %d\n" % row for row in range(300))
    text = rows(1, 300)
    repo = new_repository(store)
    take(repo, FakeDatabase(tables={"public.t": [text, text]}, generated={"public.t": [made, made[::-1][1:] + b"\n"]}))
    extents = list(repo.indexed(None).snapshot(repo.snapshots()[0][0]).extents(table(repo, "t")))
    assert extents[1].values is not None
    spoil_object(store, repo.indexed(None).index.locations(extents[1].values.inline[0].id)[0])
    planned = repaired(store)
    assert [loss.rows for loss in planned.damaged[0].losses] == [0]
    after, _, lost = survived(store)
    assert after["table public.t"] == text + text
    assert lost["data"] == ("what generated columns of public.t were, from block 1024 on",)
    mended = only_the_new(store, planned)
    kept = list(mended.indexed(None).snapshot(mended.snapshots()[0][0]).extents(table(mended, "t")))
    assert [extent.values is None for extent in kept] == [False, True]
    assert all(extent.digests for extent in kept)


def test_a_second_run_makes_no_second_one(store: MemoryStore) -> None:
    spoil_object(store, chunks(fresh(store), ObjectType.LARGE_OBJECT_CHUNK)[0])
    assert len(repaired(store).to_make) == 1
    assert repaired(store).to_make == ()


def test_an_intact_repository_needs_nothing(store: MemoryStore) -> None:
    assert repaired(store).is_empty


def test_what_is_gone_is_recorded_first_and_removed_by_the_next_run(store: MemoryStore) -> None:
    repo = fresh(store)
    first_id, manifest = repo.snapshots()[0]
    second_id = put_manifest(repo, manifest, sequence=2, parent=first_id)
    put_manifest(repo, manifest, sequence=3, parent=second_id)
    store.delete(snapshot_name(first_id))
    spoil(store, snapshot_name(second_id), 60)
    with pytest.raises(UnsafeError):
        remaining(fresh(store))
    planned = snapshots.plan(fresh(store), progress=Quiet())
    assert {item.id for item in planned.lost} == {second_id}
    assert planned.leftovers == ()
    snapshots.record(fresh(store), planned, now_ms=1, entropy=os.urandom)
    assert snapshot_name(second_id) in store.files
    planned = snapshots.plan(fresh(store), progress=Quiet())
    assert (planned.lost, planned.leftovers) == ((), (snapshot_name(second_id),))
    snapshots.record(fresh(store), planned, now_ms=2, entropy=os.urandom)
    assert len(remaining(fresh(store))) == 1
    assert snapshots.plan(fresh(store), progress=Quiet()).is_empty


def test_an_unreadable_record_goes_when_what_it_may_have_told_is_told_again(store: MemoryStore) -> None:
    repo = fresh(store)
    first_id, manifest = repo.snapshots()[0]
    put_manifest(repo, manifest, sequence=2, parent=first_id)
    store.delete(snapshot_name(first_id))
    junk = "forgotten/" + "ab" * 32
    store.put(junk, b"junk")
    steps = list(_steps(store))
    assert [(len(step.lost), step.leftovers) for step in steps] == [(1, ()), (0, (junk,))]
    assert len(remaining(fresh(store))) == 1


def _steps(store: MemoryStore) -> Iterator[snapshots.SnapshotsPlan]:
    while not (planned := snapshots.plan(fresh(store), progress=Quiet())).is_empty:
        snapshots.record(fresh(store), planned, now_ms=1, entropy=os.urandom)
        yield planned


def test_a_snapshot_of_a_newer_program_is_not_given_up(store: MemoryStore) -> None:
    """It is authentic, and that this program cannot read it is no damage: nothing is recorded, so nothing is removed."""
    repo = fresh(store)
    fields = codec.decode(encode_manifest(repo.snapshots()[0][1]), what="manifest", bytes_max=FILE_BYTES_MAX)
    assert isinstance(fields, dict)
    plain = codec.encode({**fields, "zone": "of a newer program"})
    snapshot_id = SnapshotId(keyed.object_id(repo.keys.id_key, ObjectType.SNAPSHOT, plain))
    sealed = seal_file(plain, FileKind.SNAPSHOT, repo.keys, salt=os.urandom(24), squeeze=True)
    store.put(snapshot_name(snapshot_id), sealed)
    (damaged,) = repo.listing()[1]
    assert isinstance(damaged, Unsupported)
    with pytest.raises(Unsupported):
        snapshots.plan(fresh(store), progress=Quiet())
    with pytest.raises(UnsafeError) as refused:
        remaining(fresh(store))
    assert "repair" not in refused.value.hint
