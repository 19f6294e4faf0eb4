"""`pgvault drill`: what it prints and records, and that nothing of it is left, however it ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import psycopg
import pytest

from tests.cli.command import HANG_S, Command
from tests.cli.shapes import SHAPES
from tests.fix_postgres import Cluster
from tests.fix_zoo import empty, fill

SCRIPT = (
    "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 100) n"
)
BLOCKED = '[drill]\nassertions = ["select pg_sleep(1000) is not null"]\n'
END_S = 120


def test_files_alone_are_restored_compared_and_recorded(pgvault_ready: Command, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_text("1")
    assert pgvault_ready("backup", "--dir", "files=files", "--source", "s").code == 0
    done = pgvault_ready("drill", "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json(), SHAPES["drill"])
    assert (done.json()["passed"], done.json()["files"], done.json()["server"]) == (True, 1, None)
    drilled = pgvault_ready("snapshots", "--json").json()["snapshots"][0]["drilled"]
    assert f"DRILLED {drilled[:10]}\n" in pgvault_ready("snapshots").out
    assert pgvault_ready("status", "--json").json()["sources"][0]["last_drill"]
    assert "restored and equal" in pgvault_ready("show", "latest").out


def test_a_drill_of_a_ruin_says_so_and_status_says_which_snapshot_was_drilled(
    pgvault_ready: Command, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    for number in range(30):
        (tmp_path / "files" / str(number)).write_text("1")
    backup = ("backup", "--dir", "files=files", "--source", "s")
    assert pgvault_ready(*backup).code == 0
    assert pgvault_ready("drill").out.splitlines()[-1].startswith("passed: ")
    assert ", of the last one: passed\n" in pgvault_ready("status").out
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files").mkdir()
    assert pgvault_ready(*backup).code == 5
    good, ruin = (row["id"][:12] for row in pgvault_ready("snapshots", "--json").json()["snapshots"])
    assert f", of the earlier {good}: passed\n" in pgvault_ready("status").out
    done = pgvault_ready("drill")
    assert done.code == 0, done.err
    said = f"snapshot {ruin} looks like damage (files_lost files)"
    assert f"warning: {said}" in done.err
    assert done.out.splitlines()[-1].startswith(f"it says nothing of what the backup found: {said}")
    assert f"the last good one before it is {good}" in done.out
    told = pgvault_ready("drill", "--json").json()
    jsonschema.validate(told, SHAPES["drill"])
    assert said in told["warnings"][0]
    assert pgvault_ready("drill", good, "--json").json()["warnings"] == []
    (source,) = pgvault_ready("status", "--json").json()["sources"]
    assert source["drill"] == {"snapshot": source["drill"]["snapshot"], "passed": True, "not_checked": 0}


def test_damage_that_ends_a_drill_is_recorded_as_failed(pgvault_ready: Command, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_bytes(os.urandom(50_000))
    assert pgvault_ready("backup", "--dir", "files=files", "--source", "s").code == 0
    packs = [path for path in tmp_path.rglob("packs/**/*") if path.is_file()]
    assert packs
    for pack in packs:
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)
    done = pgvault_ready("drill")
    assert done.code == 4, done.out + done.err
    assert "restored, and NOT equal" in pgvault_ready("show", "latest").out
    listed = pgvault_ready("snapshots").out
    assert "DRILLED" not in listed, "a list must not read as if it had passed"
    assert "DRILL FAILED 2" in listed
    assert pgvault_ready("snapshots", "--json").json()["snapshots"][0]["drilled"] is None
    assert ", of the last one: did not pass\n" in pgvault_ready("status").out


def test_what_the_configuration_asserts_of_files_alone_is_not_checked(pgvault_ready: Command, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "pgvault.toml").write_text('[drill]\nassertions = ["select true"]\n')
    assert pgvault_ready("backup", "--dir", "files=files", "--source", "s").code == 0
    done = pgvault_ready("drill")
    assert done.code == 3
    assert "not checked: assertion select true: the snapshot holds no database to ask" in done.out
    assert done.out.splitlines()[-1] == "passed, 1 thing not checked"
    assert ", of the last one: passed, 1 thing not checked\n" in pgvault_ready("status").out


def test_a_wrong_assertion_is_told_with_its_line(pgvault_ready: Command, tmp_path: Path) -> None:
    (tmp_path / "pgvault.toml").write_text('[drill]\nassertions = [" "]\nasertions = []\n')
    done = pgvault_ready("config", "validate")
    assert done.code == 2
    assert "did you mean 'assertions'?" in done.out + done.err
    assert "drill.assertions must be statements of SQL" in done.out + done.err


# --- with a server -------------------------------------------------------------------------------


@pytest.fixture
def place() -> Iterator[Path]:
    """For throwaway servers, which run as somebody else: a directory that others may walk through."""
    directory = Path(tempfile.mkdtemp(prefix="drills-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def saved(tmp_path: Path, place: Path, pg18: Cluster) -> Command:
    """The command with a snapshot of a small database."""
    command = Command(home=tmp_path, environment={"TMPDIR": str(place)})
    assert command("init", "--no-recovery-kit").code == 0
    with empty(pg18) as name:
        fill(pg18, name, [SCRIPT])
        done = command("backup", "-d", pg18.dsn(name), "--source", "shop")
    assert done.code == 0, done.err
    return command


def postmaster(place: Path) -> int:
    """The process of the throwaway server, once it is there."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        for file in place.glob("pgvault-server-*/server/data/postmaster.pid"):
            lines = file.read_text().splitlines()
            if len(lines) > 7 and "ready" in lines[7]:
                return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("no server was started")


