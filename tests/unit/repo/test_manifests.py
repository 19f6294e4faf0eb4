"""The cache of manifests: it says what the files said, opens none of them again, and is thrown away on doubt."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import new_repository, opened, put_manifest, rows, take
from vault.errors import IntegrityError, UnsafeError
from vault.format.snapshot import snapshot_name
from vault.ids import RepositoryId, SnapshotId
from vault.model import Counts, DatabasePart, Effort, ListRef, Manifest, Origin, ServerFacts, Sums
from vault.ops.retention.marking import remaining
from vault.repo import manifests
from vault.repo.lineage import Known
from vault.repo.manifests import ManifestCache
from vault.store.memory import MemoryStore


class Counting(MemoryStore):
    """Counts the snapshots that are read."""

    read = 0

    def get(self, name: str) -> bytes:
        self.read += name.startswith("snapshots/")
        return super().get(name)


@pytest.fixture
def store() -> Counting:
    store = Counting()
    repo = new_repository(store)
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]}, large_objects={7: b"x"}), {"lib": FakeDirectory({b"f": b"x"})},
         tags={"release": "1.4"})  # fmt: skip
    take(repo, None, {"lib": FakeDirectory({})}, source="other")
    take(repo, FakeDatabase(tables={"public.t": [rows(2, 50)]}), source="third")
    return store


def listed(store: Counting, cache: Path | None) -> tuple[list[Known], int]:
    before = store.read
    known = opened(store, cache).snapshots()
    return known, store.read - before


def file_of(cache: Path) -> Path:
    (path,) = [path for path in cache.rglob("*") if path.is_file()]
    return path


def test_second_listing_reads_no_snapshot_and_says_the_same(store: Counting, tmp_path: Path) -> None:
    plain, _ = listed(store, None)
    assert listed(store, tmp_path) == (plain, 3)
    assert listed(store, tmp_path) == (plain, 0)
    take(opened(store), None, {"lib": FakeDirectory({b"n": b""})})
    assert listed(store, tmp_path) == (listed(store, None)[0], 1)
    assert listed(store, tmp_path) == (listed(store, None)[0], 0)
    assert opened(store, tmp_path).resolve("latest", "other") == plain[1][0]


def test_line_holds_every_field_of_a_manifest(store: Counting, tmp_path: Path) -> None:
    """A field that is added to a value is a field of its line, or this fails."""
    (manifest,) = [manifest for _, manifest in listed(store, None)[0] if manifest.source == "project"]
    assert manifest.database is not None
    server = dataclasses.replace(manifest.database.server, in_recovery=True, timeline=3, horizon=2**64 - 1, version="v")
    effort = Effort(**{field.name: number for number, field in enumerate(dataclasses.fields(Effort), 10)})
    counts = Counts(**{field.name: number for number, field in enumerate(dataclasses.fields(Counts), 20)})
    changes = {
        "database": dataclasses.replace(manifest.database, server=server, sequences=ListRef(root=manifest.ledger, sums=Sums(items=1))),
        "effort": effort, "counts": counts, "suspect": "s", "parent": listed(store, None)[0][1][0], "selection": "sel",
        "program": "p", "host": "h", "origin": Origin(repository=RepositoryId(b"r" * 16), snapshot=SnapshotId(b"s" * 32)),
    }  # fmt: skip
    written = put_manifest(opened(store), manifest, **changes)
    first = dict(listed(store, tmp_path)[0])[written]
    again, read = listed(store, tmp_path)
    assert read == 0
    assert dict(again)[written] == first == opened(store).manifest(written)
    for part in (Manifest, DatabasePart, ServerFacts, Counts, Effort, Origin):
        assert part in manifests._PARTS
    assert set(changes) | {"source", "created_ms", "sequence", "tags", "directories", "ledger", "coverage"} == {
        field.name for field in dataclasses.fields(Manifest)
    }


@pytest.mark.parametrize("cut", [0, 1, 7, 20, -1, -40])
def test_cache_that_is_cut_off_is_read_as_far_as_it_goes_and_mended(store: Counting, tmp_path: Path, cut: int) -> None:
    plain, _ = listed(store, tmp_path)
    data = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(data[:cut] if cut else b"")
    assert listed(store, tmp_path)[0] == plain
    assert listed(store, tmp_path) == (plain, 0)


def test_cache_with_any_byte_changed_gives_no_other_answer(store: Counting, tmp_path: Path) -> None:
    plain, _ = listed(store, tmp_path)
    data = file_of(tmp_path).read_bytes()
    for at in range(0, len(data), 5):
        file_of(tmp_path).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert listed(store, tmp_path)[0] == plain
        assert listed(store, tmp_path) == (plain, 0), at


def test_lines_are_bound_to_the_snapshot_and_hold_nothing_in_clear(store: Counting, tmp_path: Path) -> None:
    plain, _ = listed(store, tmp_path)
    data = file_of(tmp_path).read_bytes()
    assert b"project" not in data
    assert b"release" not in data
    first, second = (bytes(snapshot_id) for snapshot_id, _ in plain[:2])
    swapped = data.replace(first, b"#" * 32).replace(second, first).replace(b"#" * 32, second)
    file_of(tmp_path).write_bytes(swapped)
    assert listed(store, tmp_path)[0] == plain


def test_snapshot_of_another_size_is_read(store: Counting, tmp_path: Path) -> None:
    plain, _ = listed(store, tmp_path)
    name = snapshot_name(plain[0][0])
    store.files[name] = store.files[name][:-1]
    readable, damaged = opened(store, tmp_path).listing()
    assert readable == plain[1:]
    assert [error.file for error in damaged] == [name]


def test_damage_that_no_listing_shows_is_found_by_reading(store: Counting, tmp_path: Path) -> None:
    """Such a snapshot stops a prune, and is no parent: a backup reads the one that it builds on."""
    plain, _ = listed(store, tmp_path)
    last = plain[-1][0]
    name = snapshot_name(last)
    store.files[name] = bytes(len(store.files[name]))
    assert listed(store, tmp_path) == (plain, 0)
    found = dict(opened(store, tmp_path).scan(read=True))
    assert isinstance(found[last], IntegrityError)
    with pytest.raises(UnsafeError, match="cannot be read"):
        remaining(opened(store, tmp_path))
    made = take(opened(store, tmp_path), FakeDatabase(tables={"public.t": [rows(2, 50)]}), source="third")
    assert made.manifest.parent is None


def test_lines_of_snapshots_that_are_gone_go_when_they_are_many(store: Counting, tmp_path: Path) -> None:
    plain, _ = listed(store, tmp_path)
    manifest = plain[0][1]
    made = [put_manifest(opened(store), manifest, sequence=number) for number in range(10, 110)]
    listed(store, tmp_path)
    large = file_of(tmp_path).stat().st_size
    for snapshot_id in made:
        store.delete(snapshot_name(snapshot_id))
    take(opened(store), None, {"lib": FakeDirectory({})})
    assert listed(store, tmp_path)[1] == 1
    assert file_of(tmp_path).stat().st_size < large / 10
    assert listed(store, tmp_path) == (listed(store, None)[0], 0)


@pytest.mark.parametrize("torn", [False, True])
def test_where_nobody_listed_them_each_line_stays(store: Counting, tmp_path: Path, torn: bool) -> None:
    """As after a commit: another line comes, and those of all the others are worth what they were."""
    (first, manifest), *_ = listed(store, None)[0]
    cache = ManifestCache(tmp_path, opened(store).keys, opened(store).config.repository)
    many = [SnapshotId(number.to_bytes(32, "big")) for number in range(200)]
    for snapshot_id in many:
        cache.add(snapshot_id, 7, manifest)
    cache.save(many)
    size = (tmp_path / "manifests").stat().st_size
    if torn:
        with open(tmp_path / "manifests", "ab") as file:
            file.write(b"of a run that was killed")
    cache.add(first, 9, manifest)
    cache.save(None)
    assert [snapshot_id for snapshot_id in many if cache.get(snapshot_id, 7) != manifest] == []
    assert (cache.get(first, 9), cache.get(first, 7)) == (manifest, None)
    assert size < (tmp_path / "manifests").stat().st_size < size + size // 100


def test_a_line_is_added_without_writing_the_others_again(store: Counting, tmp_path: Path) -> None:
    listed(store, tmp_path)
    before, inode = file_of(tmp_path).read_bytes(), file_of(tmp_path).stat().st_ino
    take(opened(store), None, {"lib": FakeDirectory({b"n": b""})})
    listed(store, tmp_path)
    assert file_of(tmp_path).read_bytes().startswith(before)
    assert (file_of(tmp_path).stat().st_ino, file_of(tmp_path).stat().st_size > len(before)) == (inode, True)


@pytest.mark.parametrize(("gone", "rewritten"), [(64, False), (65, True)])
def test_lines_that_are_gone_are_left_up_to_a_number(
    store: Counting, tmp_path: Path, gone: int, rewritten: bool
) -> None:
    (first, manifest), (second, _), *_ = listed(store, None)[0]
    cache = ManifestCache(tmp_path, opened(store).keys, opened(store).config.repository)
    for number in range(gone):
        cache.add(SnapshotId(number.to_bytes(32, "big")), 7, manifest)
    cache.add(first, 7, manifest)
    cache.save(None)
    cache.add(second, 8, manifest)
    cache.save([first, second])
    assert (cache.get(SnapshotId(bytes(32)), 7) is None) == rewritten
    assert (cache.get(first, 7), cache.get(second, 8)) == (manifest, manifest)


def test_without_a_directory_nothing_is_remembered(store: Counting) -> None:
    (first, manifest), *_ = listed(store, None)[0]
    cache = ManifestCache(None, opened(store).keys, opened(store).config.repository)
    cache.add(first, 7, manifest)
    cache.save(None)
    assert cache.get(first, 7) is None


def test_cache_that_cannot_be_written_is_no_error(store: Counting, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(3))
    for _ in range(2):
        assert listed(store, tmp_path / "file" / "below") == (listed(store, None)[0], 3)


def test_line_of_another_layout_is_not_read(store: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = listed(store, tmp_path)
    monkeypatch.setattr(manifests, "_LAYOUT", b"another!")
    assert listed(store, tmp_path) == (plain, 3)
    assert listed(store, tmp_path) == (plain, 0)
