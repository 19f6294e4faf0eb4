"""What only a file system can do to a file: other rights, other things in its place, links in circles, more bytes than there is memory for.

For every kind of file. What is told, and what must go on, is as in the table of damage; what only the file system keeps from this user
is an error of the store that names the file, and no damage.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.damage_judge import expect
from tests.damage_support import still_there
from tests.damage_world import DIRECTORY_OF, SOURCE, names, world
from tests.small_repository import PASSPHRASE, damage, opened, take
from vault.errors import StoreError
from vault.repo.state import Closed
from vault.store.local import LocalStore
from vault.store.unreadable import UnreadableStore

NOBODY: Final = 65534
HUGE_BYTES: Final = 1 << 34
"""Of a file without content: it takes no room, and could not be read into memory."""
SILENT_WITHOUT: Final = frozenset({"slot", "lease", "sweep", "forgotten", "check", "pin", "findings", "ack", "drill"})
"""Kinds of which nobody can tell that one is not there."""


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _full_directory(path: Path) -> None:
    _directory(path)
    (path / path.name).write_bytes(b"x")


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _to_the_root(path: Path) -> None:
    path.unlink()
    path.symlink_to("..", target_is_directory=True)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _huge(path: Path) -> None:
    os.truncate(path, HUGE_BYTES)


def _elsewhere(path: Path) -> None:
    """As whoever moves a repository to a larger disk bit by bit does."""
    away = path.with_name(f"moved-{path.name}")
    path.rename(away)
    path.symlink_to(away.name)


GONE: Final[Mapping[str, Callable[[Path], None]]] = {
    "directory": _directory,
    "full directory": _full_directory,
    "dangling link": _dangling,
    "link in a circle": _circle,
    "link to the root": _to_the_root,
    "pipe": _pipe,
}
"""What is no file any more counts as gone."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Path]:
    """The repository as files, below a directory that any user may enter."""
    place = Path(tempfile.mkdtemp(prefix="pgvault-damage-"))
    place.chmod(0o755)
    write(place / "origin")
    yield place
    shutil.rmtree(place)


def write(place: Path) -> None:
    for name, data in world().files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    (place / "tmp").mkdir()


@pytest.fixture
def make(origin: Path) -> Iterator[Callable[[str, Callable[[Path], None]], Path]]:
    """Copies of the repository, each with one file harmed."""
    made: list[Path] = []

    def make_one(kind: str, harm: Callable[[Path], None]) -> Path:
        made.append(origin / f"copy-{len(made)}")
        shutil.copytree(origin / "origin", made[-1])
        harm(made[-1] / world().victims[kind])
        return made[-1]

    yield make_one
    for place in made:
        shutil.rmtree(place)


Make = Callable[[str, Callable[[Path], None]], Path]


def local(place: Path) -> LocalStore:
    return LocalStore(place, os.urandom)


@pytest.mark.parametrize("kind", DIRECTORY_OF)
@pytest.mark.parametrize("way", GONE)
def test_what_is_no_file_any_more_counts_as_gone(make: Make, way: str, kind: str) -> None:
    name = world().victims[kind]
    if kind == "config":
        with pytest.raises(StoreError, match=r"config|no repository"):
            Closed(local(make(kind, GONE[way]))).open(PASSPHRASE)
        return
    outcome = "silent" if kind in SILENT_WITHOUT else "missed" if kind == "index" else "named"
    expect(outcome, local(make(kind, GONE[way])), name, fresh=lambda: local(make(kind, GONE[way])), quick=True)


@pytest.mark.parametrize("kind", DIRECTORY_OF)
def test_file_of_more_bytes_than_any_is_named_and_not_read(make: Make, kind: str) -> None:
    outcome = "refused" if kind == "config" else "named"
    name = world().victims[kind]
    expect(outcome, local(make(kind, _huge)), name, fresh=lambda: local(make(kind, _huge)), quick=True)


