"""A kept server is known by its data, not by a number that another process may have."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import SourceError
from vault.source.postgres.connection.throwaway_directories import PREFIX, Kept, keep, throwaway_directory


def test_a_temporary_directory_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(SourceError, match="no directory for a throwaway server"), throwaway_directory():
        pass


@pytest.fixture
def another() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that is no server."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / f"{PREFIX}x"
    place.mkdir()
    return place


def test_stop_leaves_another_process_of_that_number_alone(another: subprocess.Popen[bytes], place: Path) -> None:
    kept = Kept(pid=another.pid, uid=os.geteuid())
    assert not kept.is_alive(place)
    subprocess.run(keep(place, kept), shell=True, check=True)
    assert another.poll() is None
    assert not place.exists()


def test_what_ended_and_was_not_waited_for_is_dead(place: Path) -> None:
    command = ["sh", "-c", "echo here; read line; exit", f"{place}/server/data"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        kept = Kept(pid=process.pid, uid=os.geteuid())
        assert kept.is_alive(place)
        assert not Kept(pid=process.pid, uid=os.geteuid() + 1).is_alive(place)
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not kept.is_alive(place)
        subprocess.run(keep(place, kept), shell=True, check=True)
    assert not place.exists()
