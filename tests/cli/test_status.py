"""`pgvault status`: the screen, the exit codes for monitoring, and what is still told when the repository is not there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from tests.architecture.sources import ROOT
from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.cli.test_ack import fill
from vault.app import jobs, state
from vault.app.schedule import known
from vault.app.schedule.known import KnownSchedule
from vault.model.jobs import Job, JobError, JobKind
from vault.ops.schedule.timetable import Timetable


def saved(pgvault: Command, *, files: int = 30) -> None:
    fill(pgvault, files)
    assert pgvault("backup", "--dir", "a=a", "--source", "app").code in (0, 5)


def on_terminal(pgvault: Command, *arguments: str, columns: int = 80, **environment: str) -> list[str]:
    """Lines of stdout as a terminal of that width gets them."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    done = subprocess.Popen(
        [sys.executable, "-m", "vault", *arguments],
        cwd=pgvault.home,
        env=pgvault.variables({"TERM": "xterm", **environment}),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    data = b""
    while True:
        try:
            block = os.read(leader, 65_536)
        except OSError:
            break
        if not block:
            break
        data += block
    done.wait()
    os.close(leader)
    return data.decode().replace("\r\n", "\n").splitlines()


def test_a_fresh_snapshot_is_safe_and_the_screen_says_what_there_is(pgvault_ready: Command) -> None:
    assert pgvault_ready("status").code == 2
    saved(pgvault_ready)
    done = pgvault_ready("status")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "SAFE"
    assert any(line.startswith("app ") and "30 paths in 1 directory" in line for line in lines)
    assert any("the first one" in line for line in lines)
    assert "no run is scheduled here; next: pgvault schedule install\n" in done.out
    assert "last drill: never; next: pgvault drill\n" in done.out
    assert "last check   never; next: pgvault check --read-data" in done.out
    assert "last verify  never; next: pgvault verify" in done.out
    assert f"{pgvault_ready.repository}: 1 snapshot" in done.out
    assert pgvault_ready("check", "--read-data").code == 0
    assert "nothing wrong; all data was read within" in pgvault_ready("status").out


def test_json_has_its_shape(pgvault_ready: Command) -> None:
    empty = pgvault_ready("status", "--json")
    jsonschema.validate(empty.json(), SHAPES["status"])
    assert (empty.code, empty.json()["safe"]) == (2, False)
    saved(pgvault_ready)
    pgvault_ready("check")
    done = pgvault_ready("status", "--json").json()
    jsonschema.validate(done, SHAPES["status"])
    assert (done["safe"], done["why"], done["snapshots"]) == (True, [], 1)
    (app,) = done["sources"]
    assert app["last_check"] is not None
    assert app["age_s"] >= 0
    assert done["stored_bytes"] == sum(
        path.stat().st_size for path in pgvault_ready.repository.rglob("*") if path.is_file()
    )


def test_exit_codes_for_monitoring(pgvault_ready: Command) -> None:
    saved(pgvault_ready)
    assert pgvault_ready("status", "--max-age", "26h").code == 0
    late = pgvault_ready("status", "--max-age", "0")
    assert (late.code, "app: overdue" in late.out) == (1, True)
    assert pgvault_ready("status", "--max-age", "26").code == 2
    assert pgvault_ready("status", "--source", "other").code == 2
    saved(pgvault_ready, files=1)
    ruin = pgvault_ready("status")
    assert (ruin.code, "--dir a=a.restored --dry-run\n    if it was meant: pgvault ack " in ruin.out) == (5, True)
    assert "30 paths before, 1 after" in ruin.out
    saved(pgvault_ready)
    mended = pgvault_ready("status")
    assert (mended.code, ' --reason "mended before ' in mended.out) == (5, True)
    saved(pgvault_ready, files=1)
    assert pgvault_ready("status", "--max-age", "0").code == 1, "the gravest"
    snapshot = next((pgvault_ready.repository / "snapshots").iterdir())
    snapshot.write_bytes(b"nothing")
    assert pgvault_ready("status").code == 4


