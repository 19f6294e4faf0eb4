"""Texts of systemd's units: as written down, and as systemd itself reads them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.app.schedule.tasks import ODD, PLAIN
from vault.app.schedule import systemd
from vault.app.schedule.task import Task

SERVICE = """\
# Written by: pgvault schedule install. Removed by: pgvault schedule remove
[Unit]
Description=pgvault backup of app (/srv/shop/pgvault.toml)

[Service]
Type=oneshot
ExecStart=/opt/pgvault/bin/pgvault schedule run --source app
WorkingDirectory=/srv/shop
Environment=HOME=/home/ada
Environment=PATH=/usr/bin:/bin
Environment=PGVAULT_CONFIG=/srv/shop/pgvault.toml
UMask=0077
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
NotifyAccess=main
"""
TIMER = """\
# Written by: pgvault schedule install. Removed by: pgvault schedule remove
[Unit]
Description=pgvault backup of app (/srv/shop/pgvault.toml), by the clock

[Timer]
OnCalendar=*-*-* 03:10:00
OnCalendar=*-*-* 15:10:00
Persistent=yes
RandomizedDelaySec=600
AccuracySec=30

[Install]
WantedBy=timers.target
"""


def test_a_users_units() -> None:
    assert systemd.service(PLAIN, system=False) == SERVICE
    assert systemd.timer(PLAIN) == TIMER


def test_the_systems_unit_waits_for_the_network_and_is_confined() -> None:
    text = systemd.service(PLAIN, system=True)
    assert "After=network-online.target" in text
    assert "ProtectSystem=full" in text
    for what_backups_need in ("PrivateTmp", "ProtectHome", "PrivateNetwork", "ProtectSystem=strict", "NoNewPrivileges"):
        assert what_backups_need not in text


def test_what_systemd_would_expand_is_written_so_that_it_does_not() -> None:
    text = systemd.service(ODD, system=False)
    assert '"/opt/o d d/pgvault"' in text
    assert '"100%%" "%%h" "$$HOME" "$${HOME}" "\\"quoted\\"" "it\'s" "back\\\\slash" "tab\\x09here"' in text
    assert "WorkingDirectory=/srv/o d d/100%%\n" in text
    assert "Description=pgvault backup of 100%% $odd\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("task", [PLAIN, ODD], ids=["plain", "odd"])
def test_systemd_takes_them(task: Task, system: bool, tmp_path: Path) -> None:
    """It names what it does not know or cannot read on its output; the exit code alone would pass over that."""
    program = tmp_path / "o d d" / "pgvault"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    task = replace(task, words=(str(program), *task.words[1:]), folder=str(tmp_path))
    for kind, text in (("service", systemd.service(task, system=system)), ("timer", systemd.timer(task))):
        (tmp_path / f"{task.name}.{kind}").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("pgvault-*")))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if task.name in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("task", [PLAIN, ODD], ids=["twice a day", "weekly"])
def test_systemd_reads_the_times_as_meant(task: Task) -> None:
    for when in systemd.on_calendar(task):
        done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True, check=True)
        assert f"Normalized form: {when}" in done.stdout
