"""How the tests themselves may be run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = """
import os, signal
import pytest
def test_interrupt_arrives():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_ends_what_is_started(name):
    assert os.system(f"exec python3 -c 'import os, signal; os.kill(os.getpid(), signal.{name})' 2>/dev/null") != 0
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_signals_arrive_in_a_run_that_ignores_them(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """A shell starts background jobs with SIGINT ignored, nohup and others with SIGHUP; children inherit that, and would be waited for without end."""
    (tmp_path / "test_it.py").write_text(INTERRUPTED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", *workers]
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT TERM HUP; exec "$@"', "sh", *command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
