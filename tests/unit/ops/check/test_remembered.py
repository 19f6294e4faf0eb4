"""What a check remembers: it saves the second walk of what was whole, and nothing that a listing can show passes it by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.packs import Made, put_fragment, put_pack
from tests.small_repository import Quiet, damage, new_repository, opened, rows, take
from vault.format.upkeep import DIRECTORIES
from vault.ids import ObjectId, PackId
from vault.model import PackClass
from vault.ops.check import run as check
from vault.ops.check.amount import ALL, Amount
from vault.ops.check.pack_sets import PackSets
from vault.ops.check.strays import DECODERS
from vault.store.memory import MemoryStore

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000


class Counting(MemoryStore):
    """Counts what is read of packs."""

    read = 0

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.read += name.startswith("packs/")
        return super().get_range(name, offset, length)


@pytest.fixture
def store() -> Counting:
    store = Counting()
    repo = new_repository(store)
    for day in range(3):
        take(
            repo,
            FakeDatabase(tables={"public.t": [rows(n, 50) for n in range(day + 1)]}),
            {"lib": FakeDirectory({b"f": b"%d" % day})},
        )
    return store


def checked(
    store: Counting, cache: Path | None, *, now_ms: int = NOW_MS, read_data: Amount | None = None
) -> tuple[check.CheckReport, int]:
    """The report, and how many ranges of packs were read for it."""
    before = store.read
    own = check.Own(cache_dir=cache, state_dir=cache, now_ms=now_ms)
    repo = opened(store, cache).indexed(cache)
    report = check.run(repo, read_data=read_data, entropy=os.urandom, progress=Quiet(), own=own)
    return report, store.read - before


def packs(store: Counting) -> list[str]:
    return sorted(name for name in store.files if name.startswith("packs/"))


def test_second_check_walks_nothing_and_says_so(store: Counting, tmp_path: Path) -> None:
    first, read = checked(store, tmp_path)
    assert read
    assert (first.remembered, first.remembered_since_ms, first.damage) == (0, None, ())
    second, read = checked(store, tmp_path, now_ms=NOW_MS + DAY_MS)
    assert read == 0
    assert (second.remembered, second.remembered_since_ms, second.damage) == (3, NOW_MS, ())
    assert (second.snapshots, second.objects) == (3, first.objects)


def test_only_the_new_snapshot_is_walked(store: Counting, tmp_path: Path) -> None:
    checked(store, tmp_path)
    take(opened(store), FakeDatabase(tables={"public.t": [rows(9, 50)]}))
    report, read = checked(store, tmp_path)
    assert read
    assert (report.remembered, report.snapshots) == (3, 4)
    assert checked(store, tmp_path)[0].remembered == 4


@pytest.mark.parametrize("change", ["gone", "longer", "shorter"])
def test_pack_that_a_listing_shows_otherwise_is_found_as_without_a_memory(
    store: Counting, tmp_path: Path, change: str
) -> None:
    for name in packs(store):
        copy = Counting(dict(store.files))
        checked(copy, tmp_path / name)
        if change == "gone":
            copy.delete(name)
        else:
            copy.files[name] = copy.files[name] + b"x" if change == "longer" else copy.files[name][:-1]
        for _ in range(2):
            report, _ = checked(copy, tmp_path / name)
            assert report.damage == damage(opened(copy), read_data=None)
            assert report.damage
            assert report.remembered < 3


def test_snapshots_that_do_not_need_what_is_gone_are_not_walked_again(store: Counting, tmp_path: Path) -> None:
    """The second day's own packs: the first snapshot relies on none of them."""
    new = Counting()
    repo = new_repository(new)
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]}))
    before = set(packs(new))
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 50)]}), source="other")
    checked(new, tmp_path)
    for name in set(packs(new)) - before:
        new.delete(name)
    report, _ = checked(new, tmp_path)
    assert report.remembered == 1
    assert report.damage


def test_fragment_that_is_gone_is_found_as_without_a_memory(store: Counting, tmp_path: Path) -> None:
    """All packs are listed as before, and nobody knows any more what is in them."""
    for number, name in enumerate(sorted(name for name in store.files if name.startswith("index/"))):
        copy = Counting(dict(store.files))
        checked(copy, tmp_path / str(number))
        copy.delete(name)
        report, _ = checked(copy, tmp_path / str(number))
        assert report.damage == damage(opened(copy), read_data=None)
        assert report.damage
        assert report.remembered == 0


def test_damaged_fragment_and_damaged_snapshot_are_told_every_time(store: Counting, tmp_path: Path) -> None:
    checked(store, tmp_path)
    fragment = next(name for name in store.files if name.startswith("index/"))
    snapshot = next(name for name in store.files if name.startswith("snapshots/"))
    for name in (fragment, snapshot):
        store.files[name] = bytes(len(store.files[name]))
    for _ in range(2):
        assert {one.file for one in checked(store, tmp_path)[0].damage} >= {fragment, snapshot}


