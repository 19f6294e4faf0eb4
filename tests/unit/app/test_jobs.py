"""Records of jobs: what is written is read, what is damaged is told, who is gone is seen."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vault.app import jobs, state
from vault.app.state import StateDirectory
from vault.errors import StateUnusable
from vault.model.jobs import Job, JobError, JobKind, JobState

JOB = Job(
    id="20261130-055300-a1b2",
    source="app",
    repository="/backups",
    kind=JobKind.BACKUP,
    pid=4711,
    started_ms=1_000,
    command=("backup", "--background"),
    log="/state/jobs/x.log",
)
NOW_MS = 1_796_083_200_000
"""2026-12-01."""
ENDED = dataclasses.replace(
    JOB,
    healthy_ms=2_000,
    ended_ms=3_000,
    exit_code=6,
    error=JobError(code="SOURCE_UNREACHABLE", message="no connection", why="refused", fix="start it"),
)
SAVED = dataclasses.replace(JOB, healthy_ms=2_000, ended_ms=3_000, exit_code=0, snapshot="ab" * 32, skipped="")


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path)
    made.make()
    return made


@pytest.mark.parametrize("job", [JOB, ENDED, SAVED])
def test_record_reads_as_it_was_written(directory: StateDirectory, job: Job) -> None:
    jobs.save(directory, job)
    assert jobs.load(directory, job.id) == jobs.Recorded(id=job.id, job=job)
    assert directory.record(job.id).stat().st_size == jobs.RECORD_BYTES


def test_fields_of_a_newer_program_are_passed_over() -> None:
    assert jobs.decode(jobs.encode(JOB) | {"mood": "good"}) == JOB


@pytest.mark.parametrize("name", sorted(jobs.encode(JOB)))
def test_record_with_a_wrong_field_is_told(directory: StateDirectory, name: str) -> None:
    for broken in ({**jobs.encode(ENDED), name: {"x": []}}, {k: v for k, v in jobs.encode(ENDED).items() if k != name}):
        state.write_json(directory.record(JOB.id), broken)
        found = jobs.load(directory, JOB.id)
        assert found is not None
        assert found.job is None
        assert found.why


def test_damaged_record_hides_no_other(directory: StateDirectory) -> None:
    older = dataclasses.replace(JOB, id="20261129-010000-0000")
    for job in (JOB, older):
        jobs.save(directory, job)
    directory.record("20261130-060000-ffff").write_text("{")
    assert [found.job for found in jobs.listed(directory, now_ms=NOW_MS)] == [None, JOB, older]


def test_ended_job_of_a_time_to_come_hides_none_that_runs_or_failed(directory: StateDirectory) -> None:
    ahead = dataclasses.replace(SAVED, id="20380101-000000.000-0000", started_ms=2_145_916_800_000)
    for job in (ahead, dataclasses.replace(ENDED, id=f"{jobs.id_time(NOW_MS)}-0000")):
        jobs.save(directory, job)
    assert [found.job.exit_code for found in jobs.listed(directory, now_ms=NOW_MS) if found.job] == [6, 0]
    assert jobs.alive(directory, "app", "/backups", now_ms=NOW_MS) is None
    jobs.save(directory, JOB)
    assert jobs.alive(directory, "app", "/backups", now_ms=NOW_MS) is None, "it was killed"
    lock = state.take(directory.log(JOB.id))
    assert lock is not None
    assert jobs.alive(directory, "app", "/backups", now_ms=NOW_MS) == JOB
    assert jobs.alive(directory, "app", "/elsewhere", now_ms=NOW_MS) is None
    lock.release()


def test_record_under_another_name_is_told(directory: StateDirectory) -> None:
    jobs.save(directory, JOB)
    directory.record(JOB.id).rename(directory.record("other"))
    found = jobs.load(directory, "other")
    assert found is not None
    assert (found.job, found.why) == (None, f"it is the record of job {JOB.id}")


@pytest.mark.parametrize(
    ("job", "alive", "expected"),
    [
        (JOB, True, JobState.WAITING),
        (dataclasses.replace(JOB, healthy_ms=2), True, JobState.RUNNING),
        (JOB, False, JobState.KILLED),
        (ENDED, False, JobState.ENDED),
        (ENDED, True, JobState.ENDED),
    ],
)
def test_state_of_a_job(job: Job, alive: bool, expected: JobState) -> None:
    assert job.state(alive=alive) is expected


def test_job_whose_process_is_gone_was_killed(directory: StateDirectory) -> None:
    jobs.save(directory, dataclasses.replace(JOB, pid=os.getpid()))
    assert jobs.state_of(directory, JOB) is JobState.KILLED
    lock = state.take(directory.log(JOB.id))
    assert lock is not None
    assert jobs.state_of(directory, JOB) is JobState.WAITING
    lock.release()
    assert jobs.state_of(directory, JOB) is JobState.KILLED


WRITER = """
import sys
from pathlib import Path
from vault.app import state
path = Path(sys.argv[1])
lock = state.take(path)
with path.open("a") as log:
    for line in sys.stdin:
        log.write(line)
        log.flush()
        print(flush=True)
"""


def test_follower_reads_to_the_end_of_the_job(directory: StateDirectory) -> None:
    path = directory.log(JOB.id)
    path.touch()
    lines = [f"line {number} ✅\n" for number in range(5)]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdin is not None
        assert job.stdout is not None
        waiting = list(lines)

        def write_another(seconds: float) -> None:
            assert job.stdin is not None
            assert job.stdout is not None
            if waiting:
                job.stdin.write(waiting.pop(0))
                job.stdin.flush()
                job.stdout.readline()
            else:
                job.kill()
                job.wait()

        job.stdin.write("first\n")
        job.stdin.flush()
        job.stdout.readline()
        assert "".join(jobs.follow(directory, JOB.id, pause=write_another)) == "first\n" + "".join(lines)


def test_log_of_a_job_that_is_over_is_shown_at_once(directory: StateDirectory) -> None:
    directory.log(JOB.id).write_bytes(b"done \xff\n")

    def never(seconds: float) -> None:
        raise AssertionError

    assert "".join(jobs.follow(directory, JOB.id, pause=never)) == "done �\n"


def test_following_what_is_not_there_is_told(directory: StateDirectory) -> None:
    with pytest.raises(StateUnusable, match="cannot be read"):
        list(jobs.follow(directory, "nothing", pause=lambda seconds: None))
