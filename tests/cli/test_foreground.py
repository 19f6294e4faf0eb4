"""A backup by hand: one at a time for a source, waited for and not refused; and what this machine remembers of it."""

from __future__ import annotations

import pytest

from tests.cli.command import HANG_S, PASSPHRASE, Command
from tests.jobs_support import Gate, only, over, state_of, until
from vault.app import jobs
from vault.model.jobs import JobKind

BACKUP = ("backup", "--dir", "documents=documents")


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    return pgvault_ready


def numbers(project: Command) -> list[int]:
    return [snapshot["sequence"] for snapshot in project("snapshots", "--json").json()["snapshots"]]


@pytest.mark.parametrize("first", [BACKUP, (*BACKUP, "--background")], ids=["by hand", "job"])
def test_the_second_waits_for_the_first_and_says_for_whom(project: Command, first: tuple[str, ...]) -> None:
    gate = Gate(project.home)
    variables = project.variables({})
    object.__setattr__(project, "environment", gate.environment)
    one = project.start(*first)
    until(lambda: len(state_of(project).jobs()) == 1)
    object.__setattr__(project, "environment", {"PGVAULT_PASSWORD": variables["PGVAULT_PASSWORD"]})
    (name,) = state_of(project).jobs()
    two = project.start(*BACKUP)
    assert two.stderr is not None
    assert two.stderr.readline() == f"a job of documents runs: {name}; waiting for its end\n"
    gate.open()
    for process in (one, two):
        process.communicate(timeout=HANG_S)
        assert process.returncode == 0
    over(state_of(project), name)
    assert numbers(project) == [1, 2], "in a row, no fork"
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
