"""Copies between repositories that others forget, prune, damage and copy into at the same time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Crashed, Fault, FaultStore, Meanwhile, RecordingStore
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, opened, put_manifest, rows, take
from tests.unit.ops.copy.test_run import by_origin, copied, other
from tests.unit.ops.repair.support import LEASE, chunks, spoil, spoil_object
from vault.errors import IntegrityError, Locked, NotThere, StoreError, StoreFull
from vault.format.notes import decode_ack, decode_findings, encode_ack, encode_findings, finding_id
from vault.ids import SnapshotId
from vault.model import Ack, FileKind, Finding, Findings, Origin
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore
from vault.repo.records import load, save
from vault.repo.remembered import remembered
from vault.repo.state import Open
from vault.store.memory import MemoryStore

TABLES = {"public.big": [rows(1, 300), rows(2, 300)], "public.small": [rows(3, 3)]}
DATABASE = FakeDatabase(tables=TABLES, large_objects={5: b"large" * 9_000}, sequences={"public.s": 7})


@pytest.fixture
def here() -> Open:
    """Two equal days, and one that changed a little."""
    repo = new_repository(MemoryStore())
    take(repo, DATABASE)
    take(repo, replace(DATABASE, earlier=DATABASE))
    edited = TABLES | {"public.big": [rows(1, 300).replace(b"\n70", b"\n71"), rows(2, 300)]}
    take(repo, replace(DATABASE, tables=edited, earlier=DATABASE))
    return repo


def forget_named(repo: Open, *going: SnapshotId) -> None:
    plan = forget.plan_named(forget.take_stock(repo), going, remove_all=True)
    forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)


def pruned(repo: Open) -> None:
    prune.run(
        repo,
        options=PruneOptions(min_age_ms=0, max_unused=0.0, remove_all=True),
        lease=LEASE,
        is_dead=lambda _: True,
        tell=lambda _: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )


def calls_of(here: Open, store: MemoryStore) -> tuple[int, int]:
    """How many calls a whole copy makes, of either store."""
    source, target = RecordingStore(here.store), RecordingStore(copy_of(store.files))
    copied(opened(source), reopened(target))
    return len(source.calls), len(target.calls)


@cache
def _template() -> tuple[dict[str, bytes], Open]:
    store, opened_there = other()
    return dict(store.files), opened_there


def reopened(store: ObjectStore) -> Open:
    """The target in `store`, without deriving its key again."""
    _, like = _template()
    return Open(store, like.config, like.keys, like.bundle)


@pytest.fixture
def target() -> MemoryStore:
    """An empty repository of other keys."""
    return copy_of(_template()[0])


def copy_of(files: Mapping[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.files.update(files)
    return store


def assert_sound(here: Open, target: MemoryStore) -> None:
    """All that is here is there, equal, and there is no damage and no parent that nobody knows."""
    there = reopened(target)
    copies = by_origin(there)
    for snapshot_id, _ in here.snapshots():
        assert contents(there, copies[snapshot_id][0]) == contents(here, snapshot_id)
    for lease in list(target.list("leases/")):
        target.delete(lease.name)  # of copies that died
    assert damage(there) == ()
    pruned(there)
    assert damage(there) == ()


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_copy_killed_at_any_call_of_the_target_goes_on(here: Open, target: MemoryStore, after: bool) -> None:
    _, calls = calls_of(here, target)
    assert calls > 30
    for kind in ("put", "list", "delete", "barrier", "get"):
        for at in range(1, calls):
            store = copy_of(target.files)
            broken = FaultStore(store, [Fault(kind=kind, at=at, crash=True, after=after)])
            try:
                copied(here, reopened(broken))
            except Crashed:
                assert damage(reopened(store)) == ()
                copied(here, reopened(store))
                assert_sound(here, store)
                assert len(reopened(store).snapshots()) == 3
            else:
                break


@pytest.mark.slow
def test_a_copy_killed_at_any_call_of_the_source_goes_on(here: Open, target: MemoryStore) -> None:
    for kind in ("put", "list", "delete", "barrier", "get", "get_range"):
        for at in range(1, 60):
            store = copy_of(target.files)
            broken = FaultStore(here.store, [Fault(kind=kind, at=at, crash=True)])
            try:
                copied(opened(broken), reopened(store))
            except Crashed:
                copied(here, reopened(store))
                assert_sound(here, store)
            else:
                break
    assert damage(here) == ()


def test_a_source_that_may_only_be_read_is_copied(here: Open, target: MemoryStore) -> None:
    faults = [
        Fault(kind=kind, at=at, error=StoreError("read-only")) for kind in ("put", "delete") for at in range(1, 9)
    ]
    copied(opened(FaultStore(here.store, faults)), reopened(target))
    assert_sound(here, target)


def test_what_is_forgotten_and_pruned_at_the_source_meanwhile_is_told_as_that(here: Open, target: MemoryStore) -> None:
    """Never as damage; what is not forgotten is copied by the next copy."""
    calls, _ = calls_of(here, target)
    files = dict(here.store.files)  # type: ignore[attr-defined]
    listed = here.snapshots()
    told = set()
    for at in range(calls):
        source, store = copy_of(files), copy_of(target.files)

        def act(source: MemoryStore = source) -> None:
            forget_named(opened(source), listed[0][0], listed[2][0])
            pruned(opened(source))

        try:
            copied(opened(Meanwhile(source, at, act)), reopened(store))
            told.add("copied")
        except NotThere:
            told.add("forgotten")
        copied(opened(source), reopened(store))
        assert_sound(opened(source), store)
    assert told == {"copied", "forgotten"}


def test_what_is_forgotten_and_pruned_at_the_target_meanwhile_leaves_it_sound(here: Open, target: MemoryStore) -> None:
    copied(here, reopened(target), here.snapshots()[:2])
    _, calls = calls_of(here, target)
    for at in range(calls):
        store = copy_of(target.files)

        def act(store: MemoryStore = store) -> None:
            forget_named(reopened(store), *(snapshot for snapshot, _ in reopened(store).snapshots()))
            pruned(reopened(store))

        with suppress(Locked, IntegrityError):
            copied(here, reopened(Meanwhile(store, at, act)))
        assert damage(reopened(store)) == (), at
        copied(here, reopened(store))
        assert_sound(here, store)


@pytest.mark.spec("SNAP-24")
def test_what_was_forgotten_and_is_copied_again_stays(here: Open, target: MemoryStore) -> None:
    """Its bytes may be those of the forgotten one, but not its name: the next forget removes what a record names."""
    for _ in range(3):
        copied(here, reopened(target))
        there = reopened(target)
        assert len(there.snapshots()) == 3
        assert forget.take_stock(there).unfinished == frozenset()
        forget_named(there, *(snapshot for snapshot, _ in there.snapshots()))


def test_a_copy_whose_file_is_damaged_is_made_again(here: Open, target: MemoryStore) -> None:
    copied(here, reopened(target))
    for name in [name for name in target.files if name.startswith("snapshots/")]:
        spoil(target, name, 90)
    copied(here, reopened(target))
    there = reopened(target)
    assert len(there.snapshots()) == 3
    for snapshot_id, _ in here.snapshots():
        assert contents(there, by_origin(there)[snapshot_id][0]) == contents(here, snapshot_id)


def test_a_suspect_one_that_came_back_is_copied_once(here: Open, target: MemoryStore) -> None:
    snapshot_id, manifest = here.snapshots()[0]
    own = here.config.repository
    put_manifest(here, manifest, origin=Origin(repository=own, snapshot=snapshot_id), suspect="repaired: 1 loss")
    suspect_id = put_manifest(here, manifest, suspect="changed without a trace", sequence=9)
    assert len(copied(here, reopened(target)).copied) == 5
    forget_named(here, *(snapshot for snapshot, _ in here.snapshots()))
    assert len(copied(reopened(target), here).copied) == 5
    assert copied(reopened(target), here).copied == ()
    assert copied(here, reopened(target)).copied == ()
    assert suspect_id in {manifest.origin.snapshot for _, manifest in here.snapshots() if manifest.origin is not None}


def test_a_whole_one_comes_back_beside_what_was_repaired_of_it(here: Open, target: MemoryStore) -> None:
    copied(here, reopened(target))
    snapshot_id, manifest = here.snapshots()[0]
    origin = Origin(repository=here.config.repository, snapshot=snapshot_id)
    put_manifest(here, manifest, origin=origin, suspect="repaired: 1 loss")
    forget_named(here, snapshot_id)
    assert [one.origin for one in copied(reopened(target), here).copied] == [origin]


@pytest.mark.spec("SNAP-25")
def test_what_guards_found_and_what_was_acknowledged_goes_with_the_copy(here: Open, target: MemoryStore) -> None:
    snapshot_id, manifest = here.snapshots()[1]
    seen = (
        Finding(code="ROWS_GONE", subject="public.a", text="half"),
        Finding(code="ROWS_GONE", subject="public.b", text="all"),
    )
    told = Findings(created_ms=1, findings=seen, snapshot=snapshot_id, source=manifest.source, sequence=2)
    save(here, FileKind.FINDINGS, encode_findings(told), entropy=os.urandom)
    copied(here, reopened(target), here.snapshots()[:2])
    there = reopened(target)
    copy = by_origin(there)[snapshot_id][0]
    assert {one for _, one in remembered(there).open[copy]} == set(seen)
    ack = Ack(created_ms=2, finding=finding_id(snapshot_id, "ROWS_GONE", "public.a"), host="h", reason="meant")
    save(here, FileKind.ACK, encode_ack(ack), entropy=os.urandom)
    for _ in range(2):
        copied(here, there)
        assert [one for _, one in remembered(there).open[copy]] == [seen[1]]
        assert len(load(there, FileKind.FINDINGS, decode_findings).found) == 1
        assert len(load(there, FileKind.ACK, decode_ack).found) == 1


def test_two_copies_at_a_time_leave_one_of_each(here: Open, target: MemoryStore) -> None:
    """The other one runs after the first look of this one."""
    others = []
    copied(here, reopened(Meanwhile(target, 12, lambda: others.append(copied(here, reopened(target))))))
    assert len(others) == 1
    assert len(reopened(target).snapshots()) <= 4, "at most the one that was under way"
    assert_sound(here, target)


def test_a_full_target_keeps_what_was_copied(here: Open, target: MemoryStore) -> None:
    for at in range(1, 12):
        store = copy_of(target.files)
        full = FaultStore(store, [Fault(kind="put", at=one, error=StoreFull("full")) for one in range(at, 99)])
        with pytest.raises(StoreFull):
            copied(here, reopened(full))
        assert damage(reopened(store)) == ()
        copied(here, reopened(store))
        assert_sound(here, store)


@pytest.mark.parametrize("cut", [False, True])
def test_each_damaged_file_of_the_source_ends_the_copy_or_does_not_matter(
    here: Open, target: MemoryStore, cut: bool
) -> None:
    files = dict(here.store.files)  # type: ignore[attr-defined]
    refused = 0
    for name in [name for name in files if name.startswith(("packs/", "index/", "snapshots/"))]:
        for at in {60, len(files[name]) // 2, len(files[name]) - 1}:
            source, store = copy_of(files), copy_of(target.files)
            if cut:
                source.files[name] = source.files[name][:at]
            else:
                spoil(source, name, at)
            error = failure_of(opened(source), reopened(store))
            refused += error is not None
            assert error is None or ((error.file or error.object_id) and error.hint), name
            assert damage(reopened(store)) == ()
    assert refused > 4


def failure_of(here: Open, there: Open) -> IntegrityError | None:
    try:
        copied(here, there)
    except IntegrityError as error:
        return error
    return None


def test_damage_is_told_with_the_snapshot_that_was_not_copied(here: Open, target: MemoryStore) -> None:
    spoil_object(here.store, chunks(here)[0])  # type: ignore[arg-type]
    with pytest.raises(IntegrityError) as refused:
        copied(opened(here.store), reopened(target))
    assert any(snapshot.hex()[:12] in refused.value.why for snapshot, _ in here.snapshots())


def test_forgotten_between_the_choice_and_the_copy(here: Open, target: MemoryStore) -> None:
    chosen = here.snapshots()
    forget_named(here, chosen[1][0])
    with pytest.raises(NotThere, match=chosen[1][0].hex()[:12]):
        copied(here, reopened(target), chosen)
    assert len(reopened(target).snapshots()) == 1


def test_a_chosen_one_whose_parent_comes_later_has_none_and_a_prune_is_content(here: Open, target: MemoryStore) -> None:
    listed = here.snapshots()
    copied(here, reopened(target), listed[2:])
    copied(here, reopened(target), listed[:1])
    copied(here, reopened(target), listed[1:2])
    assert_sound(here, target)


def test_the_next_backup_into_a_repository_of_copies_takes_over_nothing_wrong(here: Open, target: MemoryStore) -> None:
    copied(here, reopened(target))
    there = reopened(target)
    done = take(there, DATABASE)
    assert done.manifest.sequence == 4
    assert contents(there, done.id) == contents(here, here.snapshots()[0][0])
    assert damage(there) == ()
