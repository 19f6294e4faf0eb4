"""Schedulers as they are driven: real files, the real crontab where there is one, and stand-ins for what does not run in a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.app.schedule.tasks import ODD, PLAIN
from vault.app.schedule.schedulers import Machine, Scheduler, chosen
from vault.errors import UnsafeError, VaultError

KEEPS_A_TABLE = """#!/bin/sh
# A crontab of one user, in a file.
case "$1" in
  -l) [ -f "$TABLE" ] && cat "$TABLE" || { echo "no crontab for ada" >&2; exit 1; } ;;
  -) cat > "$TABLE" ;;
esac
"""
WRITES_DOWN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$HEARD"
[ -z "$FAILS" ] || { echo "Failed to connect to bus" >&2; exit 1; }
"""


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o700)


def machine(place: Path, **environment: str) -> Machine:
    programs = place / "bin"
    for name in ("systemctl", "launchctl"):
        program(programs, name, WRITES_DOWN)
    program(programs, "crontab", KEEPS_A_TABLE)
    variables = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "TABLE": str(place / "table"),
        "HEARD": str(place / "heard"),
        **environment,
    }
    return Machine(environment=variables, home=place / "home", user="ada", uid=1000, root=place / "root")


def heard(place: Path) -> list[str]:
    return (place / "heard").read_text().splitlines() if (place / "heard").exists() else []


@pytest.mark.parametrize("name", ["systemd", "systemd-user", "launchd", "cron"])
def test_what_is_shown_is_what_is_written_once(name: str, tmp_path: Path) -> None:
    scheduler = chosen(name, machine(tmp_path))
    assert scheduler.name == name
    assert list(scheduler.installed(PLAIN.name)) == []
    for task in (PLAIN, PLAIN, ODD):
        scheduler.install(task)
        assert list(scheduler.installed(task.name)) == list(scheduler.drafts(task))
    moved = replace(PLAIN, folder="/srv/moved")
    scheduler.install(moved)
    assert list(scheduler.installed(PLAIN.name)) == list(scheduler.drafts(moved))
    assert list(scheduler.installed(ODD.name)) == list(scheduler.drafts(ODD))
    for _ in range(2):
        scheduler.remove(PLAIN.name)
        assert list(scheduler.installed(PLAIN.name)) == []
    assert list(scheduler.installed(ODD.name)) == list(scheduler.drafts(ODD))
    scheduler.remove(ODD.name)
    left = [path for path in tmp_path.rglob("*pgvault-*") if path.is_file()]
    assert left == []


def test_systemd_is_told_to_read_and_start_the_timer(tmp_path: Path) -> None:
    scheduler = chosen("systemd-user", machine(tmp_path))
    scheduler.install(PLAIN)
    timer = f"{PLAIN.name}.timer"
    wanted = ["daemon-reload", f"enable {timer}", f"restart {timer}"]
    assert heard(tmp_path) == [f"systemctl --user {words}" for words in wanted]
    scheduler.remove(PLAIN.name)
    assert heard(tmp_path)[3:] == [f"systemctl --user disable --now {timer}", "systemctl --user daemon-reload"]
    written = tmp_path / "home/.config/systemd/user"
    scheduler.install(PLAIN)
    assert {path.name: path.stat().st_mode & 0o777 for path in written.iterdir()} == {
        f"{PLAIN.name}.service": 0o644,
        timer: 0o644,
    }


def test_a_systemd_that_cannot_be_asked_is_a_problem_and_an_error(tmp_path: Path) -> None:
    scheduler = chosen("systemd-user", machine(tmp_path, FAILS="1"))
    [problem] = scheduler.problems()
    assert problem.fatal
    assert "Failed to connect to bus" in problem.why
    with pytest.raises(VaultError, match="daemon-reload failed"):
        scheduler.install(PLAIN)


def test_a_user_who_does_not_linger_is_told(tmp_path: Path) -> None:
    asked = machine(tmp_path)
    problems = chosen("systemd-user", replace(asked, user="nobody-lingers-here")).problems()
    assert [problem.fix for problem in problems] == ["loginctl enable-linger nobody-lingers-here"]
    assert not problems[0].fatal
    [not_root] = chosen("systemd", asked).problems()
    assert not_root.fatal


def test_a_missing_scheduler_is_a_problem(tmp_path: Path) -> None:
    bare = replace(machine(tmp_path), environment={"PATH": str(tmp_path / "empty")})
    for name in ("systemd", "systemd-user", "launchd", "cron"):
        problems = chosen(name, bare).problems()
        assert problems[0].fatal, name


def test_a_crontab_with_damaged_marks_stays_as_it_is(tmp_path: Path) -> None:
    scheduler = chosen("cron", machine(tmp_path))
    scheduler.install(PLAIN)
    table = tmp_path / "table"
    damaged = table.read_bytes().replace(b"# <<<", b"# ---")
    table.write_bytes(damaged)
    with pytest.raises(UnsafeError):
        scheduler.install(PLAIN)
    with pytest.raises(UnsafeError):
        scheduler.remove(PLAIN.name)
    assert table.read_bytes() == damaged


def test_a_crontab_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    asked = machine(tmp_path)
    program(tmp_path / "bin", "crontab", '#!/bin/sh\necho "you are not allowed to use this program" >&2; exit 1\n')
    with pytest.raises(VaultError, match="cannot be read") as refused:
        chosen("cron", asked).install(PLAIN)
    assert "not allowed" in refused.value.why


def test_a_crontab_that_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    asked = machine(tmp_path)
    changes = KEEPS_A_TABLE.replace("-l) [", '-l) echo "# edited" >> "$TABLE"; [')
    program(tmp_path / "bin", "crontab", changes)
    with pytest.raises(VaultError, match="changed by somebody else"):
        chosen("cron", asked).install(PLAIN)
    assert b"pgvault" not in (tmp_path / "table").read_bytes()


@pytest.fixture
def real_crontab(tmp_path: Path) -> Scheduler:
    """Debian's own crontab, for a user of whom nobody expects one."""
    found = shutil.which("crontab")
    if found is None or os.geteuid() != 0:
        pytest.skip("needs crontab, and root to use another user's")
    asked = machine(tmp_path)
    program(tmp_path / "bin", "crontab", f'#!/bin/sh\nexec {found} -u nobody "$@"\n')
    return chosen("cron", asked)


@pytest.mark.root
def test_a_real_crontab_takes_it_and_keeps_the_rest(real_crontab: Scheduler, tmp_path: Path) -> None:
    table = tmp_path / "bin" / "crontab"
    mine = b'MAILTO=""\n# \xc3\xbcber\n\n17 4 * * 1 true # "x"\n'

    def run(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([str(table), *words], input=given, capture_output=True, check=False)

    assert run("-l").returncode != 0, "there is one already; it is not ours"
    try:
        assert run("-", given=mine).returncode == 0
        for task in (PLAIN, ODD, PLAIN):
            real_crontab.install(task)
            assert list(real_crontab.installed(task.name)) == list(real_crontab.drafts(task))
        assert run("-l").stdout.startswith(mine)
        real_crontab.remove(PLAIN.name)
        real_crontab.remove(ODD.name)
        assert run("-l").stdout == mine
    finally:
        run("-r")
