"""The index: cached runs, merged runs, superseded fragments, packs that are gone."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import FaultStore, RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.crypto import keyed
from vault.errors import Malformed
from vault.format.index import ENTRY_BYTES
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId
from vault.model import PackEntry
from vault.ports import StoredFile
from vault.repo import run_cache, runs
from vault.repo.index import Index
from vault.repo.runs import MERGED, name_of
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def several(repo: Open, count: int) -> list[PackEntry]:
    """Packs of one object each, every one in a fragment of its own."""
    packs = []
    for number in range(count):
        packs.append(put_pack(repo, [Made(plain=b"%d" % number)]))
        put_fragment(repo, packs[-1:], generation=number + 1)
    return packs


def open_index(repo: Open, cache_dir: Path | None) -> tuple[Index, int]:
    """The index, and how many fragments were read from the store for it."""
    recording = RecordingStore(repo.store)
    index = opened(recording).indexed(cache_dir).index
    return index, sum(call.kind == "get" for call in recording.calls)


def has(repo: Open, index: Index, numbers: range) -> bool:
    return all(object_id(repo, b"%d" % number) in index for number in numbers)


def test_cached_runs_spare_reading_fragments(repo: Open, tmp_path: Path) -> None:
    several(repo, 5)
    assert open_index(repo, tmp_path)[1] == 5
    index, read = open_index(repo, tmp_path)
    assert read == 0
    assert has(repo, index, range(5))
    assert len(index) == 5


def test_cache_is_private(repo: Open, tmp_path: Path) -> None:
    several(repo, 2)
    open_index(repo, tmp_path / "cache")
    files = list((tmp_path / "cache").rglob("*"))
    assert files
    for path in files:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-1], id="truncated"),
        pytest.param(lambda data: data[:40], id="cut to its head"),
        pytest.param(lambda data: data[:12], id="cut within its counts"),
        pytest.param(lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], id="bit flipped"),
        pytest.param(lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:], id="bit of an entry flipped"),
        pytest.param(lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="digest flipped"),
        pytest.param(lambda data: data + b"\0", id="appended"),
        pytest.param(lambda data: b"something else" * 30, id="foreign"),
    ],
)
@pytest.mark.parametrize("count", [3, 40], ids=["single", "merged"])
def test_harmed_cache_is_rebuilt(repo: Open, tmp_path: Path, count: int, harm: Callable[[bytes], bytes]) -> None:
    several(repo, count)
    open_index(repo, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(harm(path.read_bytes()))
    index, read = open_index(repo, tmp_path)
    assert read == count
    assert has(repo, index, range(count))
    assert open_index(repo, tmp_path)[1] == 0


def test_large_run_is_checked_where_it_is_looked_at(
    repo: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a whole at each opening; what is found damaged is said once, and is whole the next time."""
    monkeypatch.setattr(run_cache, "CHECKED_AT_ONCE_BYTES", 0)
    monkeypatch.setattr(runs, "_FEW_ENTRIES", 0)
    for module in (runs, run_cache):
        monkeypatch.setattr(module, "BLOCK_ENTRIES", 4)
    several(repo, 40)
    open_index(repo, tmp_path)
    (merged,) = tmp_path.rglob(f"{MERGED}*")
    data = merged.read_bytes()
    at = len(data) - 32 - 10 * 32 - 88 * 2
    merged.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    index, read = open_index(repo, tmp_path)
    assert read == 0
    with pytest.raises(Malformed, match="local cache") as told:
        has(repo, index, range(40))
    assert "run the command again" in told.value.hint
    index, read = open_index(repo, tmp_path)
    assert read == 40
    assert has(repo, index, range(40))


