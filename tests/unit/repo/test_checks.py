"""What a check leaves behind: its result, and when which pack was last read and found whole (spec 60-snapshot)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Fault, FaultStore
from tests.small_repository import Quiet, new_repository, opened, rows, take
from vault.errors import StoreError
from vault.format.notes import decode_check
from vault.format.pack import pack_name
from vault.ids import PackId, SnapshotId
from vault.model import CheckRecord, FileKind
from vault.ops.check import run as check
from vault.ops.check.amount import ALL, Amount
from vault.repo import checks
from vault.repo.records import load
from vault.repo.state import Indexed, Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 100)]}))
    return repo


def checked(repo: Open, now_ms: int, *, read_data: Amount | None = None) -> CheckRecord:
    indexed = repo.indexed(None)
    report = check.run(indexed, read_data=read_data, entropy=os.urandom, progress=Quiet())
    check.record(indexed, report, host="h", now_ms=now_ms, entropy=os.urandom)
    found = checks.newest(repo)
    assert found is not None
    assert found.created_ms == now_ms
    return found


def read_at(record: CheckRecord) -> set[int | None]:
    return {pack.read_ms for pack in record.packs}


@pytest.mark.spec("NOTE-7")
def test_a_record_carries_on_when_each_pack_was_read(repo: Open) -> None:
    assert checks.newest(repo) is None
    assert read_at(checked(repo, 1)) == {None}
    assert read_at(checked(repo, 2, read_data=ALL)) == {2}
    assert read_at(checked(repo, 3)) == {2}
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    assert read_at(checked(repo, 4)) == {2, None}
    assert read_at(checked(repo, 5, read_data=ALL)) == {5}


def rot(repo: Open) -> tuple[str, PackId]:
    """Turn one bit of a pack; its file and id."""
    name = next(name for name in files(repo) if name.startswith("packs/"))
    data = files(repo)[name]
    files(repo)[name] = data[:-1] + bytes([data[-1] ^ 1])
    return name, PackId(bytes.fromhex(name.rpartition("/")[2]))


def files(repo: Open) -> dict[str, bytes]:
    assert isinstance(repo.store, MemoryStore)
    return repo.store.files


def of(record: CheckRecord, pack: PackId) -> int | None:
    return {one.id: one.read_ms for one in record.packs}[pack]


@pytest.mark.spec("NOTE-9")
def test_damage_of_a_pack_is_told_until_the_pack_was_read_whole(repo: Open) -> None:
    checked(repo, 1, read_data=ALL)
    whole = dict(files(repo))
    name, damaged = rot(repo)
    found = checked(repo, 2, read_data=ALL)
    assert any(line.startswith(f"{name}: ") for line in found.damage)
    assert of(found, damaged) is None
    for now_ms in range(3, 9):
        later = checked(repo, now_ms)
        assert [line for line in later.damage if line.startswith(f"{name}: ")], "its bytes were not read"
        assert of(later, damaged) is None, "an older time is no reading since"
    files(repo)[name] = whole[name]
    assert checked(repo, 9).damage, "nobody has read it"
    mended = checked(repo, 10, read_data=ALL)
    assert (mended.damage, of(mended, damaged)) == ((), 10)
    assert (checked(repo, 11).damage, read_at(checked(repo, 12))) == ((), {10})


@pytest.mark.spec("NOTE-9")
def test_damage_of_a_pack_goes_with_the_pack(repo: Open) -> None:
    name, _ = rot(repo)
    assert checked(repo, 1, read_data=ALL).damage
    del files(repo)[name]
    assert not [line for line in checked(repo, 2).damage if "its bytes do not match" in line]


@pytest.mark.spec("NOTE-9")
def test_a_check_that_a_clock_puts_before_another_is_the_newest(repo: Open) -> None:
    checked(repo, 10**15, read_data=ALL)
    _, damaged = rot(repo)
    assert checked(repo, 5, read_data=ALL).damage
    later = checked(repo, 4)
    assert later.damage
    assert of(later, damaged) is None


@pytest.mark.spec("NOTE-9")
def test_of_more_damaged_packs_than_lines_each_stays_told(repo: Open) -> None:
    for number in range(2, 5):
        take(repo, FakeDatabase(tables={"public.t": [rows(number, 100)]}))
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes)
    noted(indexed, 1, damage=[f"snapshots/{number}: bad" for number in range(1000)], damaged=packs)
    assert [line.partition(": ")[0] for line in checked(repo, 2).damage] == [pack_name(pack) for pack in packs]


@pytest.mark.spec("NOTE-9")
def test_damage_that_another_check_found_meanwhile_is_told(repo: Open) -> None:
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes)
    noted(indexed, 1, whole=packs)
    one, other = (opened(MemoryStore(dict(files(repo)))).indexed(None) for _ in range(2))
    noted(one, 2, damaged=packs[:1])
    noted(other, 3)
    files(repo).update({**files(one.open), **files(other.open)})
    newest = checks.newest(repo)
    assert newest is not None
    assert newest.created_ms == 3
    assert newest.damage
    assert of(newest, packs[0]) is None
    assert checked(repo, 4).damage


def noted(
    indexed: Indexed,
    now_ms: int,
    *,
    damage: Collection[str] = (),
    whole: Collection[PackId] = (),
    damaged: Collection[PackId] = (),
) -> None:
    checks.record(
        indexed,
        host="h",
        now_ms=now_ms,
        objects=1,
        read_bytes=1,
        damage=damage,
        whole=whole,
        damaged=damaged,
        entropy=os.urandom,
    )


@pytest.mark.spec("NOTE-7")
def test_records_are_few_however_often_one_checks(repo: Open) -> None:
    for now_ms in range(1, 30):
        checked(repo, now_ms)
    assert len(load(repo, FileKind.CHECK, decode_check).found) == checks.KEPT
    assert check.run(repo.indexed(None), read_data=ALL, entropy=os.urandom, progress=Quiet()).damage == ()


@pytest.mark.spec("NOTE-7")
def test_two_that_end_together_lose_nothing_of_each_other(repo: Open) -> None:
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes)
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    indexed = repo.indexed(None)
    other = next(pack for pack in indexed.index.pack_sizes if pack not in packs)
    for now_ms, whole in ((1, packs[0]), (2, other)):
        store = {name: data for name, data in repo.store.files.items() if not name.startswith("checks/")}  # type: ignore[attr-defined]
        apart = opened(MemoryStore(store)).indexed(None)
        noted(apart, now_ms, whole={whole})
        for name, data in apart.open.store.files.items():  # type: ignore[attr-defined]
            if name.startswith("checks/"):
                repo.store.put(name, data)
    assert {1, 2} <= read_at(checked(repo, 3))


def test_a_record_that_cannot_be_written_is_told_and_an_unreadable_one_passed_over(repo: Open) -> None:
    indexed = opened(FaultStore(repo.store, [Fault(kind="put", at=1)])).indexed(None)
    report = check.run(indexed, read_data=None, entropy=os.urandom, progress=Quiet())
    with pytest.raises(StoreError):
        check.record(indexed, report, host="h", now_ms=1, entropy=os.urandom)
    repo.store.put(f"checks/{'0' * 64}", b"nothing")
    checked(repo, 2)


def test_a_verify_writes_down_of_each_snapshot_the_packs_that_it_is_in_and_carries_others_on(repo: Open) -> None:
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    first, second = sorted(snapshot_id for snapshot_id, _ in repo.snapshots())
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes)
    assert len(packs) > 1

    def verified(now_ms: int, found: Mapping[SnapshotId, frozenset[PackId] | None]) -> list[tuple[object, ...]]:
        made = checks.record_verified(
            indexed,
            host="h",
            now_ms=now_ms,
            objects=1,
            read_bytes=1,
            damage=(),
            verified=found,
            asked=list(found),
            entropy=os.urandom,
        )
        return [(one.snapshot, one.checked_ms, one.packs) for one in made.closures]

    every = tuple(range(len(packs)))
    assert verified(1, {first: frozenset(packs[1:2])}) == [(first, 1, (1,))]
    assert verified(2, {second: None}) == [(first, 1, (1,)), (second, 2, every)]
    assert verified(3, {first: None}) == [(first, 3, every), (second, 2, every)]
    assert verified(4, {second: frozenset({PackId(bytes(32))})}) == [(first, 3, every)], "a prune moved it"


@pytest.mark.spec("NOTE-9")
@pytest.mark.parametrize(("count", "kept"), [(100, 100), (101, 100), (250, 100)])
def test_of_many_lines_a_hundred_are_kept_and_the_others_counted(repo: Open, count: int, kept: int) -> None:
    noted(repo.indexed(None), 1, damage=[f"snapshots/{number:03}: bad" for number in range(count)])
    newest, verified = checks.newest_of_each(repo)
    assert newest is not None
    assert verified is None
    lines = [f"snapshots/{number:03}: bad" for number in range(kept)]
    assert list(newest.damage) == lines + [f"and {count - kept} more"] * (count > kept)


def test_verified_snapshots_are_told_in_the_order_of_their_names(repo: Open) -> None:
    for _ in range(5):
        take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    names = [snapshot_id for snapshot_id, _ in repo.snapshots()]
    checks.record_verified(
        repo.indexed(None), host="h", now_ms=1, objects=1, read_bytes=1, damage=[],
        verified=dict.fromkeys(names), asked=names, entropy=os.urandom,
    )  # fmt: skip
    newest = checks.newest_verified(repo)
    assert newest is not None
    assert [one.snapshot for one in newest.closures] == sorted(names)


def test_what_a_verify_found_is_told_until_the_snapshot_was_verified_or_is_gone(repo: Open) -> None:
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 100)]}))
    first, second = sorted(snapshot_id for snapshot_id, _ in repo.snapshots())
    indexed = repo.indexed(None)

    def verified(now_ms: int, *whole: SnapshotId, damaged: Collection[SnapshotId] = (), lines: int = 1) -> None:
        checks.record_verified(
            indexed,
            host="h",
            now_ms=now_ms,
            objects=1,
            read_bytes=1,
            damage=[f"{one.hex()[:12]}: table {number}" for one in damaged for number in range(lines)],
            verified=dict.fromkeys(whole),
            asked=[*whole, *damaged],
            entropy=os.urandom,
        )

    def told() -> tuple[list[str], list[tuple[SnapshotId, int]]]:
        newest, found = checks.newest_of_each(repo)
        assert newest is None
        assert found == checks.newest_verified(repo)
        assert found is not None
        return list(found.damage), [(one.snapshot, one.checked_ms) for one in found.closures]

    assert checks.newest_verified(repo) is None
    line = f"{first.hex()[:12]}: table 0"
    verified(1, second, damaged=[first])
    assert told() == ([line], [(second, 1)])
    verified(2, second)
    assert told() == ([line], [(second, 2)])
    verified(3, first)
    assert told() == ([], [(first, 3), (second, 2)])
    verified(4, damaged=[first], lines=101)
    lines, closures = told()
    assert lines == [f"{first.hex()[:12]}: table {number}" for number in range(100)]
    assert closures == [(first, 3), (second, 2)]
    repo.store.delete(f"snapshots/{first.hex()}")
    assert told() == ([], [(second, 2)])


@pytest.mark.spec("NOTE-7")
def test_a_record_that_cannot_be_removed_stays_and_is_no_error(repo: Open) -> None:
    for now_ms in range(1, 5):
        noted(repo.indexed(None), now_ms)
    denied = [Fault(kind="delete", prefix="checks/", at=at, error=StoreError("no right")) for at in (1, 2)]
    noted(opened(FaultStore(repo.store, denied)).indexed(None), 5)
    assert len(load(repo, FileKind.CHECK, decode_check).found) == checks.KEPT + 1
