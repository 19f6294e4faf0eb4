"""The catalogue of damage on a local directory: what a file system does to files, and what only it can do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.damage_support import MUTATIONS, Sample, expect_named_and_contained, make_sample, mutate
from tests.small_repository import PASSPHRASE, contents, damage, opened, take
from vault.errors import IntegrityError, NoRepository
from vault.repo.state import Closed
from vault.store.local import LocalStore

WAYS = ("missing", "empty", "cut off", "cut in half", "appended", "middle flipped", "swapped", "zeroed")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample()


@pytest.fixture
def place(sample: Sample, tmp_path: Path) -> Path:
    """The repository as files."""
    write(tmp_path, sample.files)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def write(place: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)


def local(place: Path) -> LocalStore:
    return LocalStore(place, os.urandom)


def damaged(sample: Sample, place: Path, name: str, way: str) -> LocalStore:
    """One file as `way` makes it; all others whole again."""
    write(place, sample.files)
    found = mutate(sample, name, MUTATIONS[way]).files.get(name)
    if found is None:
        (place / name).unlink()
    else:
        (place / name).write_bytes(found)
    return local(place)


def test_repository_of_the_memory_store_is_one_on_disk(sample: Sample, place: Path) -> None:
    repo = opened(local(place))
    assert [contents(repo, snapshot) for snapshot in sample.snapshots] == sample.expected
    assert damage(repo) == ()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["packs data", "packs meta"])
def test_damaged_pack_is_named_with_what_it_hits(sample: Sample, place: Path, kind: str, way: str) -> None:
    for name in sample.names(kind)[:2]:
        store = damaged(sample, place, name, way)
        expect_named_and_contained(sample, name, store, in_data=kind.endswith("data"))


@pytest.mark.parametrize("way", WAYS)
def test_damaged_fragment_snapshot_or_slot_is_named(sample: Sample, place: Path, way: str) -> None:
    for kind in ("index/", "snapshots/", "keys/"):
        name = sample.names(kind)[0]
        store = damaged(sample, place, name, way)
        told = {item.file for item in damage(opened(store), read_data=None)}
        if way != "missing":
            assert name in told
        elif kind == "index/":
            assert told != set(), "objects of its packs are missed"


@pytest.mark.parametrize("way", [way for way in WAYS if way != "swapped"])
def test_damaged_configuration_is_refused_as_what_it_is(sample: Sample, place: Path, way: str) -> None:
    with pytest.raises(NoRepository if way == "missing" else IntegrityError):
        Closed(damaged(sample, place, "config", way)).open(PASSPHRASE)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _moved_below(path: Path) -> None:
    (path.parent / "aside").mkdir()
    path.rename(path.parent / "aside" / path.name)


@pytest.mark.parametrize("harm", [_directory, _dangling, _moved_below])
def test_what_is_no_file_any_more_counts_as_gone(sample: Sample, place: Path, harm: object) -> None:
    assert callable(harm)
    for name in (sample.names("packs data")[0], sample.names("packs meta")[0], sample.names("index/")[0]):
        write(place, sample.files)
        harm(place / name)
        found = damage(opened(local(place)))
        assert found != ()
        assert name.startswith("index/") or name in {item.file for item in found}
        shutil.rmtree(place / name.partition("/")[0])


def test_what_lies_beside_files_of_the_repository_is_no_damage(sample: Sample, place: Path) -> None:
    """A desktop's leavings, an editor's, a sync tool's: none has a name of ours."""
    for name in (".DS_Store", "packs/Thumbs.db", "index/x~", "snapshots/.sync", "keys/readme", "tmp/left"):
        (place / name).write_bytes(b"x")
    repo = opened(local(place))
    assert damage(repo) == ()
    assert contents(repo, sample.snapshots[-1]) == sample.expected[-1]
    report = take(repo, None, {"lib": sample.directory})
    assert damage(opened(local(place))) == ()
    assert report.manifest.sequence == len(sample.snapshots) + 1