@pytest.mark.parametrize("few", [0, 1_000])
def test_what_is_not_there_is_not_found_at_one_look_either(
    repo: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(runs, "_FEW_ENTRIES", few)
    several(repo, 40)
    index, _ = open_index(repo, tmp_path)
    (identifier, *_) = next(iter(index.runs)).entry(0)
    beside = ObjectId(identifier[:2] + bytes(255 - byte for byte in identifier[2:]))
    assert next(iter(index.runs)).links(ObjectId(identifier))
    assert not any(run.links(beside) for run in index.runs)
    assert not any(run.links(ObjectId(bytes((first, 0)) + bytes(30))) for run in index.runs for first in range(256))
    assert has(repo, index, range(40))


def test_run_of_another_fragment_under_its_name_is_rebuilt(repo: Open, tmp_path: Path) -> None:
    several(repo, 2)
    open_index(repo, tmp_path)
    first, second = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    first.write_bytes(second.read_bytes())
    index, read = open_index(repo, tmp_path)
    assert read == 1
    assert has(repo, index, range(2))


def test_cached_run_of_another_layout_is_rebuilt(repo: Open, tmp_path: Path) -> None:
    """With digests that hold: an older program's."""
    several(repo, 1)
    open_index(repo, tmp_path)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    data = path.read_bytes()
    at = len(data) - 2 * runs.DIGEST_BYTES - ENTRY_BYTES
    head = b"PGVRUN1\n" + data[len(runs.MAGIC) : at]
    digests = data[at + ENTRY_BYTES : -runs.DIGEST_BYTES]
    path.write_bytes(head + data[at : at + ENTRY_BYTES] + digests + keyed.digest(head + digests))
    index, read = open_index(repo, tmp_path)
    assert read == 1
    assert has(repo, index, range(1))


def test_cache_that_cannot_be_written_is_no_error(repo: Open, tmp_path: Path) -> None:
    several(repo, 40)
    (tmp_path / "file").write_bytes(b"")
    index, _ = open_index(repo, tmp_path / "file")
    assert has(repo, index, range(40))


def test_many_small_runs_are_merged_and_the_merged_one_is_kept(repo: Open, tmp_path: Path) -> None:
    several(repo, 40)
    index, read = open_index(repo, tmp_path)
    assert read == 40
    assert has(repo, index, range(40))
    for count in range(41, 120):
        pack = put_pack(repo, [Made(plain=b"%d" % (count - 1))])
        put_fragment(repo, [pack], generation=count)
        index, read = open_index(repo, tmp_path)
        assert read == 1, "only the new one"
        assert has(repo, index, range(count))
        assert len(index) == count
    merged = [path for path in tmp_path.rglob(f"{MERGED}*") if path.is_file()]
    assert 1 <= len(merged) <= 4, "what was merged again is not kept"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) <= 17


def test_a_large_run_stays_as_it_is_while_small_ones_are_merged(repo: Open, tmp_path: Path) -> None:
    many = put_pack(repo, [Made(plain=b"%d" % number) for number in range(100, 300)])
    large = put_fragment(repo, [many], generation=0)
    several(repo, 20)
    index, _ = open_index(repo, tmp_path)
    assert has(repo, index, range(20))
    assert has(repo, index, range(100, 300))
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert name_of([large]) in kept
    assert len(kept) == 2, "and one of all the others"


def test_only_what_is_small_beside_the_others_is_merged(repo: Open, tmp_path: Path) -> None:
    """The first two; the third is more than twice both, and so is each after it."""
    small = [put_fragment(repo, [put_pack(repo, [Made(plain=b"small %d" % number)])]) for number in range(2)]
    large = []
    for number in range(15):
        made = [Made(plain=b"%d of %d" % (at, number)) for at in range(5)]
        large.append(put_fragment(repo, [put_pack(repo, made)]))
    index, _ = open_index(repo, tmp_path)
    assert len(index) == 2 + 15 * 5
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {name_of(small), *(name_of([one]) for one in large)}


def test_superseded_fragments_do_not_count(repo: Open, tmp_path: Path) -> None:
    packs = several(repo, 2)
    old = [put_fragment(repo, [put_pack(repo, [Made(plain=b"dropped")])], generation=3)]
    for cache_dir in (None, tmp_path):
        assert object_id(repo, b"dropped") in open_index(repo, cache_dir)[0]
    put_fragment(repo, packs, generation=4, supersedes=old)
    for cache_dir, expected_reads in ((None, 4), (tmp_path, 1), (tmp_path, 0)):
        index, read = open_index(repo, cache_dir)
        assert read == expected_reads
        assert has(repo, index, range(2))
        assert object_id(repo, b"dropped") not in index


