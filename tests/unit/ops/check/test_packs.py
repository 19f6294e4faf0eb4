"""Reading packs: how much and which first, chains opened once, what is kept of a reading that was broken off."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from tests.damage_support import Sample, flipped, make_sample
from tests.fake_source import FakeDatabase
from tests.faults import FaultStore
from tests.small_repository import Quiet, new_repository, opened, rows, take
from vault.errors import StoreDenied
from vault.format.pack import parse_pack_name
from vault.ids import PackId
from vault.ops.check import packs, run
from vault.ops.check.amount import ALL, Amount, chosen
from vault.ops.check.packs import PackReading
from vault.ops.check.parts import Part
from vault.ops.check.run import ReadingBroken
from vault.pipeline import seal
from vault.repo import checks
from vault.repo.dependents import Dependents
from vault.repo.state import Indexed
from vault.store.memory import MemoryStore
from vault.store.unreadable import UnreadableStore

PACKS = [(PackId(bytes([number]) * 32), 100 + number) for number in range(20)]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample()


def read(repo: Indexed, amount: Amount, now_ms: int, *, packs_max: int = 10**9) -> run.CheckReport:
    """A check that ends after so many packs, with its record."""
    asked = iter(range(packs_max + 1, 0, -1))
    report = run.run(
        repo, read_data=amount, entropy=os.urandom, progress=Quiet(), is_over=lambda: next(asked, 1) == 1, threads=1
    )
    run.record(repo, report, host="here", now_ms=now_ms, entropy=os.urandom)
    return report


def test_what_was_not_read_for_longest_comes_first() -> None:
    read_ms = {pack: 1_000 - number for number, (pack, _) in enumerate(PACKS) if number != 7}
    order = chosen(PACKS, ALL, read_ms, os.urandom)
    assert order[0] == PACKS[7], "it was never read"
    assert order[1:] == [pack for pack in reversed(PACKS) if pack != PACKS[7]]
    tenth = chosen(PACKS, Amount(share=0.1), read_ms, os.urandom)
    assert tenth == order[:2]
    assert chosen(PACKS, Amount(bytes_max=1), read_ms, os.urandom) == order[:1]
    assert chosen(PACKS, Amount(bytes_max=10**9), read_ms, os.urandom) == order
    assert chosen([], ALL, {}, os.urandom) == []


def test_parts_of_all_machines_are_all_packs_once() -> None:
    parts = [chosen(PACKS, Amount(part=Part(number, 3)), {}, os.urandom) for number in (1, 2, 3)]
    assert sorted(pack for part in parts for pack in part) == PACKS
    assert all(parts)


class _DenyingPacks(MemoryStore):
    """Gives nothing of packs, as to a user who may not read them."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if name.startswith("packs/"):
            raise StoreDenied("denied")
        return super().get_range(name, offset, length)

    def get(self, name: str) -> bytes:
        if name.startswith("packs/"):
            raise StoreDenied("denied")
        return super().get(name)


def test_the_bytes_of_a_pack_that_cannot_be_read_are_not_kept() -> None:
    """What is told of it has no traceback, which would hold all that was read."""
    store = MemoryStore()
    repo = new_repository(store)
    noise = [b"".join(b"%d\t%s\n" % (n, os.urandom(500).hex().encode()) for n in range(1000))]
    take(repo, FakeDatabase(tables={"public.t": noise}))
    denied = opened(UnreadableStore(_DenyingPacks(dict(store.files))))
    indexed = denied.indexed(None)
    stored = list(indexed.index.packs())
    most = max(size for _, size in stored)
    assert most > 400_000
    reading = PackReading(indexed, [pack for pack, _ in stored])
    tracemalloc.start()
    try:
        for pack, size in stored:
            reading.read(pack, size)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(read.damage for read in reading.packs.values())
    assert kept < most / 4


