"""The catalogue of damage on a local directory: what a file system does to files, and what only it can do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.damage_support import MUTATIONS, Sample, expect_named_and_contained, make_sample, mutate
from tests.small_repository import PASSPHRASE, contents, damage, opened, take
from vault.errors import IntegrityError, NoRepository, StoreDenied, WrongPassphrase
from vault.ids import PackId
from vault.repo.state import Closed
from vault.store.local import LocalStore
from vault.store.memory import MemoryStore
from vault.store.unreadable import UnreadableStore

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


@pytest.fixture
def bad_sectors(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """(file, offset): a read that touches that byte fails as it does on a worn disk."""
    found: list[tuple[Path, int]] = []
    real = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        for path, at in found:
            if os.path.samestat(os.fstat(descriptor), path.stat()) and offset <= at < offset + length:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    return found


@pytest.mark.parametrize("kind", ["packs data", "packs meta"])
def test_bad_sector_in_a_pack_is_damage_of_what_lies_there(
    sample: Sample, place: Path, bad_sectors: list[tuple[Path, int]], kind: str
) -> None:
    """Everything else in the pack reads; nothing ends because of it."""
    index = opened(local(place)).indexed(None).index
    name = sample.names(kind)[0]
    records = [found.record for found in index.in_pack(PackId(bytes.fromhex(name[6:])))]
    bad_sectors.append((place / name, records[0].offset + 5))
    found = expect_named_and_contained(sample, name, local(place), in_data=kind.endswith("data"))
    assert any("cannot be read from the disk" in item.why for item in found)
    assert {item.object for item in found if item.object and item.file == name} >= {records[0].id.hex()}
    assert records[-1].id.hex() not in {item.object for item in found} or len(records) == 1 or kind.endswith("data")


class Denying(MemoryStore):
    """One file of it is not for this user."""

    denied = ""

    def get(self, name: str) -> bytes:
        self._refuse(name)
        return super().get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._refuse(name)
        return super().get_range(name, offset, length)

    def _refuse(self, name: str) -> None:
        if name == self.denied:
            raise StoreDenied(f"cannot read {name}", why="Permission denied")


@pytest.mark.parametrize("kind", ["packs data", "packs meta"])
def test_what_this_user_may_not_read_is_not_called_changed(sample: Sample, kind: str) -> None:
    store = Denying(dict(sample.files))
    store.denied = sample.names(kind)[0]
    found = damage(opened(UnreadableStore(store)))
    of_file = [item for item in found if item.file == store.denied]
    assert of_file
    assert {item.why for item in of_file if "delta without its base" not in item.why} == {
        f"cannot read {store.denied}: Permission denied"
    }


@pytest.mark.parametrize("kind", ["index/", "snapshots/", "keys/", "config"])
def test_bad_sector_elsewhere_is_damage_of_that_file(
    sample: Sample, place: Path, bad_sectors: list[tuple[Path, int]], kind: str
) -> None:
    name = sample.names(kind)[0]
    bad_sectors.append((place / name, 50))
    assert name in {item.file for item in damage(opened(local(place)), read_data=None)}
    if kind == "config":
        with pytest.raises(IntegrityError, match="cannot be read from the disk"):
            Closed(local(place)).open(PASSPHRASE)
    if kind == "keys/":
        assert sorted(_opens(place, passphrase) for passphrase in (PASSPHRASE, "second")) == [False, True]


def _opens(place: Path, passphrase: str) -> bool:
    try:
        Closed(local(place)).open(passphrase)
    except WrongPassphrase:
        return False
    return True


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