def test_every_trouble_has_a_code_of_the_closed_list() -> None:
    from vault.cli.commands.status import CODES
    from vault.cli.exit_codes import OF_STATUS, ExitCode
    from vault.ops.status.seen import Trouble

    assert set(CODES) == {trouble.value for trouble in Trouble}
    assert {*CODES.values(), ExitCode.OK} == set(OF_STATUS)
    page = (ROOT / "vault" / "docs" / "every-day.md").read_text(encoding="utf-8")
    assert all(f"| {int(code)} | {meaning} |" in page for code, meaning in OF_STATUS.items())


def recorded(pgvault: Command, name: str = "20260101-000000.000-aaaa", **changes: object) -> state.StateDirectory:
    """A job of source `app` that this machine remembers, and its log."""
    directory = state.StateDirectory(pgvault.home / "state")
    directory.make()
    log = directory.log(name)
    log.write_text("12:00:00 locking\n12:00:01 done")
    values: dict[str, object] = {
        "id": name,
        "source": "app",
        "repository": str(pgvault.repository),
        "kind": JobKind.BACKUP,
        "pid": 1,
        "started_ms": 1_900_000_000_000,
        "log": str(log),
    }
    jobs.save(directory, Job(**{**values, **changes}))  # type: ignore[arg-type]
    return directory


@pytest.fixture
def with_state(pgvault_ready: Command) -> Command:
    return Command(home=pgvault_ready.home, environment={"PGVAULT_STATE_DIR": str(pgvault_ready.home / "state")})


def saved_elsewhere(pgvault: Command) -> None:
    """As from another machine, so that this one has no record of it."""
    saved(Command(home=pgvault.home, environment={"PGVAULT_STATE_DIR": str(pgvault.home / "other-state")}))


def test_jobs_that_were_killed_or_failed_are_told(with_state: Command) -> None:
    saved_elsewhere(with_state)
    recorded(with_state)
    done = with_state("status")
    assert (done.code, "the last run was killed" in done.out, "memory is short" in done.out) == (1, True, True)
    error = JobError(code="SOURCE_UNREACHABLE", message="no connection", why="refused", fix="start the server")
    recorded(with_state, "20260101-000001.000-aaaa", ended_ms=1_900_000_001_000, exit_code=6, error=error)
    done = with_state("status")
    assert (done.code, "no connection: refused" in done.out) == (1, True)
    assert "next: start the server" in done.out
    recorded(with_state, "20260101-000002.000-aaaa", ended_ms=1_900_000_002_000, exit_code=0)
    assert with_state("status").code == 0
    elsewhere = recorded(with_state, "20260101-000003.000-aaaa", repository="/elsewhere")
    assert with_state("status").code == 0, "a job of another repository"
    elsewhere.record("20260101-000004.000-aaaa").write_text("{")
    done = with_state("status")
    assert (done.code, "its record cannot be read" in done.err) == (0, True)


def test_a_job_is_followed_to_its_end(with_state: Command) -> None:
    none = with_state("status", "--follow")
    assert (none.code, "no job to follow" in none.err) == (2, True)
    recorded(with_state, ended_ms=1_900_000_001_000, exit_code=3)
    done = with_state("status", "--follow")
    assert (done.code, done.out) == (3, "12:00:00 locking\n12:00:01 done\n")
    recorded(with_state)
    killed = with_state("status", "--follow", "--json")
    assert (killed.code, killed.json()["state"]) == (1, "killed")


def test_without_the_repository_what_this_machine_knows_is_told(with_state: Command) -> None:
    saved_elsewhere(with_state)
    recorded(with_state, ended_ms=1_900_000_001_000, exit_code=0, snapshot="ab" * 32)
    away = with_state.home / "away"
    with_state.repository.rename(away)
    gone = with_state("status")
    assert gone.code == 10
    assert gone.out.splitlines()[0] == "NOT KNOWN: the repository cannot be opened"
    assert "the last run saved abababababab" in gone.out
    assert "no repository at" in gone.err
    told = with_state("status", "--json")
    assert (told.code, told.json()["type"], told.json()["code"]) == (10, "error", "NO_REPOSITORY")
    away.rename(with_state.repository)
    wrong = with_state("status", PGVAULT_PASSWORD="wrong")
    assert (wrong.code, "NOT KNOWN" in wrong.out) == (12, True)
    none = with_state("status", PGVAULT_PASSWORD="")
    assert (none.code, "NOT KNOWN" in none.out) == (13, True)


