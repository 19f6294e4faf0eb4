"""Repositories on file systems that lack something, that nobody may write to, and that go away under way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash_place import lay, place_at, ran
from tests.crash_work import WORK
from tests.crash_world import Place, begun, small_limits
from tests.file_systems import NoMount, lacking, mounted_or_skip, read_only
from tests.small_repository import contents, opened
from tests.vanishing import BELOW, NAMES, vanishing
from vault.errors import StoreError
from vault.store.local import LocalStore, create_local
from vault.store.memory import MemoryStore

pytestmark = pytest.mark.root
SAMPLE = 19


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with small_limits():
        yield


# --- what is lacking -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["init", "backup", "prune"])
def test_without_hard_links_all_goes_as_ever(tmp_path: Path, name: str) -> None:
    work = WORK[name]
    with mounted_or_skip(lacking(tmp_path / "fat", "link")) as fat:
        lay(fat / "repository", work.files())
        for _ in range(2):
            ran(work, place_at(fat))
            work.whole(place_at(fat))


@pytest.mark.parametrize(
    ("lacks", "library", "why"),
    [
        pytest.param(("link", "noreplace"), 3, "neither hard links nor a rename", id="no rename that never replaces"),
        pytest.param(("link",), 2, "neither hard links nor a rename", id="renames without flags"),
        pytest.param(("fsyncdir",), 3, "cannot sync a directory", id="no sync of directories"),
    ],
)
def test_what_is_not_fit_for_a_repository_is_refused_before_there_is_one(
    tmp_path: Path, lacks: tuple[str, ...], library: int, why: str
) -> None:
    with mounted_or_skip(lacking(tmp_path / "unfit", *lacks, library=library)) as unfit:
        with pytest.raises(StoreError) as caught:
            create_local(unfit / "repository")
        assert why in caught.value.why
        assert "another file system" in caught.value.hint
        assert os.listdir(unfit / "repository" / "tmp") == [] if (unfit / "repository" / "tmp").exists() else True


@pytest.mark.parametrize("lacks", [("link", "noreplace"), ("fsyncdir",)])
def test_a_repository_that_was_moved_to_such_a_place_can_be_read_and_not_written(
    tmp_path: Path, lacks: tuple[str, ...]
) -> None:
    with mounted_or_skip(lacking(tmp_path / "unfit", *lacks)) as unfit:
        lay(unfit / "repository", begun().files)
        place = place_at(unfit)
        with pytest.raises(StoreError):
            WORK["backup"].run(place)
        repo = opened(LocalStore(unfit / "repository", os.urandom))
        assert {snapshot: contents(repo, snapshot) for snapshot, _ in repo.snapshots()} == begun().expected


# --- what nobody may write to --------------------------------------------------------------------


def test_a_read_only_repository_can_be_read_and_says_what_it_is(tmp_path: Path) -> None:
    lay(tmp_path / "disk" / "repository", begun().files)
    with mounted_or_skip(read_only(tmp_path / "mounted", tmp_path / "disk")) as mounted:
        place = Place(store=LocalStore(mounted / "repository", os.urandom), own=tmp_path / "own")
        WORK["backup"].whole(place)
        for name in WORK:
            if name in ("init", "copy", "unlock", "ack"):  # the last two have nothing to write here
                continue
            with pytest.raises(StoreError) as caught:
                WORK[name].run(place)
            assert "mount the file system writable" in caught.value.hint, name
    assert MemoryStore(tree_of(tmp_path / "disk" / "repository")).files == begun().files


def tree_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- what goes away ------------------------------------------------------------------------------


@pytest.mark.spec("STORE-12")
@pytest.mark.parametrize("below", BELOW, ids=["the mounted directory itself", "a directory in it"])
@pytest.mark.parametrize("name", NAMES)
def test_a_mount_that_vanishes_is_an_error_and_nothing_is_lost(name: str, below: str) -> None:
    """At a few calls; `tests/vanishing.py` tries all."""
    try:
        assert vanishing(name, below, one_in=SAMPLE, first=2)["told"]
    except NoMount as missing:
        pytest.skip(f"MISSING: {missing}")
