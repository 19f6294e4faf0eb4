"""Everybody at once, killed at random, on disk and over HTTP; the long forms are `python -m tests.stress --seconds 3600`, and the same
with `--bucket versitygw`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.bucket_programs import program_of

SERVER = "versitygw" if program_of("versitygw") else "moto"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "done"),
    [
        pytest.param(["--seconds", "20"], ("backup", "copy", "unlock that removed"), id="on disk"),
        pytest.param(["--seconds", "15", "--bucket", SERVER], ("backup", "read", "forget"), id="in buckets"),
    ],
)
def test_no_snapshot_ever_lacks_an_object(tmp_path: Path, words: list[str], done: tuple[str, ...]) -> None:
    """In a process of its own, because it forks. It lasts as long as its seconds say."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.stress", *words, "--seed", "5", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert all(f" x {what}" in ended.stdout for what in done)
