"""What is copied is what was there, under other keys, once, and as far as an interruption let it come."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    Quiet,
    contents,
    damage,
    new_repository,
    opened,
    put_manifest,
    quick_keys,
    rows,
    take,
)
from vault.errors import IntegrityError, UnsafeError, UsageError
from vault.ids import SnapshotId
from vault.model import Codec, ObjectType, Origin
from vault.ops.copy.copies import origin_of
from vault.ops.copy.run import CopyReport, Ends, run
from vault.ops.repository import keys
from vault.repo.lineage import Known
from vault.repo.remembered import remembered
from vault.repo.state import Closed, Open
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore

EDITED = rows(1, 9_000).replace(b"\n70", b"\n71")


def other(like: Open | None = None) -> tuple[MemoryStore, Open]:
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom, like=like)
    return store, Closed(store).open(PASSPHRASE)


@pytest.fixture
def here(tmp_path: Path) -> Open:
    """Three days: a large object, a large file, small tables, a table that changed a little, a second source."""
    repo = new_repository(MemoryStore())
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "large").write_bytes(os.urandom(5_000_000))
    (tmp_path / "small").write_bytes(b"x")
    files = {"files": DirectoryFiles(tmp_path)}
    tables = {"public.big": [rows(1, 9_000), rows(2, 9_000)], "public.empty": [], "public.small": [rows(3, 3)]}
    first = FakeDatabase(tables=tables, large_objects={5: os.urandom(3_000_000)}, sequences={"public.s": 7})
    second = replace(first, tables=tables | {"public.big": [EDITED, rows(2, 9_000)]}, earlier=first)
    take(repo, first, files, tags={"day": "1"})
    take(repo, second, files)
    take(repo, replace(second, earlier=second), files)
    take(repo, FakeDatabase(tables={"public.a": [rows(4, 4)]}, system_id="2"), source="second")
    return repo


def copied(here: Open, there: Open, chosen: Sequence[Known] | None = None) -> CopyReport:
    ends = Ends(here=here.indexed(None), there=there, cache_dir=None, host="host", pid=1)
    listed = here.snapshots() if chosen is None else chosen
    return run(ends, listed, clock=CLOCK, entropy=os.urandom, progress=Quiet())


def by_origin(repo: Open) -> dict[SnapshotId, Known]:
    return {pair[1].origin.snapshot: pair for pair in repo.snapshots() if pair[1].origin is not None}


def assert_equal(here: Open, there: Open) -> None:
    copies = by_origin(there)
    for snapshot_id, manifest in here.snapshots():
        copy_id, copy = copies[snapshot_id]
        assert contents(there, copy_id) == contents(here, snapshot_id)
        parent = None if manifest.parent is None else copies[manifest.parent][0]
        same = {"database", "directories", "ledger", "effort", "origin", "parent"}
        assert copy.parent == parent
        assert all(getattr(copy, name) == getattr(manifest, name) for name in copy.__slots__ if name not in same)
    assert damage(there) == ()
    assert not list(there.store.list("leases/"))


@pytest.mark.parametrize("like", [False, True])
def test_copy_holds_what_the_snapshots_hold_and_a_second_one_adds_nothing(here: Open, like: bool) -> None:
    store, there = other(here if like else None)
    report = copied(here, there)
    assert len(report.copied) == 4
    assert report.new_bytes > 0
    assert_equal(here, there)
    before = dict(store.files)
    again = copied(here, there)
    assert (again.copied, again.there, store.files) == ((), 4, before)


def test_a_delta_stays_one_where_its_base_was_copied(here: Open) -> None:
    _, there = other()
    copied(here, there)
    index = there.indexed(None).index
    codecs = [
        place.record.codec
        for pack, _ in index.packs()
        for place in index.in_pack(pack)
        if place.record.type is ObjectType.ROW_CHUNK
    ]
    assert Codec.ZSTD_DELTA in codecs


def test_with_shared_ids_nothing_that_is_there_is_read(here: Open) -> None:
    _, there = other(here)
    copied(here, there)
    drop = here.snapshots()[1]
    there.store.delete(f"snapshots/{by_origin(there)[drop[0]][0].hex()}")
    packs = {f"packs/{pack.hex()}" for pack, _ in here.indexed(None).index.packs()}
    reads = FaultStore(here.store, [Fault(kind="get_range", at=40, prefix="packs/")])
    assert packs
    report = copied(opened(reads), there, [drop])
    assert [one.origin.snapshot for one in report.copied] == [drop[0]]
    assert report.new_bytes < 4_000


@pytest.mark.parametrize("at", [1, 3, 6, 9])
def test_interrupted_copy_goes_on(here: Open, at: int) -> None:
    store, _ = other()
    broken = Closed(FaultStore(store, [Fault(kind="put", at=at, crash=True)])).open(PASSPHRASE)
    with pytest.raises(Crashed):
        copied(here, broken)
    there = Closed(store).open(PASSPHRASE)
    came = len(there.snapshots())
    report = copied(here, there)
    assert (len(report.copied), report.there) == (4 - came, came)
    for lease in list(store.list("leases/")):
        store.delete(lease.name)  # of the writer that died
    assert_equal(here, there)


def test_damage_is_not_copied_and_what_came_before_it_stays(here: Open) -> None:
    store = here.store
    index = here.indexed(None).index
    newest = here.indexed(None).snapshot(here.snapshots()[-1][0])
    chunk = next(iter(newest.chunk_refs(next(newest.extents(next(newest.tables()))).chunks)))
    place = index.locations(chunk.id)[0]
    name = f"packs/{place.pack.hex()}"
    spoiled = bytearray(store.get(name))
    spoiled[place.record.offset + 3] ^= 1
    store.delete(name)
    store.put(name, bytes(spoiled))
    _, there = other()
    with pytest.raises(IntegrityError):
        copied(opened(store), there)
    assert len(there.snapshots()) == 3
    assert damage(there) == ()


def test_a_copy_of_a_copy_is_known_where_the_first_came_from(here: Open) -> None:
    _, second = other()
    _, third = other()
    copied(here, second)
    copied(second, third)
    assert copied(third, here).copied == ()
    assert copied(here, third).copied == ()


def test_chosen_snapshots_come_without_the_others(here: Open) -> None:
    _, there = other()
    listed = here.snapshots()
    copied(here, there, listed[1:2])
    assert [manifest.parent for _, manifest in there.snapshots()] == [None]
    copied(here, there, listed[2:3])
    (first, _), (_, second) = there.snapshots()
    assert second.parent == first


@pytest.mark.parametrize("like", [False, True])
def test_values_of_generated_columns_come_with_digests_under_the_other_key(like: bool) -> None:
    here = new_repository(MemoryStore())
    made = [b"".join(b"made %d\n" % row for row in range(300))]
    taken = take(here, FakeDatabase(tables={"public.t": [rows(1, 300)]}, generated={"public.t": made}))
    _, there = other(here if like else None)
    copied(here, there)
    copy = there.indexed(None).snapshot(by_origin(there)[taken.id][0])
    table = next(copy.tables())
    assert b"".join(copy.values(table)) == made[0], "which compares them with the digests"
    assert next(copy.extents(table)).digests
    assert damage(there) == ()


def test_into_itself_is_refused(here: Open) -> None:
    with pytest.raises(UsageError, match="into itself"):
        copied(here, opened(here.store))


def test_a_source_that_is_another_database_there_is_refused_before_anything_is_written(here: Open) -> None:
    store, there = other()
    take(there, FakeDatabase(tables={"public.a": [rows(4, 4)]}, system_id="9"))
    before = dict(store.files)
    with pytest.raises(UnsafeError, match="another database"):
        copied(here, there)
    assert store.files == before


def test_a_repaired_snapshot_is_no_copy(here: Open) -> None:
    snapshot_id, manifest = here.snapshots()[0]
    own = here.config.repository
    mended_id = put_manifest(here, manifest, origin=Origin(repository=own, snapshot=snapshot_id), suspect="lost rows")
    mended = replace(manifest, origin=Origin(repository=own, snapshot=snapshot_id), suspect="lost rows")
    assert origin_of(own, mended_id, mended) == Origin(repository=own, snapshot=mended_id)
    assert origin_of(own, snapshot_id, manifest) == Origin(repository=own, snapshot=snapshot_id)


@pytest.mark.spec("SNAP-25")
def test_a_ruin_has_its_warning_before_its_copy_is_there_whenever_the_copy_dies() -> None:
    here = new_repository(MemoryStore())
    take(here, FakeDatabase(tables={"public.t": [rows(1, 100)], "public.u": [rows(2, 10)]}))
    assert take(here, FakeDatabase(tables={"public.t": [b""], "public.u": [rows(2, 10)]})).findings
    base, _ = other()
    finished = deaths = 0
    for at in range(1, 20):
        for after in (False, True):
            store = MemoryStore(dict(base.files))
            try:
                copied(
                    here,
                    Closed(FaultStore(store, [Fault(kind="put", at=at, after=after, crash=True)])).open(PASSPHRASE),
                )
                finished += 1
            except Crashed:
                deaths += 1
            there = Closed(store).open(PASSPHRASE)
            sound = [
                manifest.sequence for id, manifest in there.snapshots() if remembered(there).is_sound(id, manifest)
            ]
            assert sound in ([], [1])
    assert deaths > 8
    assert finished
