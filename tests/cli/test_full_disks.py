"""What a command writes outside of the repository, on a disk that is full at any moment: it says so, leaves nothing wrong, and goes on."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.command import Command, Done
from tests.file_systems import PAGE_BYTES, fill, in_memory, mounted_or_skip
from vault.limits import MIB

pytestmark = pytest.mark.root
PAGES = (0, 1, 2, 3, 5, 9, 17, 33, 65, 129)
"""Left on the disk, in turn, until it is enough."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with mounted_or_skip(in_memory(tmp_path / "small", size_bytes=4 * MIB)) as mounted:
        yield mounted


@pytest.fixture
def saved(pgvault_ready: Command) -> Command:
    """With a snapshot of a few files."""
    files = pgvault_ready.home / "files"
    files.mkdir()
    for number in range(8):
        (files / f"file-{number}").write_bytes(os.urandom(9_000 * (number + 1)))
    done = pgvault_ready("backup", "--dir", f"lib={files}")
    assert done.code == 0, done.err
    return pgvault_ready


def originals(saved: Command) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (saved.home / "files").iterdir()}


def named_files(place: Path) -> dict[str, bytes]:
    """What lies below it under a name of its own."""
    return {path.name: path.read_bytes() for path in place.rglob("file-*") if path.is_file()}


def until_there_is_room(small: Path, run: Callable[[], Done], *, right: Callable[[], None] = lambda: None) -> list[int]:
    """Exit codes, from no room on until it is done."""
    codes = []
    for pages in PAGES:
        ballast = fill(small, leaving_bytes=pages * PAGE_BYTES)
        done = run()
        if done.code:
            assert "No space left" in done.err
            assert "next:" in done.err
            assert "small" in " ".join(done.err.split()), "the place to make room in"
        codes.append(done.code)
        right()
        ballast.unlink()
        if codes[-1] == 0:
            return codes
    raise AssertionError(f"there is never enough: {codes}")


@pytest.mark.parametrize(
    "arguments",
    [("restore", "latest", "--yes", "--dir", "lib=small/out"), ("extract", "latest", "--to", "small/out")],
    ids=lambda arguments: arguments[0],
)
def test_files_are_whole_or_not_there(saved: Command, small: Path, arguments: tuple[str, ...]) -> None:
    def run() -> Done:
        if arguments[0] == "extract":  # into what is new or empty alone
            shutil.rmtree(small / "out", ignore_errors=True)
        return saved(*arguments)

    def right() -> None:
        assert named_files(small).items() <= originals(saved).items()
        assert list(small.rglob(".pgvault-*")) == [], "nothing half-written is left to fill the disk"

    codes = until_there_is_room(small, run, right=right)
    assert len(codes) > 3
    assert set(codes[:-1]) <= {1, 9, 15}
    if arguments[0] == "extract":
        shutil.rmtree(small / "out")
        ballast = fill(small, leaving_bytes=5 * PAGE_BYTES)
        line = " ".join(run().err.split()).partition("next: ")[2]
        assert line == "free space on the disk of small/out, empty small/out, then run the command again"
        ballast.unlink()
        shutil.rmtree(small / "out")
        assert saved(*arguments).code == 0
    assert named_files(small) == originals(saved)


@pytest.mark.parametrize("kind", ["tar", "layout"])
def test_an_export_is_whole_or_not_there(saved: Command, small: Path, kind: str) -> None:
    def run() -> Done:
        shutil.rmtree(small / "exported", ignore_errors=True)
        return saved("export", "latest", "--format", kind, "-o", "small/exported")

    def right() -> None:
        if (small / "exported").is_file():
            with tarfile.open(small / "exported") as tar:
                assert len(tar.getnames()) > 8
        elif (small / "exported").is_dir():
            assert named_files(small).items() <= originals(saved).items()

    codes = until_there_is_room(small, run, right=right)
    assert len(codes) > 3


def test_a_kit_is_whole_or_the_command_fails(saved: Command, small: Path) -> None:
    def run() -> Done:
        (small / "kit").unlink(missing_ok=True)
        return saved("key", "recovery-kit", "small/kit")

    codes = until_there_is_room(small, run)
    assert codes[0] != 0
    done = saved("snapshots", "--json", PGVAULT_RECOVERY_KIT_FILE=str(small / "kit"), PGVAULT_PASSWORD="")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "variable", ["PGVAULT_CACHE_DIR", "PGVAULT_STATE_DIR", "TMPDIR", "XDG_CACHE_HOME"], ids=lambda name: name
)
@pytest.mark.parametrize("pages", [0, 1, 3])
def test_what_lies_beside_the_repository_is_not_needed(saved: Command, small: Path, variable: str, pages: int) -> None:
    fill(small, leaving_bytes=pages * PAGE_BYTES)
    beside: Mapping[str, str] = {variable: str(small)}
    for command in (
        ("backup", "--dir", "lib=files"),
        ("snapshots",),
        ("check", "--read-data"),
        ("verify",),
        ("prune",),
    ):
        done = saved(*command, **beside)
        assert done.code == 0, (command, done.err)
