"""What other processes of the same user get to know of a command's secrets: nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import HANG_S
from tests.nobody import NOBODY, Nobody, is_possible

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    """Below no directory of pytest's, which are closed to others."""
    if not is_possible():
        pytest.skip("needs root, who may mount")
    with tempfile.TemporaryDirectory(prefix="pgvault-nobody-") as place:
        made = Nobody(place=Path(place))
        made.prepare()
        yield made


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, err
    return out


def write_end(pipe: Path, process: subprocess.Popen[str]) -> int:
    """As soon as the process has opened the other end."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.01)
    raise AssertionError(process.communicate())


@pytest.mark.root
def test_who_holds_a_passphrase_leaves_no_core_and_is_not_looked_into(nobody: Nobody) -> None:
    """Root may look into everything, so it is another user's process."""
    said(nobody.start("init", "--no-recovery-kit"))
    hold = nobody.home / "hold"
    os.mkfifo(hold, 0o600)
    os.chown(hold, NOBODY, NOBODY)
    process = nobody.start("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_FILE=str(hold))
    # It waits for the end of its passphrase.
    with process, os.fdopen(write_end(hold, process), "wb"):
        inside = f"/proc/{process.pid}/environ"
        assert os.stat(inside).st_uid == 0, "it is root's to look into"
        told = subprocess.run(
            ["cat", inside], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        )
        assert (told.returncode, told.stdout) == (1, b"")
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT
    assert not os.WCOREDUMP(status)


@pytest.mark.root
def test_a_backup_in_the_background_works_for_a_user_who_is_not_root(nobody: Nobody) -> None:
    """Whoever is not dumpable has files in /proc that are root's, among them those of its own descriptors."""
    library = nobody.home / "library"
    library.mkdir()
    (library / "letter").write_text("dear reader")
    for path in (library, library / "letter"):
        os.chown(path, NOBODY, NOBODY)
    said(nobody.start("init", "--no-recovery-kit"))
    said(nobody.start("backup", "--dir", "library=library", "--background", "--wait"))
    assert "letter" in said(nobody.start("ls", "latest:library"))