def test_a_chain_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FaultStore(MemoryStore())
    repo = new_repository(store)
    texts = [rows(n, 4_000) for n in range(3)]
    for day in range(5):
        texts = [text.replace(b"\n70%d\t" % day, b"\n70%d\tx" % day) for text in texts]
        take(repo, FakeDatabase(tables={"public.t": texts}))
    indexed = repo.indexed(None)
    entries = [entry for stored, _ in indexed.index.packs() for entry in indexed.index.in_pack(stored)]
    assert max(entry.record.depth for entry in entries) >= 3, "the sample has chains"
    calls: list[object] = []
    genuine = seal.open_object

    def counted(*arguments: object, **options: object) -> bytes:
        calls.append(arguments[1])
        return genuine(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(packs, "open_object", counted)
    monkeypatch.setattr("vault.repo.reader.open_object", counted)
    chosen_packs = PackReading(indexed, []).deltas_first(indexed.index.packs())
    ranges: list[str] = []
    genuine_range = store.get_range

    def ranged(name: str, offset: int, length: int) -> bytes:
        ranges.append(name)
        return genuine_range(name, offset, length)

    monkeypatch.setattr(store, "get_range", ranged)
    for order in (chosen_packs, chosen_packs[::-1]):
        calls.clear()
        reading = PackReading(indexed, [pack for pack, _ in order])
        for pack, size in order:
            reading.read(pack, size)
        for pack, _ in order:
            reading.finish(pack)
        if order is chosen_packs:
            assert ranges == [], "no delta is read twice"
        assert all(one.is_whole for one in reading.packs.values())
        assert len(calls) == len(entries) == sum(one.objects for one in reading.packs.values())


def test_dependents_of_an_object_are_the_deltas_against_it() -> None:
    repo = new_repository(MemoryStore())
    for day in range(4):
        take(repo, FakeDatabase(tables={"public.t": [rows(1, 4_000).replace(b"\n700\t", b"\n700\t%d" % day)]}))
    index = repo.indexed(None).index
    every = [place for pack, _ in index.packs() for place in index.in_pack(pack)]
    dependents = Dependents(index.runs)
    deltas = [place for place in every if place.record.base is not None]
    assert deltas
    for place in every:
        expected = [delta for delta in deltas if delta.record.base == place.record.id]
        assert sorted(found.record.id for found in dependents.of(place.record.id)) == sorted(
            delta.record.id for delta in expected
        )


def test_a_delta_whose_base_is_damaged_or_in_no_chosen_pack_is_looked_at_all_the_same(sample: Sample) -> None:
    names = sample.names("packs data")
    for name in names:
        store = MemoryStore({**sample.files, name: flipped(sample.files[name], 75)})
        found = {
            fault.file
            for fault in run.run(
                opened(store).indexed(None), read_data=ALL, entropy=os.urandom, progress=Quiet()
            ).damage
        }
        assert found == {name}
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    for name in names:
        pack = parse_pack_name(name)
        assert pack is not None
        reading = PackReading(repo, [pack])
        reading.read(pack, len(sample.files[name]))
        reading.finish(pack)
        assert reading.packs[pack].is_whole
        assert reading.packs[pack].objects == len(list(repo.index.in_pack(pack)))


def test_checks_that_end_early_read_everything_in_turn(sample: Sample) -> None:
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    number = len(list(repo.index.packs()))
    seen: set[PackId] = set()
    for now_ms in range(1, number // 2 + 2):
        report = read(repo, Amount(in_turn=True), now_ms, packs_max=2)
        assert len(report.read.whole) == 2
        assert report.read.left == number - 2
        if len(seen) <= number - 2:
            assert not seen & report.read.whole
        seen |= report.read.whole
    assert len(seen) == number
    newest = checks.newest(repo.open)
    assert newest is not None
    assert None not in {pack.read_ms for pack in newest.packs}


def test_a_reading_that_is_broken_off_keeps_what_it_read(sample: Sample) -> None:
    name = next(iter(sample.names("packs meta")))
    store = MemoryStore({**sample.files, name: flipped(sample.files[name], -20)})
    repo = opened(store).indexed(None)
    read(repo, ALL, 5)
    before = checks.newest(repo.open)
    assert before is not None
    assert before.damage
    broken = broken_off(repo, packs=3)
    run.keep(repo, broken, host="here", now_ms=9, entropy=os.urandom)
    after = checks.newest(repo.open)
    assert after is not None
    assert {pack.id for pack in after.packs if pack.read_ms == 9} == broken.read.whole
    assert set(after.damage) >= set(before.damage), "nobody has looked again"
    assert after.created_ms == before.created_ms, "a reading that was broken off is no check"


def broken_off(repo: Indexed, *, packs: int) -> ReadingBroken:
    """By Ctrl-C after so many packs were read."""
    left = iter(range(packs))

    def stops() -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return False

    with pytest.raises(ReadingBroken) as broken:
        run.run(repo, read_data=Amount(in_turn=True), entropy=os.urandom, progress=Quiet(), is_over=stops, threads=1)
    return broken.value


def test_of_a_check_broken_off_the_damage_is_kept_and_it_counts_as_none(sample: Sample) -> None:
    repo = opened(MemoryStore({file: data for file, data in sample.files.items() if file != "config"})).indexed(None)
    run.keep(repo, broken_off(repo, packs=0), host="here", now_ms=9, entropy=os.urandom)
    newest = checks.newest(repo.open)
    assert newest is not None
    assert newest.kind == checks.PART
    assert [line.partition(":")[0] for line in newest.damage] == ["config"]
    read(repo, Amount(in_turn=True), 10)
    newest = checks.newest(repo.open)
    assert newest is not None
    assert newest.kind == checks.CHECK
    assert newest.created_ms == 10


def test_a_reading_broken_off_at_once_leaves_no_record(sample: Sample) -> None:
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    run.keep(repo, broken_off(repo, packs=0), host="here", now_ms=9, entropy=os.urandom)
    assert checks.newest(repo.open) is None


def test_what_a_part_read_whole_takes_back_what_the_check_before_it_told(sample: Sample) -> None:
    name = next(iter(sample.names("packs meta")))
    store = MemoryStore({**sample.files, name: flipped(sample.files[name], -20)})
    repo = opened(store).indexed(None)
    read(repo, ALL, 5)
    store.files[name] = sample.files[name]
    run.keep(repo, broken_off(repo, packs=3), host="here", now_ms=9, entropy=os.urandom)
    newest = checks.newest(repo.open)
    assert newest is not None
    assert newest.created_ms == 5
    assert newest.damage == (), "what was not read for longest comes first"
