"""Runs asked directly: which entries are whose, what counts of packs that are gone, and where the bytes of a run lie."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.packs import Made, object_id, put_pack
from tests.small_repository import new_repository
from vault.errors import Malformed
from vault.format.index import ENTRY_BYTES, build_fragment
from vault.ids import FragmentId, ObjectId, PackId
from vault.model import PackEntry
from vault.repo import run_cache, runs
from vault.repo.run_cache import RunCache
from vault.repo.runs import MERGED, Run, from_fragment, merge, name_of
from vault.repo.state import Open
from vault.store.memory import MemoryStore

FRAGMENTS = [FragmentId(bytes([number]) * 32) for number in range(1, 4)]
OLD = FragmentId(b"\xee" * 32)
BASE = ObjectId(b"\x07" * 32)


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def pack(repo: Open, *numbers: int) -> PackEntry:
    """One whole object for each number, and one delta, against `BASE`, of an id of its own."""
    delta = Made(plain=b"delta", base=bytes(64), names=BASE, depth=3, id=ObjectId(bytes([99, numbers[0]]) * 16))
    return put_pack(repo, [*(Made(plain=b"%d" % number) for number in numbers), delta])


def pieces(packs: Iterable[PackEntry], fragment: FragmentId) -> Iterator[bytes]:
    return from_fragment(build_fragment(packs, [OLD]), fragment)


def run_of(fragment: FragmentId, *packs: PackEntry) -> Run:
    return Run(b"".join(pieces(packs, fragment)))


def sizes(*packs: PackEntry) -> dict[PackId, int]:
    return {one.pack: one.size for one in packs}


def test_a_run_tells_what_its_fragment_does(repo: Open) -> None:
    first, second = pack(repo, 1, 2), pack(repo, 3)
    run = run_of(FRAGMENTS[0], first, second)
    assert (run.covers, run.supersedes, len(run)) == ((FRAGMENTS[0],), (OLD,), 5)
    assert {row.id: row.size for row in run.packs()} == sizes(first, second)
    ids = [ObjectId(run.entry(position).id) for position in range(5)]
    assert ids == sorted(ids)
    for position, identifier in enumerate(ids):
        (link,) = run.links(identifier)
        (place,) = run.locations(identifier)
        entry, record = run.entry(position), place.record
        assert run.location(link) == run.location_at(position) == place
        assert run.pack_of(link) == place.pack
        assert list(run.positions(identifier)) == [position]
        assert (link.depth, link.base, link.type) == (record.depth, record.base, record.type)
        assert entry[:4] == (record.id, record.base, record.offset, record.length)
        assert entry[4:7] == (record.plain_length, record.type, record.depth)
        assert [row.id for row in run.packs()][entry.pack] == place.pack
    positions = {one.pack: [row.id for row in run.packs()].index(one.pack) for one in (first, second)}
    deltas = [(at, BASE, run.entry(at).pack) for at in range(5) if run.entry(at).depth]
    assert list(run.bases()) == deltas
    assert sorted(position for _, _, position in deltas) == sorted(positions.values())
    entries = [run.entry(at) for at in range(5)]
    assert list(run.sealed()) == [(one.id, one.offset, one.length, one.pack) for one in entries]


def test_entries_of_packs_that_are_gone_do_not_count_until_they_are_back(repo: Open) -> None:
    here, away = pack(repo, 1, 2), pack(repo, 2, 3)
    run = run_of(FRAGMENTS[0], here, away)
    both, lost = object_id(repo, b"2"), object_id(repo, b"3")
    assert list(run.unusable()) == []
    assert {place.pack for place in run.locations(both)} == {here.pack, away.pack}
    for there in (sizes(here), sizes(here) | {away.pack: away.size + 1}):
        run.restrict(there)
        assert [row.id for row in run.unusable()] == [away.pack]
        assert [place.pack for place in run.locations(both)] == [here.pack]
        assert [run.entry(position).id for position in run.positions(both)] == [both]
        assert (run.links(lost), list(run.positions(lost)), list(run.locations(lost))) == ([], [], [])
        assert list(run.gone_from(both)) == list(run.gone_from(lost)) == [away.pack]
        assert list(run.gone_from(object_id(repo, b"1"))) == []
        assert list(run.in_pack(away.pack)) == []
        assert {place.record.id for place in run.in_pack(away.pack, usable=False)} >= {both, lost}
        assert [run.is_usable(at) for at, row in enumerate(run.packs()) if row.id == here.pack] == [True]
    run.restrict(sizes(here, away))
    assert len(run.links(both)) == 2
    assert len(list(run.in_pack(away.pack))) == 3
    assert list(run.in_pack(PackId(bytes(32)))) == []


@pytest.mark.parametrize("few", [0, 1_000])
def test_an_id_before_between_and_behind_all_is_not_there(
    repo: Open, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(runs, "_FEW_ENTRIES", few)
    run = run_of(FRAGMENTS[0], pack(repo, *range(9)))
    ids = [ObjectId(run.entry(position).id) for position in range(10)]
    beside = [ObjectId(one[:31] + bytes([one[31] ^ 1])) for one in ids]
    for absent in (*beside, ObjectId(bytes(32)), ObjectId(b"\xff" * 32)):
        assert (run.links(absent), list(run.positions(absent)), list(run.gone_from(absent))) == ([], [], [])
    assert all(run.links(one) for one in ids)


def test_runs_are_merged_with_all_that_each_tells(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of three entries: a merged run may be larger than memory."""
    first, second, third = pack(repo, 1, 2, 3), pack(repo, 3, 4), pack(repo, 5)
    monkeypatch.setattr(runs, "BLOCK_ENTRIES", 3)
    parts = [run_of(FRAGMENTS[0], first), run_of(FRAGMENTS[1], second, first), run_of(FRAGMENTS[2], third)]
    blocks = list(merge(parts))
    assert [len(block) // ENTRY_BYTES for block in blocks[1:-2]] == [3, 3, 3, 3, 1]
    whole = Run(b"".join(blocks), unchecked=True)
    whole.check()
    assert whole.covers == tuple(FRAGMENTS)
    assert whole.supersedes == (OLD,)
    assert len(whole) == sum(map(len, parts)) == 13
    assert {row.id: row.size for row in whole.packs()} == sizes(first, second, third)
    ids = [whole.entry(position).id for position in range(13)]
    assert ids == sorted(ids)
    for identifier in set(map(ObjectId, ids)):
        apart = [place for part in parts for place in part.locations(identifier)]
        assert sorted(map(repr, whole.locations(identifier))) == sorted(map(repr, apart))


@pytest.mark.parametrize("bad", [0, 4, 9])
def test_a_damaged_block_is_told_and_whole_ones_are_not(repo: Open, monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    monkeypatch.setattr(runs, "BLOCK_ENTRIES", 3)
    monkeypatch.setattr(runs, "_FEW_ENTRIES", 0)
    blocks = list(pieces([pack(repo, *range(9))], FRAGMENTS[0]))
    data = bytearray(b"".join(blocks))
    data[len(blocks[0]) + bad * ENTRY_BYTES + 70] ^= 1
    told: list[str] = []
    run = Run(bytes(data), unchecked=True, damaged=lambda: told.append("damaged"))
    for position in range(10):
        if position // 3 == bad // 3:
            with pytest.raises(Malformed, match="local cache of the index is damaged"):
                run.entry(position)
        else:
            run.entry(position)
    assert told
    for everything in (
        run.check,
        lambda: list(run.sealed()),
        lambda: list(run.bases()),
        lambda: list(run.raw_entries()),
    ):
        with pytest.raises(Malformed):
            everything()
    run_of(FRAGMENTS[0], pack(repo, 1)).check()


def test_a_run_is_called_by_its_fragment_or_by_all_that_it_covers_in_any_order() -> None:
    assert name_of(FRAGMENTS[:1]) == FRAGMENTS[0].hex()
    merged = name_of(FRAGMENTS)
    assert merged == name_of(FRAGMENTS[::-1])
    assert merged != name_of(FRAGMENTS[:2])
    assert merged.startswith(MERGED)


# --- kept in a directory ----------------------------------------------------------------------------


def test_a_run_that_is_kept_lies_in_its_file_and_not_in_memory(repo: Open, tmp_path: Path) -> None:
    cache, made = RunCache(tmp_path / "runs"), pack(repo, 1)
    calls: list[int] = []

    def counted() -> Iterator[bytes]:
        calls.append(1)
        return pieces([made], FRAGMENTS[0])

    run = cache.save(name_of(FRAGMENTS[:1]), counted)
    assert isinstance(run._data, mmap.mmap)
    assert calls == [1], "made once: of a large one that takes its time"
    again = cache.load(name_of(FRAGMENTS[:1]))
    assert again is not None
    assert list(again.raw_entries()) == list(run.raw_entries())
    assert os.listdir(tmp_path / "runs") == [name_of(FRAGMENTS[:1])]
    cache.remove(name_of(FRAGMENTS[:1]))
    cache.remove(name_of(FRAGMENTS[:1]))
    assert cache.load(name_of(FRAGMENTS[:1])) is None


def test_a_run_whose_file_is_not_what_was_written_is_used_from_memory(
    repo: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def spoil(path: Path, new: Path) -> None:
        path.write_bytes(path.read_bytes()[:-1])
        replace(path, new)

    monkeypatch.setattr(os, "replace", spoil)
    made = pack(repo, 1)
    run = RunCache(tmp_path).save(name_of(FRAGMENTS[:1]), partial(pieces, [made], FRAGMENTS[0]))
    assert isinstance(run._data, bytes)
    assert run.links(object_id(repo, b"1"))


def test_a_cache_without_a_directory_or_with_none_yet_has_no_runs(repo: Open, tmp_path: Path) -> None:
    made = pack(repo, 1)
    for cache in (RunCache(None), RunCache(tmp_path / "none")):
        assert (cache.load("a"), cache.names("")) == (None, [])
        cache.remove("a")
    run = RunCache(None).save("a", partial(pieces, [made], FRAGMENTS[0]))
    assert run.links(object_id(repo, b"1"))
    for name in (f"{MERGED}b", f"{MERGED}a", f"{MERGED}c.123", "other"):
        (tmp_path / name).write_bytes(b"")
    assert RunCache(tmp_path).names(MERGED) == [f"{MERGED}a", f"{MERGED}b"]
    assert RunCache(tmp_path).load(f"{MERGED}a") is None


# --- what a damaged cache may not decide --------------------------------------------------------------


LOOKS: dict[str, Callable[[Run, ObjectId], object]] = {
    "links": Run.links,
    "locations": lambda run, wanted: list(run.locations(wanted)),
    "positions": lambda run, wanted: list(run.positions(wanted)),
    "gone_from": lambda run, wanted: list(run.gone_from(wanted)),
}


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_look_up_takes_an_entry_for_absent_or_another_because_its_bytes_were_changed(
    repo: Open, monkeypatch: pytest.MonkeyPatch, look: Callable[[Run, ObjectId], object], few: int
) -> None:
    monkeypatch.setattr(runs, "BLOCK_ENTRIES", 3)
    monkeypatch.setattr(runs, "_FEW_ENTRIES", few)
    blocks = list(pieces([pack(repo, *range(9))], FRAGMENTS[0]))
    whole = Run(b"".join(blocks))
    for position in range(len(whole)):
        for byte in (0, 31, 70):
            data = bytearray(b"".join(blocks))
            data[len(blocks[0]) + position * ENTRY_BYTES + byte] ^= 0x80
            with pytest.raises(Malformed):
                look(Run(bytes(data), unchecked=True), ObjectId(whole.entry(position).id))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_second_place_of_an_object_in_a_damaged_block_is_not_taken_for_that_of_another(
    repo: Open, monkeypatch: pytest.MonkeyPatch, look: Callable[[Run, ObjectId], object]
) -> None:
    """No look-up bisects there on its way to the first place."""
    monkeypatch.setattr(runs, "_FEW_ENTRIES", 0)
    monkeypatch.setattr(runs, "BLOCK_ENTRIES", 1)
    before = [Made(plain=b"%d" % number, id=ObjectId(bytes([number]) * 32)) for number in range(2)]
    wanted = ObjectId(b"\x90" * 32)
    packs = [put_pack(repo, [*others, Made(plain=b"x", id=wanted)]) for others in (before, [])]
    blocks = list(pieces(packs, FRAGMENTS[0]))
    data = bytearray(b"".join(blocks))
    data[len(blocks[0]) + 3 * ENTRY_BYTES] ^= 0x80
    with pytest.raises(Malformed):
        look(Run(bytes(data), unchecked=True), wanted)


def test_what_was_just_made_is_not_compared_with_its_digests(repo: Open) -> None:
    blocks = list(pieces([pack(repo, 1)], FRAGMENTS[0]))
    made = b"".join((*blocks[:-2], bytes(runs.DIGEST_BYTES), blocks[-1]))
    assert Run(made).links(object_id(repo, b"1"))
    with pytest.raises(Malformed):
        Run(made, unchecked=True).links(object_id(repo, b"1"))


def test_beginnings_are_noted_once(repo: Open) -> None:
    run = run_of(FRAGMENTS[0], pack(repo, 1))
    run.links(BASE)
    noted = run._beginnings
    assert len(noted) == 1 << 16
    run.links(BASE)
    assert run._beginnings is noted


def test_a_run_that_may_be_checked_at_once_is_and_a_longer_one_as_it_is_used(
    repo: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name_of(FRAGMENTS[:1])
    cache, made = RunCache(tmp_path), pack(repo, 1)
    for entries, is_used in ((2, False), (1, True)):
        cache.save(name, partial(pieces, [made], FRAGMENTS[0]))
        data = bytearray((tmp_path / name).read_bytes())
        data[-70] ^= 1  # of the last entry
        (tmp_path / name).write_bytes(data)
        monkeypatch.setattr(run_cache, "CHECKED_AT_ONCE_BYTES", entries * ENTRY_BYTES)
        assert (cache.load(name) is not None) == is_used


def test_the_layout_of_cached_runs_is_the_one_that_their_magic_names() -> None:
    """Whoever changes one changes the other: a program of the day before takes no run of this one for its own."""
    assert runs.MAGIC == b"PGVRUN2\n"
    structs = [runs.COUNTS, runs.PACK, runs._POSITION, runs._BASE, runs._LINK, runs._FACTS, runs._SEALED]
    assert [one.size for one in structs] == [16, 108, 4, 88, 88, 88, 88]
    assert (ENTRY_BYTES, runs.DIGEST_BYTES, runs.BLOCK_ENTRIES, runs.MERGED) == (88, 32, 12_000, "merged-")
