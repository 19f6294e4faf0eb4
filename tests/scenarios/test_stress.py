"""Half a minute of everybody at once, killed at random; the long form is `python -m tests.stress --seconds 3600`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT


@pytest.mark.slow
def test_no_snapshot_ever_lacks_an_object(tmp_path: Path) -> None:
    """In a process of its own, because it forks."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stress", "--seconds", "25", "--seed", "5", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f" x {what}," in done.stdout for what in ("backup", "copy", "unlock that removed"))