@pytest.mark.parametrize("kind", DIRECTORY_OF)
def test_link_to_the_file_is_the_file(make: Make, kind: str) -> None:
    place = make(kind, _elsewhere)
    repo = opened(local(place))
    assert damage(repo) == ()
    for snapshot, expected in world().expected.items():
        assert still_there(repo.indexed(None), snapshot).items() <= expected.items()


# --- rights ----------------------------------------------------------------------------------------


@contextmanager
def as_another_user(place: Path) -> Iterator[None]:
    """Who owns all of it but may not do everything, as root may."""
    if os.geteuid() != 0:
        yield
        return
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


NEEDED: Final = frozenset({"config", "index", "snapshot", "sweep", "forgotten", "data pack", "meta pack"})
"""Kinds that a backup reads, or may: without the right to, it says so and which file it is about."""


@pytest.mark.parametrize("kind", DIRECTORY_OF)
def test_file_that_may_not_be_read_is_named_and_stops_no_backup_that_does_not_need_it(make: Make, kind: str) -> None:
    place = make(kind, lambda path: path.chmod(0))
    name = world().victims[kind]
    with as_another_user(place):
        if kind in ("config", "slot"):
            with pytest.raises(StoreError, match=name) as refused:
                Closed(local(place)).open(PASSPHRASE)
            assert "rights" in refused.value.hint
        else:
            found = damage(opened(UnreadableStore(local(place))))
            assert (name, "UNREADABLE") in {(one.file, one.kind) for one in found}
        if kind not in NEEDED:
            take(opened(local(place)), world().database, {"lib": world().directory}, source=SOURCE)


def test_several_files_that_may_not_be_read_are_all_named(make: Make) -> None:
    place = make("pin", lambda path: path.chmod(0))
    several = {world().victims[kind] for kind in DIRECTORY_OF if kind not in ("config", "slot")}
    for name in several:
        (place / name).chmod(0)
    with as_another_user(place):
        assert several <= {one.file for one in damage(opened(UnreadableStore(local(place))))}


@pytest.mark.parametrize("harm", [lambda path: path.chmod(0), lambda path: path.chmod(0o400)])
@pytest.mark.parametrize("kind", ["data pack", "index", "snapshot", "sweep", "lease"])
def test_directory_that_may_not_be_read_is_never_an_empty_one(
    make: Make, kind: str, harm: Callable[[Path], None]
) -> None:
    """Or a prune would take what the snapshots need, whose directory it could not read."""
    place = make(kind, lambda path: harm(path.parent))
    directory = place / world().victims[kind].partition("/")[0]
    try:
        with as_another_user(place), pytest.raises(StoreError, match=directory.name):
            take(opened(local(place)), world().database, {"lib": world().directory}, source=SOURCE)
    finally:
        directory.chmod(0o700)


# --- beside ----------------------------------------------------------------------------------------


def test_directories_that_lead_round_in_a_circle_or_very_deep_are_passed_over(make: Make) -> None:
    place = make("pin", lambda path: None)
    for kind in DIRECTORY_OF:
        directory = (place / world().victims[kind]).parent
        if kind != "config" and not (directory / "round").is_symlink():
            (directory / "round").symlink_to("..", target_is_directory=True)
            (directory / "above").symlink_to(directory, target_is_directory=True)
    (place / "round").symlink_to(".", target_is_directory=True)
    deep = os.open(place / "packs", os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("deep", dir_fd=deep)
        below = os.open("deep", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    try:
        assert damage(opened(local(place))) == ()
        report = take(opened(local(place)), world().database, {"lib": world().directory}, source=SOURCE)
        assert report.manifest.sequence == 6
    finally:
        remove_deep(place / "packs" / "deep")


def remove_deep(top: Path) -> None:
    """By moving what is below to the top: no path is long enough to name it."""
    while True:
        below = top / "deep"
        if not below.is_dir():
            top.rmdir()
            return
        below.rename(top.with_name("deep-next"))
        top.rmdir()
        top.with_name("deep-next").rename(top)


def test_names_of_every_kind_are_those_of_the_world() -> None:
    assert all(names(world().files, kind) for kind in DIRECTORY_OF)