def test_entry_that_was_dropped_does_not_come_back_from_a_merged_run(repo: Open, tmp_path: Path) -> None:
    packs = several(repo, 39)
    old = [put_fragment(repo, [put_pack(repo, [Made(plain=b"dropped")])], generation=40)]
    open_index(repo, tmp_path)
    put_fragment(repo, packs[:1], generation=41, supersedes=old)
    for _ in range(3):
        index, _ = open_index(repo, tmp_path)
        assert object_id(repo, b"dropped") not in index
        assert has(repo, index, range(39))


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("count", [3, 40])
def test_entries_of_absent_packs_vanish_and_come_back(repo: Open, tmp_path: Path, cached: bool, count: int) -> None:
    assert isinstance(repo.store, MemoryStore)
    cache_dir = tmp_path if cached else None
    packs = several(repo, count)
    name = pack_name(packs[1].pack)
    data = repo.store.files.pop(name)
    for _ in range(2):
        index, _ = open_index(repo, cache_dir)
        assert object_id(repo, b"1") not in index
        assert object_id(repo, b"0") in index
        assert list(index.missing_packs()) == [(packs[1].pack, packs[1].size)]
        assert index.gone_from(object_id(repo, b"1")) == packs[1].pack
    repo.store.files[name] = data[:-1]
    assert object_id(repo, b"1") not in open_index(repo, cache_dir)[0], "of another size"
    repo.store.files[name] = data
    index, _ = open_index(repo, cache_dir)
    assert has(repo, index, range(count))
    assert list(index.missing_packs()) == []


def test_object_of_an_absent_pack_is_stored_anew(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    directory = FakeDirectory({b"f": rows(1, 500), b"g": rows(2, 500)})
    database = FakeDatabase(tables={"public.t": [rows(3, 500)]})
    first = take(repo, database, {"lib": directory})
    expected = contents(repo, first.id)
    for name in [name for name in repo.store.files if name.startswith("packs/")]:
        data = repo.store.files[name]
        repo.store.files[name] = b""
        take(repo, database, {"lib": directory})
        assert contents(repo, first.id) == expected
        repo.store.files[name] = data
    assert damage(repo) == ()


def test_delta_whose_base_is_absent_is_stored_anew(repo: Open) -> None:
    """Its own pack is there, but nobody could read it."""
    assert isinstance(repo.store, MemoryStore)
    text = rows(1, 1_000)
    second = FakeDatabase(tables={"public.t": [text.replace(b"\n500\t", b"\n500\tx")]})
    take(repo, FakeDatabase(tables={"public.t": [text]}))
    packs: set[PackId] = set(repo.indexed(None).index.pack_sizes)
    snapshot = take(repo, second).id
    index = repo.indexed(None).index
    (delta,) = [
        place for pack in index.pack_sizes if pack not in packs for place in index.in_pack(pack) if place.record.depth
    ]
    assert delta.record.base is not None
    (base,) = index.locations(delta.record.base)
    del repo.store.files[pack_name(base.pack)]
    found = damage(repo, read_data=None)
    assert [item.file for item in found] == [pack_name(base.pack)]
    assert f"{snapshot.hex()[:12]}:table public.t" in found[0].affects
    third = take(repo, second).id
    for snapshot_id in (snapshot, third):
        assert contents(repo, snapshot_id)["table public.t"] == second.tables["public.t"][0]


def test_names_that_are_no_fragments_or_packs_are_passed_over(repo: Open) -> None:
    several(repo, 1)
    for name in ("index/readme", "packs/readme", "index/00000001-zz", "packs/" + "9" * 63):
        repo.store.put(name, b"x")
    index, _ = open_index(repo, None)
    assert index.damage == []
    assert len(index.pack_sizes) == 1
    assert index.generation == 1


class MergedMeanwhile(FaultStore):
    """After the first listing of index/ somebody merges all fragments into one, as a pruner does; `lying`: each listing is that one."""

    def __init__(self, next_store: MemoryStore, merge: Callable[[], None], *, lying: bool = False) -> None:
        super().__init__(next_store)
        self._merge, self._lying = merge, lying
        self._listed: list[StoredFile] | None = None

    def list(self, prefix: str) -> Iterator[StoredFile]:
        if prefix != "index/" or (self._listed is not None and not self._lying):
            return super().list(prefix)
        if self._listed is None:
            self._listed = list(super().list(prefix))
            self._merge()
        return iter(self._listed)


@pytest.mark.spec("LEASE-8")
@pytest.mark.parametrize("lying", [False, True])
def test_fragment_that_is_gone_between_listing_and_reading_is_looked_for_again(repo: Open, lying: bool) -> None:
    """What superseded it was not in the first listing; skipping it would lose what it tells."""
    assert isinstance(repo.store, MemoryStore)
    store = repo.store
    packs = several(repo, 3)
    old = [name for name in store.files if name.startswith("index/")]

    def merge() -> None:
        put_fragment(repo, packs, generation=9)
        for name in old:
            store.delete(name)

    index = opened(MergedMeanwhile(store, merge, lying=lying)).indexed(None).index
    if lying:
        assert sorted(error.file for error in index.damage) == sorted(old)
    else:
        assert has(repo, index, range(3))
        assert index.damage == []