def test_a_mistyped_source_is_asked_about(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "files").mkdir()
    assert pgvault_ready("backup", "--dir", "files=files", "--source", "shop").code == 0
    slip = pgvault_ready("status", "--source", "shp")
    assert slip.code == 2
    assert "did you mean --source shop?" in slip.err
    assert "NOT SAFE" in pgvault_ready("status", "--source", "another").out


@pytest.mark.parametrize("place", ["", "a-file"])
def test_without_a_state_directory_the_rest_is_told(pgvault_ready: Command, place: str) -> None:
    saved(pgvault_ready)
    (pgvault_ready.home / "a-file").write_text("")
    variables = {"PGVAULT_STATE_DIR": str(pgvault_ready.home / place)} if place else {"HOME": ""}
    done = pgvault_ready("status", **variables)
    assert done.code == 0, done.err
    assert done.out.startswith("SAFE\n")
    assert "note: " in done.err


def test_the_next_run_and_overdue_by_the_schedule(with_state: Command) -> None:
    saved(with_state)
    assert "no run is scheduled here" in with_state("status").out
    hour_ms = 3_600_000
    schedule = KnownSchedule(
        name="pgvault-app-00000000",
        scheduler="cron",
        source="app",
        sources=("app",),
        repository=str(with_state.repository),
        place="/",
        folder="/",
        program="/",
        timetable=Timetable(minutes=tuple(range(0, 24 * 60, 60))),
        installed_ms=1,
    )
    directory = state.StateDirectory(with_state.home / "state")
    known.add(directory, schedule)
    done = with_state("status")
    assert (done.code, "next run in " in done.out) == (0, True)
    (app,) = with_state("status", "--json").json()["sources"]
    assert app["next_run"] is not None
    waits_ms = (about_ms(app["due"]) - about_ms(app["last"])) / hour_ms
    assert waits_ms == schedule.overdue_after_ms() / hour_ms
    directory.schedule.write_text("{")
    assert "what is scheduled here cannot be told" in with_state("status").err


def about_ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


@pytest.mark.parametrize("columns", [80, 140])
def test_the_screen_fits_the_terminal_and_is_coloured_only_there(with_state: Command, columns: int) -> None:
    saved(with_state)
    saved(with_state, files=1)
    error = JobError(code="X", message="a message that is " + "long " * 30, why="", fix="pgvault backup")
    recorded(with_state, ended_ms=1_900_000_001_000, exit_code=6, error=error)
    lines = on_terminal(with_state, "status", columns=columns)
    assert lines[0] == "\x1b[1;31mNOT SAFE\x1b[0m"
    place = str(with_state.repository)
    assert max(len(line.replace(place, "/r")) for line in lines[1:]) <= columns, "a path is never broken"
    assert not any("\x1b" in line for line in lines[1:])
    assert on_terminal(with_state, "status", columns=columns, NO_COLOR="1")[0] == "NOT SAFE"
    assert "\x1b" not in with_state("status").out


def test_what_the_dead_left_behind_is_told(pgvault_ready: Command) -> None:
    saved(pgvault_ready)
    (pgvault_ready.home / "b").mkdir()
    with (pgvault_ready.home / "b" / "large").open("wb") as file:
        file.truncate(1 << 40)
    running = pgvault_ready.start("backup", "--dir", "b=b", "--source", "slow")
    leases = pgvault_ready.repository / "leases"
    while not (leases.exists() and _names(leases)):
        assert running.poll() is None
    running.kill()
    running.communicate()
    assert _names(leases)
    assert "left behind" in pgvault_ready("status").out


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