@pytest.mark.postgres
@pytest.mark.spec("DRILL-6")
def test_a_drill_that_is_killed_leaves_nothing_after_the_next_one(saved: Command, place: Path) -> None:
    (saved.home / "pgvault.toml").write_text(BLOCKED)
    for number in (signal.SIGKILL, signal.SIGTERM):
        running = saved.start("drill")
        ended = os.pidfd_open(postmaster(place))
        try:
            running.send_signal(number)
            running.communicate()
            assert select.select([ended], [], [], END_S)[0]
        finally:
            os.close(ended)
        assert running.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
        assert bool(list(place.iterdir())) == (number == signal.SIGKILL)
        if number == signal.SIGKILL:
            sweeping = saved("drill", PGVAULT_CONFIG=str(_plain(saved)))
            assert sweeping.code == 0, sweeping.out + sweeping.err
            assert list(place.iterdir()) == []


def _plain(command: Command) -> Path:
    path = command.home / "plain.toml"
    path.write_text("")
    return path


@pytest.mark.postgres
def test_a_kept_server_runs_until_it_is_stopped(saved: Command, place: Path) -> None:
    done = saved("drill", "--keep", "--json")
    assert done.code == 0, done.out + done.err
    jsonschema.validate(done.json(), SHAPES["drill"])
    kept = done.json()["kept"]
    assert saved("drill").code == 0
    with psycopg.connect(kept["url"]) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)
    assert [str(one) for one in place.iterdir()] == [kept["place"]]
    subprocess.run(kept["stop"], shell=True, check=True)
    assert list(place.iterdir()) == []


@pytest.mark.postgres
def test_a_kept_server_that_ended_is_swept(saved: Command, place: Path) -> None:
    kept = saved("drill", "--keep", "--json").json()["kept"]
    ended = os.pidfd_open(server := postmaster(place))
    try:
        os.kill(server, signal.SIGQUIT)
        assert select.select([ended], [], [], END_S)[0]
    finally:
        os.close(ended)
    assert Path(kept["place"]).exists()
    assert saved("drill").code == 0
    assert list(place.iterdir()) == []


def test_a_database_of_the_users_is_refused_before_anything_is_written_and_in_words_of_a_drill(
    saved: Command, pg18: Cluster
) -> None:
    with empty(pg18) as name, pg18.connect(name) as connection:
        connection.execute("CREATE ROLE drill_reader LOGIN")
        try:
            connection.execute("GRANT CREATE ON SCHEMA public TO drill_reader")
            refused = saved("drill", "-d", f"{pg18.dsn(name)} user=drill_reader")
            assert refused.code == 7, refused.err
            assert "drill_reader may not see all rows" in refused.err
            again = saved("drill", "-d", pg18.dsn(name))
            assert again.code == 0, "nothing of the first one stands in its way"
            filled = saved("drill", "-d", pg18.dsn(name))
            assert filled.code == 8
            assert "next: a drill wants a database with nothing in it" in filled.err
            assert "--only" not in filled.err, "which a drill does not know"
        finally:
            connection.execute("DROP OWNED BY drill_reader")
            connection.execute("DROP ROLE drill_reader")


def test_a_drill_over_the_source_is_refused_in_words_of_a_drill(tmp_path: Path, pg18: Cluster) -> None:
    command = Command(home=tmp_path)
    assert command("init", "--no-recovery-kit").code == 0
    with empty(pg18) as name:
        assert command("backup", "-d", pg18.dsn(name), "--source", "shop").code == 0
        refused = command("drill", "-d", pg18.dsn(name))
    assert refused.code == 8
    assert "the snapshot was taken from" in refused.err
    assert "--into-source" not in refused.err
