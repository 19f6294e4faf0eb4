"""A configuration or a project that makes no sense: a start goes on without a backup, loudly; it is recorded, and `status` tells it."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.jobs_support import only, over, record, state_of

SOURCE = '[source.app]\ndirectories = { documents = "documents" }\n'
OF_PROJECT = '[source.app]\nsupabase = "local"\n'
BACKGROUND = ("backup", "--background")
AFTER = ("run", "--after", "--", "echo", "up")

BROKEN = {
    "half-written project": (
        {"supabase/config.toml": 'project_id = "app"\n[db'},
        "supabase/config.toml:2: it is no TOML",
    ),
    "half-written project of a source": (
        {"supabase/config.toml": "[db", "pgvault.toml": OF_PROJECT},
        "supabase/config.toml:1: it is no TOML",
    ),
    "empty project": ({"supabase/config.toml": ""}, "supabase/config.toml: it is empty"),
    "half-written configuration": ({"pgvault.toml": SOURCE + "[sour"}, "pgvault.toml:3: it is no TOML"),
    "unknown key": ({"pgvault.toml": SOURCE + "colour = 1\n"}, "pgvault.toml:3: unknown key"),
    "bytes": ({"pgvault.toml": "\udcff"}, "pgvault.toml:1: it is no TOML"),
    "no project": ({"pgvault.toml": OF_PROJECT}, "no Supabase project is here"),
    "unlinked project": (
        {"supabase/config.toml": "[db]\n", "pgvault.toml": '[source.app]\nsupabase = "linked"\n'},
        "the project is not linked",
    ),
    "several sources": ({"pgvault.toml": SOURCE + SOURCE.replace("app", "web")}, "several sources are configured"),
    "nothing": ({}, "nothing to back up"),
}
UNREAD = [name for name, (_, message) in BROKEN.items() if "TOML" in message or "key" in message or "empty" in message]
broken = pytest.mark.parametrize("name", BROKEN)


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    return pgvault_ready


def lay(home: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(text.encode("utf-8", "surrogateescape"))


@broken
@pytest.mark.parametrize("words", [BACKGROUND, AFTER], ids=["background", "after"])
def test_start_goes_on_and_the_failure_is_said_and_recorded(
    project: Command, name: str, words: tuple[str, ...]
) -> None:
    files, message = BROKEN[name]
    lay(project.home, files)
    done = project(*words)
    assert done.code == 0, done.err
    assert done.out == ("up\n" if words is AFTER else "")
    assert "NO BACKUP RUNS: " in done.err
    assert message in done.err
    assert "next: " in done.err
    job = record(state_of(project), only(state_of(project)).id)
    assert (job.exit_code, job.error and job.error.code) == (2, "MISCONFIGURED")
    assert job.error is not None
    assert message in job.error.message
    assert message in Path(job.log).read_text()


@broken
def test_programs_are_told_and_who_waits_gets_the_error(project: Command, name: str) -> None:
    files, message = BROKEN[name]
    lay(project.home, files)
    done = project(*BACKGROUND, "--json")
    jsonschema.validate(done.json(), SHAPES["job"])
    assert (done.code, done.json()["started"]) == (0, "no")
    assert message in done.json()["why"]
    for words in (("backup",), ("backup", "--wait"), ("run", "--before", "--", "touch", "ran")):
        stopped = project(*words)
        assert (stopped.code, message in stopped.err) == (2, True), stopped.err
    assert not (project.home / "ran").exists()
    assert project("run", "--before", "--even-without-backup", "--", "touch", "ran").code == 0
    assert (project.home / "ran").exists()


@pytest.mark.parametrize("name", UNREAD)
def test_status_says_that_it_is_broken_and_where_and_then_that_a_run_failed(project: Command, name: str) -> None:
    lay(project.home, {"pgvault.toml": SOURCE})
    assert project("backup").code == 0
    files, message = BROKEN[name]
    lay(project.home, files)
    if "pgvault.toml" not in files:
        (project.home / "pgvault.toml").unlink()
    before = project("status")
    assert before.code != 0
    assert message in before.out + before.err
    project(*BACKGROUND)
    lay(project.home, {"pgvault.toml": SOURCE, "supabase/config.toml": "[db]\n"})
    mended = project("status")
    assert (mended.code, mended.out.splitlines()[0]) == (1, "NOT SAFE")
    assert message in mended.out
    assert project("backup").code == 0
    assert project("status").code == 0


@pytest.mark.parametrize("name", ["half-written project", "half-written configuration"])
def test_wrong_flag_is_still_a_usage_error(project: Command, name: str) -> None:
    lay(project.home, BROKEN[name][0])
    for words in (
        (*BACKGROUND, "--min-interval", "soon"),
        (*BACKGROUND, "--local", "--linked"),
        (*BACKGROUND, "--tag", "release"),
        ("run", "--after", "--tag", "release", "--", "touch", "ran"),
        ("run", "--after", "--", "no-such-command"),
    ):
        assert project(*words).code == 2
    assert not (project.home / "ran").exists()
    assert state_of(project).jobs() == []


def test_environment_that_makes_no_sense_is_no_reason_to_fail(project: Command) -> None:
    for environment in (
        {"PGVAULT_CONFIG": "nowhere.toml"},
        {"PGVAULT_REPOSITORY": "ftp://elsewhere/repo"},
        {"PGVAULT_REPOSITORY": ""},
        {"PGVAULT_STATE_DIR": "~nobody-of-that-name/state"},
        {"PGVAULT_STATE_DIR": "documents/letter/state", "PGVAULT_CONFIG": "nowhere.toml"},
    ):
        for words in ((*BACKGROUND, "--dir", "documents=documents"), AFTER):
            done = project(*words, **environment)
            assert (done.code, "NO BACKUP RUNS" in done.err) == (0, True), done.err
    named = project(*BACKGROUND, "--dir", "documents=documents", "-r", "ftp://elsewhere/repo")
    assert named.code == 2, "a flag is what was typed"


def test_command_that_mends_the_configuration_has_its_backup(project: Command) -> None:
    lay(project.home, {"pgvault.toml": "[sour", "right.toml": SOURCE})
    done = project("run", "--after", "--", "cp", "right.toml", "pgvault.toml")
    assert (done.code, "NO BACKUP RUNS" in done.err) == (0, False), done.err
    assert over(state_of(project), only(state_of(project)).id).exit_code == 0


def test_directory_that_is_gone_is_no_reason_to_run_nothing_where_that_was_asked_for(project: Command) -> None:
    lay(project.home, {"pgvault.toml": SOURCE.replace("documents", "gone")})
    assert project("run", "--before", "--even-without-backup", "--", "touch", "ran").code == 0
    assert (project.home / "ran").exists()
