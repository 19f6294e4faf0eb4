"""A backup by hand: one at a time for a source, waited for and not refused; and what this machine remembers of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.cli.command import HANG_S, PASSPHRASE, Command
from tests.jobs_support import Gate, only, over, state_of, until
from vault.app import jobs, wiring
from vault.app.background import JobTerms, RunningJob
from vault.app.foreground import alone
from vault.app.patience import JOB_S, JobPatience
from vault.cli.background import lines
from vault.errors import Locked
from vault.model.jobs import JobKind

BACKUP = ("backup", "--dir", "documents=documents")


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    return pgvault_ready


def numbers(project: Command) -> list[int]:
    return [snapshot["sequence"] for snapshot in project("snapshots", "--json").json()["snapshots"]]


def second(project: Command, holder: str) -> subprocess.Popen[str]:
    """A backup that waits for the holder."""
    two = project.start(*BACKUP)
    assert two.stderr is not None
    said = f"a job of documents runs: {holder}; waiting for its end, 6 h at most; to see it: pgvault status --follow\n"
    assert two.stderr.readline() == said
    return two


def test_the_second_waits_for_a_job_and_says_for_whom(project: Command) -> None:
    gate = Gate(project.home)
    one = project(*BACKUP, "--background", **gate.environment)
    assert one.code == 0
    until(lambda: len(state_of(project).jobs()) == 1)
    (name,) = state_of(project).jobs()
    two = second(project, name)
    gate.open()
    two.communicate(timeout=HANG_S)
    assert two.returncode == 0
    over(state_of(project), name)
    assert numbers(project) == [1, 2], "in a row, no fork"
    gate.remove()


def turn(
    project: Command, *, waiting: Callable[[str], None] = lambda job: None, patience_s: float = JOB_S
) -> AbstractContextManager[RunningJob]:
    place = str(project.repository)
    terms = JobTerms(source="documents", repository=place, kind=JobKind.FOREGROUND, command=("pgvault", "backup"))
    return alone(
        state_of(project),
        terms,
        clock=wiring.SystemClock(),
        entropy=os.urandom,
        waiting=waiting,
        patience_s=patience_s,
    )


def test_the_second_waits_for_one_by_hand_and_says_for_whom(project: Command) -> None:
    with turn(project) as running:
        two = second(project, running.job.id)
    two.communicate(timeout=HANG_S)
    assert two.returncode == 0
    assert numbers(project) == [1]


def test_a_turn_that_never_comes_is_told(project: Command) -> None:
    with turn(project) as running:
        heard: list[str] = []
        waits = turn(project, waiting=heard.append, patience_s=0.5)
        with pytest.raises(Locked, match="documents was not saved") as raised, waits:
            pytest.fail("it had a turn that is another's")
        assert heard == [running.job.id]
    assert "0.5 s" in raised.value.why
    assert raised.value.hint


def test_a_joined_job_is_not_followed_for_ever(project: Command) -> None:
    with turn(project) as running:
        patience = JobPatience("documents", 0.1)
        with pytest.raises(Locked, match="documents was not saved"):
            list(lines(state_of(project), running.job.id, pause=patience.pause))


def test_who_is_asked_for_a_passphrase_and_went_away_holds_off_nobody(project: Command) -> None:
    gate = Gate(project.home)
    asked = Command(home=project.home, environment=gate.environment).start(*BACKUP)
    heard = gate.heard()
    done = project(*BACKUP)
    assert done.code == 0, done.err
    assert "waiting" not in done.err
    heard.write(PASSPHRASE)
    heard.close()
    asked.communicate(timeout=HANG_S)
    assert asked.returncode == 0
    assert numbers(project) == [1, 2]
    gate.remove()


def test_what_was_saved_by_hand_is_remembered_and_what_failed_is_not(project: Command) -> None:
    assert project(*BACKUP, PGVAULT_PASSWORD="another").code == 12
    assert state_of(project).jobs() == []
    assert project(*BACKUP).code == 0
    job = only(state_of(project))
    assert (job.kind, job.exit_code, len(job.snapshot or "")) == (JobKind.FOREGROUND, 0, 64)
    assert not jobs.is_alive(state_of(project), job.id)
    assert PASSPHRASE not in state_of(project).record(job.id).read_text()


def test_a_disk_that_is_not_mounted_gets_no_new_repository_where_all_was_saved_by_hand(project: Command) -> None:
    assert project(*BACKUP).code == 0
    project.repository.rename(project.home / "unmounted")
    assert project("init", "--no-recovery-kit").code == 8


def test_a_state_directory_that_cannot_be_used_stops_no_backup(project: Command) -> None:
    (project.home / "taken").write_text("")
    done = project(*BACKUP, PGVAULT_STATE_DIR=str(project.home / "taken" / "state"))
    assert numbers(project) == [1]
    assert "no other backup of documents is held off meanwhile" in done.err
