"""What a process says of how busy the machine is, and that it gives way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vault.app import yielding

AUTOGROUP = Path("/proc/self/autogroup")
LOOK = "import os, vault.app.yielding as y; y.give_way(); print(os.getpriority(os.PRIO_PROCESS, 0), os.getpid(), flush=True); input()"


def test_it_takes_what_is_left() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOOK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        niceness, pid = process.stdout.readline().split()
        told = subprocess.run(["ionice", "-p", pid], capture_output=True, text=True, check=False)
        process.communicate("\n")
    assert niceness == "19"
    assert told.stdout.strip() == "idle"


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel shares the processor between processes alone")
@pytest.mark.parametrize(("own", "expected"), [(True, "nice 19"), (False, "nice 0")])
def test_a_session_gives_way_as_a_whole_if_it_is_its_own(own: bool, expected: str) -> None:
    """What is nice in one session stands against nothing of another."""
    look = f"import vault.app.yielding as y; y.give_way(session={own}); print(open({str(AUTOGROUP)!r}).read())"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, start_new_session=True, check=True
    )
    assert done.stdout.strip().endswith(expected)


@pytest.mark.parametrize("text", ["", "cpu", "cpu x", "intr 1 2 3"])
def test_a_system_that_does_not_tell_is_none_that_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    if text:
        (tmp_path / "stat").write_text(text)
    monkeypatch.setattr(yielding, "_STAT", tmp_path / "stat")
    assert yielding.idle_share()() in (None, 0.0)


def test_the_share_is_that_since_the_last_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(yielding, "_STAT", stat)
    stat.write_text("cpu  100 0 100 1000 50 0 0 0 0 0\n")
    share = yielding.idle_share()
    stat.write_text("cpu  110 0 110 1060 70 0 0 0 0 0\n")
    assert share() == 0.6
    stat.write_text("cpu  120 0 110 1060 70 0 0 0 0 0\n")
    assert share() == 0.0
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19, "looking changes nothing"
