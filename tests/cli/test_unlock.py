"""Leases through the real command."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tests.cli.command import PASSPHRASE, Command
from tests.cli.test_journey import conforming
from vault.model import Lease
from vault.repo.lease import publish
from vault.repo.state import Closed
from vault.store.local import LocalStore


def leased(pgvault: Command, host: str, pid: int) -> str:
    """The lease of a process of some machine."""
    opened = Closed(LocalStore(pgvault.repository, os.urandom)).open(PASSPHRASE)
    lease = Lease(created_ms=1, host=host, pid=pid, purpose="backup", source="app", parent=None)
    return publish(opened, lease, entropy=os.urandom).partition("/")[2]


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_dead_go_and_the_living_stay(pgvault_ready: Command) -> None:
    assert "nobody holds a lease" in pgvault_ready("unlock").err
    dead = leased(pgvault_ready, socket.gethostname(), ended_process())
    alive = leased(pgvault_ready, socket.gethostname(), os.getpid())
    elsewhere = leased(pgvault_ready, "another.example", 1)
    done = conforming(pgvault_ready("unlock", "--json").json(), "unlock")
    assert [row["id"] for row in done["removed"]] == [dead]
    assert {row["id"] for row in done["leases"]} == {alive, elsewhere}
    shown = pgvault_ready("unlock")
    assert (shown.code, "pgvault unlock LEASE" in shown.err) == (0, True)
    assert "another.example" in shown.out


def test_a_young_one_goes_by_name_with_a_warning(pgvault_ready: Command) -> None:
    alive = leased(pgvault_ready, "another.example", 1)
    done = pgvault_ready("unlock", alive[:8])
    assert done.code == 0
    assert "pgvault check" in done.err
    assert alive[:12] in done.out
    assert list((pgvault_ready.repository / "leases").iterdir()) == []


def test_a_name_that_is_none_is_a_wrong_use(pgvault_ready: Command) -> None:
    for wrong in ("abcdef", "abc", "../config"):
        done = pgvault_ready("unlock", wrong)
        assert done.code == 2
        assert "pgvault unlock" in done.err


def test_a_restore_holds_a_lease_and_a_dry_run_writes_nothing(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "text").write_text("text")
    assert pgvault_ready("backup", "--dir", "documents=documents").code == 0
    leases = pgvault_ready.repository / "leases"
    before = leases.stat().st_mtime_ns
    assert pgvault_ready("restore", "latest", "--dir", "documents=out", "--dry-run").code == 0
    assert leases.stat().st_mtime_ns == before
    assert pgvault_ready("restore", "latest", "--dir", "documents=out", "--yes").code == 0
    assert leases.stat().st_mtime_ns > before
    assert list(leases.iterdir()) == []
