"""The catalogue of damage: every kind of file, damaged in every way, is found and named, and takes nothing else with it."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from tests.damage_support import (
    DAYS,
    MUTATIONS,
    SAME_SIZE,
    Sample,
    expect_named_and_contained,
    flipped,
    make_sample,
    mutate,
    still_there,
)
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.packs import Made, put_fragment, put_pack
from tests.small_repository import CLOCK, PASSPHRASE, contents, damage, opened, rows, take
from vault.errors import (
    AuthenticationFailed,
    ContentMismatch,
    IntegrityError,
    NoRepository,
    WrongPassphrase,
)
from vault.format.pack import parse_pack_name
from vault.ids import PackId
from vault.model import ObjectType, PackEntry
from vault.ops.check.amount import ALL
from vault.ops.repository import keys
from vault.repo.state import Closed
from vault.store.memory import MemoryStore


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample()


@pytest.mark.parametrize("way", MUTATIONS)
def test_damaged_data_pack_is_named_with_what_it_hits(sample: Sample, way: str) -> None:
    for name in sample.names("packs data"):
        store = mutate(sample, name, MUTATIONS[way])
        found = expect_named_and_contained(sample, name, store, in_data=True)
        assert {item.file for item in found} == {name}
        structure = damage(opened(store), read_data=None)
        if way not in SAME_SIZE:
            assert {item.file for item in structure} == {name}, "sizes alone show this"
            assert {text for item in structure for text in item.affects} == {
                text for item in found for text in item.affects
            }


@pytest.mark.parametrize("way", MUTATIONS)
def test_damaged_meta_pack_is_named_with_what_it_hits(sample: Sample, way: str) -> None:
    for name in sample.names("packs meta"):
        store = mutate(sample, name, MUTATIONS[way])
        expect_named_and_contained(sample, name, store, in_data=False)
        if way not in SAME_SIZE:
            assert name in {item.file for item in damage(opened(store), read_data=None)}


@pytest.mark.parametrize("way", ["header flipped", "trailer flipped", "footer flipped", "magic flipped"])
def test_objects_of_a_pack_with_a_damaged_frame_still_read(sample: Sample, way: str) -> None:
    """Readers need the index only; check says so by naming no item."""
    for name in [*sample.names("packs data"), *sample.names("packs meta")]:
        store = mutate(sample, name, MUTATIONS[way])
        for snapshot_id, expected in zip(sample.snapshots, sample.expected, strict=True):
            assert contents(opened(store), snapshot_id) == expected
        found = damage(opened(store))
        assert {item.file for item in found} == {name}
        assert [item.affects for item in found if item.affects] == []


@pytest.mark.parametrize("way", MUTATIONS)
@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
def test_damaged_fragment_is_named_and_hides_no_other(sample: Sample, way: str, cached: bool, tmp_path: Path) -> None:
    for name in sample.names("index/"):
        cache_dir = tmp_path / name[6:14] if cached else None
        opened(MemoryStore(dict(sample.files))).indexed(cache_dir)
        store = mutate(sample, name, MUTATIONS[way])
        repo = opened(store).indexed(cache_dir)
        for read_data in (None, ALL):
            found = damage(repo, read_data=read_data)
            if way == "missing":
                assert {item.kind for item in found} == {"MISSING_OBJECT"}
            else:
                assert name in {item.file for item in found}
        now = still_there(opened(store).indexed(cache_dir), sample.snapshots[0])
        if int(name[6:14], 16) > 1:
            assert now == {key: sample.expected[0][key] for key in now}, "the first snapshot needs only its own"
            assert len(now) >= 6


@pytest.mark.parametrize("way", MUTATIONS)
def test_damaged_snapshot_is_named_and_others_stay(sample: Sample, way: str) -> None:
    for position, snapshot_id in enumerate(sample.snapshots):
        name = f"snapshots/{snapshot_id.hex()}"
        store = mutate(sample, name, MUTATIONS[way])
        found = damage(opened(store), read_data=None)
        last = position == len(sample.snapshots) - 1
        if not (way == "missing" and last):
            assert [item.file for item in found] == [name]
            assert found[0].affects == [f"{snapshot_id.hex()[:12]}: the whole snapshot"]
        for other, expected in zip(sample.snapshots, sample.expected, strict=True):
            if other != snapshot_id:
                assert contents(opened(store), other) == expected
        if way != "missing":
            with pytest.raises(IntegrityError):
                opened(store).manifest(snapshot_id)


@pytest.mark.parametrize("way", MUTATIONS)
def test_damaged_key_slot_is_named_and_the_other_opens(sample: Sample, way: str) -> None:
    for name in sample.names("keys/"):
        store = mutate(sample, name, MUTATIONS[way])
        outcomes = []
        for passphrase in (PASSPHRASE, "second"):
            try:
                Closed(store).open(passphrase)
                outcomes.append("opened")
            except WrongPassphrase as error:
                outcomes.append(error.why)
        (refused,) = [outcome for outcome in outcomes if outcome != "opened"]
        assert way == "missing" or name in refused
        assert [item.file for item in damage(opened(store), read_data=None)] == ([] if way == "missing" else [name])


@pytest.mark.parametrize("way", MUTATIONS)
def test_damaged_configuration_is_refused_as_what_it_is(sample: Sample, way: str) -> None:
    store = mutate(sample, "config", MUTATIONS[way] if way != "swapped" else lambda data, other: b"PGVAULTC" + data)
    with pytest.raises(NoRepository if way == "missing" else IntegrityError):
        Closed(store).open(PASSPHRASE)


def test_configuration_with_any_bit_flipped_never_blames_the_passphrase(sample: Sample) -> None:
    for at in range(len(sample.files["config"])):
        store = MemoryStore({**sample.files, "config": flipped(sample.files["config"], at)})
        with pytest.raises(IntegrityError):
            Closed(store).open(PASSPHRASE)


def test_recovery_kit_opens_without_configuration_and_slots_and_check_says_so(sample: Sample) -> None:
    kit = keys.make_kit(opened(MemoryStore(dict(sample.files))), clock=CLOCK, entropy=os.urandom)
    files = {name: data for name, data in sample.files.items() if name != "config" and not name.startswith("keys/")}
    repo = Closed(MemoryStore(files)).open_with_kit(kit)
    assert contents(repo, sample.snapshots[0]) == sample.expected[0]
    assert [(item.file, item.kind) for item in damage(repo)] == [("config", "MISSING_OBJECT")]


def test_recovery_kit_opens_with_a_damaged_configuration_and_check_says_so(sample: Sample) -> None:
    kit = keys.make_kit(opened(MemoryStore(dict(sample.files))), clock=CLOCK, entropy=os.urandom)
    for at in (0, 20, len(sample.files["config"]) - 1):
        files = {**sample.files, "config": flipped(sample.files["config"], at)}
        repo = Closed(MemoryStore(files)).open_with_kit(kit)
        assert contents(repo, sample.snapshots[0]) == sample.expected[0]
        assert [item.file for item in damage(repo)] == ["config"]


def test_latest_is_refused_while_a_damaged_snapshot_might_be_the_latest(sample: Sample) -> None:
    name = f"snapshots/{sample.snapshots[0].hex()}"
    repo = opened(MemoryStore({**sample.files, name: flipped(sample.files[name], 60)}))
    with pytest.raises(IntegrityError, match="cannot be told"):
        repo.resolve("latest")
    assert repo.resolve(sample.snapshots[1].hex()[:12]) == sample.snapshots[1]


def test_snapshot_under_the_name_of_another_is_a_mismatch(sample: Sample) -> None:
    first, second = (f"snapshots/{snapshot.hex()}" for snapshot in sample.snapshots[:2])
    store = MemoryStore({**sample.files, second: sample.files[first]})
    with pytest.raises(ContentMismatch):
        opened(store).manifest(sample.snapshots[1])
    assert [item.file for item in damage(opened(store), read_data=None)] == [second]


def test_file_of_another_repository_is_not_ours(sample: Sample) -> None:
    other = MemoryStore()
    keys.create_repository(other, passphrase="x", label="", clock=CLOCK, entropy=os.urandom)
    report = take(Closed(other).open("x"), None, {"lib": FakeDirectory({b"f": b"content"})})
    foreign = {name: data for name, data in other.files.items() if name not in sample.files and "keys/" not in name}
    store = MemoryStore({**sample.files, **foreign})
    with pytest.raises(AuthenticationFailed):
        opened(store).manifest(report.id)
    found = damage(opened(store), read_data=None)
    assert {item.file for item in found} == {name for name in foreign if name.startswith(("index/", "snapshots/"))}
    assert contents(opened(store), sample.snapshots[0]) == sample.expected[0]


@pytest.mark.parametrize(("kind", "at"), [("index/", 8), ("snapshots/", 8)])
def test_newer_envelope_is_unsupported_not_damaged(sample: Sample, kind: str, at: int) -> None:
    name = sample.names(kind)[0]
    data = bytearray(sample.files[name])
    data[at] = 2
    if kind == "index/":
        files = {other: content for other, content in sample.files.items() if other != name}
        store = MemoryStore({**files, name[:15] + sha256(data).hexdigest(): bytes(data)})
    else:
        store = MemoryStore({**sample.files, name: bytes(data)})
    found = damage(opened(store), read_data=None)
    assert "FORMAT_NEWER" in {item.kind for item in found if item.file.startswith(kind)}


def test_newer_pack_is_unsupported_and_hides_no_other(sample: Sample) -> None:
    name = sample.names("packs data")[0]
    data = sample.files[name][:8] + b"\2" + sample.files[name][9:]
    header = sample.files[name][:68]
    newer = PackEntry(pack=PackId(sha256(data).digest()), size=len(data), header=header, records=())
    store = MemoryStore({**sample.files, f"packs/{newer.pack.hex()}": data})
    put_fragment(opened(store), [newer], generation=100, changed=(header, data[:68]))
    found = damage(opened(store))
    assert [item.kind for item in found] == ["FORMAT_NEWER"]
    assert found[0].file.startswith("index/00000064-")
    assert contents(opened(store), sample.snapshots[0]) == sample.expected[0]


def test_damaged_pack_is_healed_by_the_next_backup_that_reads_its_content(sample: Sample) -> None:
    """A pack that is gone counts as not there, so what the source still has is stored anew, for old snapshots as well."""
    for name in sample.names("packs data"):
        store = mutate(sample, name, MUTATIONS["missing"])
        repo = opened(store)
        directory = FakeDirectory({b"a": rows(50, 900), b"b/c": b"small", b"empty": b"", b"day": rows(63, 200)})
        events = [
            rows(0, 1_500).replace(b"\n700\t", b"\n700\t%d" % DAYS),
            *(rows(n, 1_500) for n in range(1, DAYS + 1)),
        ]
        database = FakeDatabase(
            tables={"public.events": events, "public.other": [rows(9, 50)]},
            large_objects={7: rows(70, 900)},
            sequences={"public.s": DAYS},
        )
        report = take(repo, database, {"lib": directory})
        assert contents(repo, report.id)["table public.events"] == b"".join(events)
        assert contents(repo, sample.snapshots[-1]) == sample.expected[-1]


def test_damaged_parent_node_does_not_stop_the_next_backup_but_is_healed(sample: Sample) -> None:
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    root = repo.snapshot(sample.snapshots[-1]).directory("lib").root
    assert root is not None
    (place,) = repo.index.locations(root)
    name = next(name for name in sample.files if parse_pack_name(name) == place.pack)
    store = MemoryStore({**sample.files, name: flipped(sample.files[name], place.record.offset + 2)})
    with pytest.raises(IntegrityError):
        contents(opened(store), sample.snapshots[-1])
    take(opened(store), None, {"lib": sample.directory})
    assert contents(opened(store), sample.snapshots[-1]) == sample.expected[-1]
    (left,) = [item for item in damage(opened(store)) if item.object]
    assert (left.object, left.affects) == (root.hex(), [])


def test_type_of_every_lost_object_is_still_told(sample: Sample) -> None:
    """One bit in each object of every pack in turn: check names exactly that object, or those made from it."""
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    for pack_id, _ in repo.index.packs():
        for place in list(repo.index.in_pack(pack_id))[:12]:
            name = f"packs/{pack_id.hex()}"
            files = {**sample.files, name: flipped(sample.files[name], place.record.offset + 1)}
            found = [item for item in damage(opened(MemoryStore(files))) if item.object]
            assert place.record.id.hex() in {item.object for item in found}
            if place.record.type is not ObjectType.ROW_CHUNK:
                assert len(found) == 1
            assert any(item.affects for item in found)


def test_a_pack_that_is_gone_is_damage_only_where_something_is_needed_of_it(sample: Sample) -> None:
    """A prune, or one that died after its deletions, leaves entries about packs that nobody needs."""
    repo = opened(MemoryStore(dict(sample.files)))
    dead = put_pack(repo, [Made(plain=rows(70, 3))])
    delta = Made(plain=rows(70, 3) + rows(71, 1), base=rows(70, 3), depth=1)
    put_fragment(repo, [dead, put_pack(repo, [delta, Made(plain=rows(72, 3))])])
    repo.store.delete(f"packs/{dead.pack.hex()}")
    assert damage(opened(repo.store)) == ()
    name = sample.names("packs data")[0]
    repo.store.delete(name)
    [found] = damage(opened(repo.store), read_data=None)
    assert (found.file, found.kind, found.object) == (name, "MISSING_OBJECT", None)
    assert found.affects
