"""`backup --background`: back at once, gone on for good, one at a time, and never the reason that a stack does not start."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.shapes import SHAPES
from tests.jobs_support import Gate, only, over, record, state_of, until
from vault.app import jobs
from vault.model.jobs import Job, JobKind, JobState

BACKUP = ("backup", "--dir", "documents=documents")
BACKGROUND = (*BACKUP, "--background")


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    return pgvault_ready


@pytest.fixture
def gate(project: Command) -> Iterator[Gate]:
    made = Gate(project.home)
    yield made
    for name in state_of(project).jobs():
        job = record(state_of(project), name)
        if job.pid and jobs.is_alive(state_of(project), name):
            os.kill(job.pid, signal.SIGKILL)
    made.remove()


def snapshots(project: Command) -> list[str]:
    return [snapshot["id"] for snapshot in project("snapshots", "--json").json()["snapshots"]]


def started(project: Command, **environment: str) -> Job:
    """The record of a job that was started, and surely is in its own process."""
    done = project(*BACKGROUND, "--json", **environment)
    assert done.code == 0, done.err
    jsonschema.validate(done.json(), SHAPES["job"])
    assert done.json()["started"] == "yes"
    name = done.json()["job"]
    until(lambda: state_of(project).record(name).exists())
    return record(state_of(project), name)


def test_it_returns_with_the_job_its_log_and_how_to_follow(project: Command) -> None:
    done = project(*BACKGROUND)
    assert done.code == 0
    job = only(state_of(project))
    stable = state_of(project).stable_log("documents")
    assert job.id in done.out
    assert f"tail -f {stable}" in done.out
    assert "pgvault status --follow" in done.out
    ended = over(state_of(project), job.id)
    assert (ended.exit_code, ended.error, ended.kind) == (0, None, JobKind.BACKUP)
    assert [ended.snapshot] == snapshots(project)
    assert ended.command == ("pgvault", *BACKGROUND)
    assert stable.read_text() == Path(ended.log).read_text()


def test_log_has_times_and_ends_with_what_was_saved(project: Command) -> None:
    job = over(state_of(project), started(project).id)
    lines = Path(job.log).read_text().splitlines()
    first, *_ = lines
    assert first.startswith("20")
    assert f"Z job {job.id}: backup of documents into {project.repository}" in first
    assert any("Z directory documents" in line for line in lines)
    assert lines[-1].endswith(" Directory documents: 1 path")


def test_files_of_a_job_are_the_users_alone(project: Command) -> None:
    job = over(state_of(project), started(project).id)
    assert {path.stat().st_mode & 0o777 for path in (state_of(project).record(job.id), Path(job.log))} == {0o600}


def test_job_is_apart_from_its_caller_and_gentle(project: Command, gate: Gate) -> None:
    job = started(project, **gate.environment)
    assert os.getsid(job.pid) not in (os.getsid(0), job.pid)
    assert os.getpgid(job.pid) not in (os.getpgid(0), job.pid)
    assert os.getpriority(os.PRIO_PROCESS, job.pid) == 19
    gate.open()
    assert over(state_of(project), job.id).exit_code == 0


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at other processes through /proc")
def test_no_secret_is_in_the_process_list_the_record_or_the_log(project: Command, gate: Gate) -> None:
    job = started(project, **{**gate.environment, "PGVAULT_PASSWORD": ""}, OTHER="x")
    assert PASSPHRASE.encode() not in Path(f"/proc/{job.pid}/cmdline").read_bytes()
    gate.open()
    ended = over(state_of(project), job.id)
    for path in (state_of(project).record(job.id), Path(ended.log)):
        assert PASSPHRASE not in path.read_text()


def test_who_reads_the_callers_output_does_not_wait_for_the_job(project: Command, gate: Gate) -> None:
    read, write = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "vault", *BACKGROUND],
        cwd=project.home,
        env=project.variables(gate.environment),
        capture_output=True,
        pass_fds=[write],
        check=True,
    )
    os.close(write)
    assert os.read(read, 1) == b"", "the job holds a pipe of its caller"
    os.close(read)
    assert b"in the background" in done.stdout
    job = only(state_of(project))
    assert jobs.is_alive(state_of(project), job.id)
    gate.open()
    assert over(state_of(project), job.id).exit_code == 0


def test_job_survives_its_shell_its_terminal_and_the_end_of_the_callers_group(project: Command, gate: Gate) -> None:
    master, slave = pty.openpty()
    script = f"{sys.executable} -m vault {' '.join(BACKGROUND)}; echo started; sleep 1000"
    shell = subprocess.Popen(
        ["sh", "-c", script],
        cwd=project.home,
        env=project.variables(gate.environment),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    said = b""
    while b"started" not in said:
        said += os.read(master, 4096)
    job = only(state_of(project))
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        os.killpg(shell.pid, number)
    os.close(master)
    shell.wait()
    assert jobs.state_of(state_of(project), record(state_of(project), job.id)) is JobState.WAITING
    os.kill(job.pid, signal.SIGHUP)
    gate.open()
    ended = over(state_of(project), job.id)
    assert ended.exit_code == 0
    assert [ended.snapshot] == snapshots(project)


# --- never the reason that a stack does not start ------------------------------------------------


def test_without_a_state_directory_it_says_loudly_that_no_backup_runs(project: Command) -> None:
    (project.home / "file").write_text("")
    for flags in ((), ("-q",)):
        done = project(*BACKGROUND, *flags, PGVAULT_STATE_DIR="file/state")
        assert done.code == 0
        assert "NO BACKUP RUNS" in done.err
        assert "PGVAULT_STATE_DIR" in done.err
    done = project(*BACKGROUND, "--json", PGVAULT_STATE_DIR="file/state")
    jsonschema.validate(done.json(), SHAPES["job"])
    assert (done.json()["job"], done.json()["started"]) == (None, "no")
    assert project(*BACKUP, "--wait", PGVAULT_STATE_DIR="file/state").code == 1
    assert snapshots(project) == []


def test_what_makes_no_sense_is_still_a_usage_error(project: Command) -> None:
    for arguments in (
        ("backup", "--background", "--dir", "documents"),
        (*BACKGROUND, "--min-interval", "soon"),
        (*BACKUP, "--min-interval", "1h"),
        ("backup", "--background", "-d", "postgresql://u:hunter2-in-a-url@h/d"),
    ):
        done = project(*arguments)
        assert done.code == 2, done.err
        assert "next:" in done.err
    assert state_of(project).jobs() == []


def test_without_a_passphrase_the_caller_is_told_and_the_record_says_why(project: Command) -> None:
    done = project(*BACKGROUND, PGVAULT_PASSWORD="")
    assert done.code == 0
    assert "THE BACKUP WILL FAIL: no passphrase" in done.err
    assert "PGVAULT_PASSWORD_FILE" in done.err
    ended = over(state_of(project), only(state_of(project)).id)
    assert ended.exit_code == 13
    assert ended.error is not None
    assert ended.error.code == "SECRET_UNAVAILABLE"
    assert "next:" in Path(ended.log).read_text()
    assert project(*BACKUP, "--wait", PGVAULT_PASSWORD="").code == 13


def test_without_a_repository_the_caller_is_told(pgvault: Command) -> None:
    (pgvault.home / "documents").mkdir()
    done = pgvault(*BACKGROUND)
    assert done.code == 0
    assert "THE BACKUP WILL FAIL: no repository" in done.err
    ended = over(state_of(pgvault), only(state_of(pgvault)).id)
    assert (ended.exit_code, ended.error and ended.error.code) == (10, "NO_REPOSITORY")


def test_passphrase_command_that_prints_nothing_is_an_error_of_the_record(project: Command) -> None:
    job = started(project, PGVAULT_PASSWORD="", PGVAULT_PASSWORD_COMMAND="true")
    ended = over(state_of(project), job.id)
    assert (ended.exit_code, ended.error and ended.error.code) == (13, "SECRET_UNAVAILABLE")


def test_database_that_never_answers_ends_the_job(project: Command) -> None:
    (project.home / "pgvault.toml").write_text('[background]\nwait = "6s"\n')
    done = project("backup", "--background", "-d", "postgresql://nobody@127.0.0.1:1/none", "--json")
    assert done.code == 0
    ended = over(state_of(project), done.json()["job"])
    assert (ended.exit_code, ended.healthy_ms) == (6, None)
    assert ended.error is not None
    assert ended.error.code == "SOURCE_UNREACHABLE"
    assert "within 6 s" in ended.error.message
    assert "127.0.0.1" in ended.error.why
    log = Path(ended.log).read_text()
    assert "Z waiting for the database, 6 s at most" in log
    assert "next:" in log.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_output_that_is_full_is_no_reason_to_fail(project: Command) -> None:
    with open("/dev/full", "wb") as full:
        for flags in ((), ("--json",)):
            words = [sys.executable, "-m", "vault", *BACKGROUND, *flags]
            subprocess.run(words, cwd=project.home, env=project.variables({}), stdout=full, check=True)
    for name in state_of(project).jobs():
        assert over(state_of(project), name).exit_code == 0


TWO = """
[source.one]
directories = { documents = "documents" }
[source.two]
directories = { documents = "documents" }
"""


def test_every_source_has_its_job(project: Command) -> None:
    (project.home / "pgvault.toml").write_text(TWO)
    done = project("backup", "--all", "--background", "--json")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    for line in lines:
        jsonschema.validate(line, SHAPES["job"])
        assert over(state_of(project), line["job"]).exit_code == 0
    assert [line["source"] for line in lines] == ["one", "two"]
    assert len(snapshots(project)) == 2
    assert project("backup", "--all", "--wait").code == 0
    assert len(snapshots(project)) == 4
    (project.home / "pgvault.toml").write_text(TWO + "[source.three]\n")
    assert project("backup", "--all", "--wait").code == 2
    beside = project("backup", "--all", "--background", "--json")
    assert beside.code == 0
    said = {line["source"]: line for line in map(json.loads, beside.out.splitlines())}
    assert {name: line["started"] for name, line in said.items()} == {"one": "yes", "three": "no", "two": "yes"}
    for line in said.values():
        assert over(state_of(project), line["job"]).exit_code == (2 if line["source"] == "three" else 0)


# --- one at a time -------------------------------------------------------------------------------


def test_second_job_joins_the_one_that_runs(project: Command, gate: Gate) -> None:
    first = started(project, **gate.environment)
    done = project(*BACKGROUND, **gate.environment)
    assert done.code == 0
    assert f"runs already: job {first.id}" in done.out
    again = project(*BACKGROUND, "--json", **gate.environment).json()
    jsonschema.validate(again, SHAPES["job"])
    assert (again["job"], again["started"]) == (first.id, "joined")
    other = project("backup", "--dir", "others=documents", "--background", "--json")
    assert other.json()["started"] == "yes", "another source is no reason to wait"
    gate.open()
    assert over(state_of(project), first.id).exit_code == 0
    assert over(state_of(project), other.json()["job"]).exit_code == 0
    assert len(snapshots(project)) == 2


def test_many_at_once_are_one_job(project: Command, gate: Gate) -> None:
    command = Command(home=project.home, environment=gate.environment)
    callers = [command.start(*BACKGROUND, "--json") for _ in range(6)]
    answers = [json.loads(caller.communicate()[0]) for caller in callers]
    assert [caller.returncode for caller in callers] == [0] * 6
    assert sorted(answer["started"] for answer in answers) == ["joined"] * 5 + ["yes"]
    job = only(state_of(project))
    assert {answer["job"] for answer in answers} <= {job.id, None}
    gate.open()
    assert over(state_of(project), job.id).exit_code == 0


def test_who_waits_gets_the_log_and_the_exit_code_of_the_job_that_runs(project: Command, gate: Gate) -> None:
    job = started(project, **gate.environment)
    waiting = project.start(*BACKUP, "--wait")
    assert waiting.stderr is not None
    said = waiting.stderr.readline()
    assert f"runs already: job {job.id}" in said
    (project.home / "documents" / "letter").unlink()
    (project.home / "documents").rmdir()
    gate.open()
    _, rest = waiting.communicate()
    ended = over(state_of(project), job.id)
    assert waiting.returncode == ended.exit_code == 2
    assert "documents is not a directory" in rest


def test_who_waits_for_a_new_job_gets_its_end(project: Command) -> None:
    done = project(*BACKGROUND, "--wait")
    assert done.code == 0
    assert " Directory documents: 1 path" in done.err
    done = project(*BACKGROUND, "--wait", "--json")
    jsonschema.validate(done.json(), SHAPES["job ended"])
    assert done.json()["snapshot"] == snapshots(project)[-1]
    wrong = project(*BACKUP, "--wait", "--json", PGVAULT_PASSWORD="wrong")
    assert wrong.code == 12
    jsonschema.validate(wrong.json(), SHAPES["error"])


def test_killed_job_is_seen_and_the_next_one_starts_clean(project: Command, gate: Gate) -> None:
    job = started(project, **gate.environment)
    waiting = project.start(*BACKUP, "--wait", "--json")
    assert waiting.stderr is not None
    assert f"runs already: job {job.id}" in waiting.stderr.readline()
    os.kill(job.pid, signal.SIGKILL)
    killed = over(state_of(project), job.id)
    assert jobs.state_of(state_of(project), killed) is JobState.KILLED
    out, _ = waiting.communicate()
    assert waiting.returncode == 1
    assert f"job {job.id} was killed" in json.loads(out)["message"]
    assert project(*BACKUP, "--wait").code == 0


def test_job_that_is_told_to_end_says_so(project: Command, gate: Gate) -> None:
    job = started(project, **gate.environment)
    os.kill(job.pid, signal.SIGTERM)
    ended = over(state_of(project), job.id)
    assert (ended.exit_code, ended.error and ended.error.code) == (130, "INTERRUPTED")


# --- the interval --------------------------------------------------------------------------------


def test_young_snapshot_is_a_reason_to_do_nothing_only_for_its_own_kind(project: Command) -> None:
    assert project(*BACKUP).code == 0
    done = project(*BACKUP, "--wait", "--min-interval", "1h", "--json")
    assert done.code == 0
    assert done.json()["snapshot"] is None
    assert "less than 1 h" in done.json()["why"]
    assert "nothing to do" in Path(done.json()["log"]).read_text()
    assert len(snapshots(project)) == 1
    assert project(*BACKUP, "--wait", "--min-interval", "0").code == 0
    assert project(*BACKUP, "--wait").code == 0, "an unchanged day still writes its snapshot"
    assert len(snapshots(project)) == 3
    (project.home / "pgvault.toml").write_text('[background]\nmin_interval = "1h"\n')
    assert project(*BACKUP, "--wait").code == 0
    assert len(snapshots(project)) == 3
    assert project(*BACKUP, "--exclude", "nothing", "--wait").code == 0
    assert len(snapshots(project)) == 4, "a snapshot of something else does not count"


# --- a full disk ---------------------------------------------------------------------------------


@pytest.mark.root
def test_job_whose_log_finds_no_room_saves_its_snapshot_and_says_so(
    project: Command, gate: Gate, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounts a file system, which takes root")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        done = project(*BACKGROUND, "--json", **gate.environment, PGVAULT_STATE_DIR=str(place / "state"))
        directory = type(state_of(project))(place / "state")
        job = done.json()["job"]
        until(lambda: directory.record(job).exists())
        with pytest.raises(OSError, match="space"):
            (place / "ballast").write_bytes(bytes(128 * 1024))
        gate.open()
        ended = over(directory, job)
        assert (ended.exit_code, ended.error) == (0, None)
        assert [ended.snapshot] == snapshots(project)
        again = project(*BACKGROUND, PGVAULT_STATE_DIR=str(place / "state"))
        assert again.code == 0
        assert "NO BACKUP RUNS" in again.err
    finally:
        subprocess.run(["umount", "-l", place], check=True)