def test_memory_ends_after_thirty_days_and_in_no_case_in_the_future(store: Counting, tmp_path: Path) -> None:
    checked(store, tmp_path)
    assert checked(store, tmp_path, now_ms=NOW_MS + 30 * DAY_MS - 1)[0].remembered == 3
    assert checked(store, tmp_path, now_ms=NOW_MS + 30 * DAY_MS)[0].remembered == 0
    assert checked(store, tmp_path, now_ms=NOW_MS + 400 * DAY_MS)[0].remembered == 0, "a clock that was a year ahead"
    assert checked(store, tmp_path, now_ms=NOW_MS)[0].remembered == 0, "and is right again"
    assert checked(store, tmp_path, now_ms=NOW_MS)[0].remembered == 3


def test_reading_data_walks_everything_and_is_remembered(store: Counting, tmp_path: Path) -> None:
    assert checked(store, tmp_path)[0].data_read_ms is None
    assert checked(store, tmp_path, read_data=Amount(share=0.5))[0].remembered == 0
    assert checked(store, tmp_path)[0].data_read_ms is None, "a part is not all"
    assert checked(store, tmp_path, read_data=ALL, now_ms=NOW_MS + 5)[0].remembered == 0
    report, read = checked(store, tmp_path, now_ms=NOW_MS + DAY_MS)
    assert (report.data_read_ms, report.remembered, read) == (NOW_MS + 5, 3, 0)


def test_reading_that_found_damage_is_not_remembered(store: Counting, tmp_path: Path) -> None:
    name = packs(store)[0]
    store.files[name] = bytes(len(store.files[name]))
    assert checked(store, tmp_path, read_data=ALL)[0].damage
    assert checked(store, tmp_path)[0].data_read_ms is None


def test_memory_that_is_damaged_is_thrown_away(store: Counting, tmp_path: Path) -> None:
    checked(store, tmp_path)
    (file,) = tmp_path.rglob("closures")
    data = file.read_bytes()
    for at in (0, 20, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert checked(store, tmp_path)[0].remembered == 0
        assert checked(store, tmp_path)[0].remembered == 3
    file.write_bytes(b"")
    assert checked(store, tmp_path)[0].remembered == 0


def test_snapshot_with_damage_is_never_remembered(store: Counting, tmp_path: Path) -> None:
    """A pack of data that is gone from the beginning: told each time, with all that it hits."""
    from vault.format.pack import decode_header

    name = next(name for name in packs(store) if decode_header(store.files[name]).pack_class is PackClass.DATA)
    store.delete(name)
    reports = [checked(store, tmp_path)[0] for _ in range(3)]
    assert reports[0].damage == reports[1].damage == reports[2].damage
    assert reports[0].damage[0].affects


def test_packs_that_no_index_names_and_other_files_are_remarks(store: Counting) -> None:
    repo = opened(store)
    put_pack(repo, [Made(plain=b"left\n")])
    store.files["leases/README"] = b"not ours"
    report, _ = checked(store, None)
    assert report.damage == ()
    assert any(note.startswith("1 pack that no index names") for note in report.notes)
    assert any("leases/README" in note for note in report.notes)
    put_fragment(repo, [put_pack(repo, [Made(plain=b"known\n")])])
    assert sum("no index names" in note for note in checked(store, None)[0].notes) == 1


def test_every_kind_of_record_is_opened_by_a_check() -> None:
    assert set(DECODERS) == set(DIRECTORIES)


# --- sets of packs -------------------------------------------------------------------------------


def test_sets_of_packs_are_shared_and_unions_are_exact() -> None:
    sets = PackSets()
    one, two, three = (PackId(bytes(31) + bytes((n,))) for n in (1, 2, 3))
    assert sets.of([one, two]) is sets.of([two, one, one])
    both = sets.union([sets.of([one, two]), sets.none, sets.of([three])])
    assert both is not None
    assert sets.packs(both) == frozenset((one, two, three))
    assert sets.union([both, None]) is None
    assert sets.union([]) is sets.none
    assert sets.packs(sets.none) == frozenset()


def test_sets_that_take_too_much_become_the_set_of_every_pack() -> None:
    sets = PackSets(bytes_max=8)
    packs = [PackId(ObjectId(bytes(31) + bytes((n,)))) for n in range(4)]
    small = sets.of(packs[:2])
    assert sets.packs(small) == frozenset(packs[:2])
    large = sets.of(packs)
    assert sets.packs(large) is None
    union = sets.union([small, large])
    assert union is not None
    assert sets.packs(union) is None
