"""What a rehearsal makes of what the program said; that it is really started is tests/cli/test_schedule.py's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.app.schedule.tasks import PLAIN
from vault.app.schedule.rehearsal import judged, rehearse


def finding(**fields: object) -> dict[str, object]:
    base: dict[str, object] = {
        "check": "database",
        "state": "fail",
        "source": None,
        "what": "w",
        "why": "y",
        "fix": "f",
        "lines": [],
        "code": None,
    }
    return base | fields


def doctor(*findings: dict[str, object]) -> str:
    return "progress\n" + json.dumps({"type": "result", "exit_code": 1, "findings": findings}) + "\n"


def test_what_is_well_is_no_problem() -> None:
    assert (
        judged(doctor(finding(state="ok"), finding(state="warn"), finding(state="skipped")), "", left_behind=[]) == []
    )


@pytest.mark.parametrize(
    ("why", "fatal"),
    [
        ("Connection refused", False),
        ("fe_sendauth: no password supplied", True),
        ('FATAL: password authentication failed for user "ada"', True),
        ("FATAL: Peer authentication failed", True),
    ],
)
def test_a_database_that_is_away_now_may_be_there_by_night(why: str, fatal: bool) -> None:
    [problem] = judged(doctor(finding(code="SOURCE_UNREACHABLE", why=why, source="app")), "", left_behind=[])
    assert problem.fatal is fatal
    assert problem.what == "app: w"


def test_a_secret_of_this_shell_is_named_where_it_is_what_is_missing() -> None:
    lacking = doctor(finding(what="no passphrase", code="SECRET_UNAVAILABLE"))
    [problem] = judged(lacking, "", left_behind=["PGVAULT_PASSWORD", "PGPASSWORD"])
    assert "PGVAULT_PASSWORD is set in this shell only" in problem.why
    assert "repository.password_file" in problem.fix
    [problem] = judged(
        doctor(finding(code="SOURCE_UNREACHABLE", why="no password supplied")), "", left_behind=["PGPASSWORD"]
    )
    assert "PGPASSFILE" in problem.fix
    [problem] = judged(lacking, "", left_behind=["PGPASSWORD"])
    assert "in this shell" not in problem.why


@pytest.mark.parametrize("out", ["", "no JSON", "[]", "{}", '{"type":"result"}', '{"type":"result","findings":[{}]}'])
def test_a_program_that_says_nothing_of_use_does_not_run(out: str) -> None:
    [problem] = judged(out, "ModuleNotFoundError: No module named 'vault'\n", left_behind=[])
    assert problem.fatal
    assert "No module named" in problem.why


def test_an_error_is_a_problem() -> None:
    line = {"type": "error", "code": "USAGE", "message": "m", "why": "y", "fix": "f", "exit_code": 2}
    [problem] = judged(json.dumps(line), "", left_behind=[])
    assert (problem.what, problem.why, problem.fix, problem.fatal) == ("m", "y", "f", True)


def test_it_has_its_directory_its_variables_and_no_others(tmp_path: Path) -> None:
    script = tmp_path / "pgvault"
    script.write_text(
        "#!/bin/sh\n/usr/bin/env | sort >&2\npwd >&2\n[ -t 0 ] || (exec < /dev/tty) 2>/dev/null && echo terminal >&2\n"
    )
    script.chmod(0o700)
    task = replace(PLAIN, folder=str(tmp_path), rehearsal=(str(script),), environment={"A": "1"})
    [problem] = rehearse(task, {"B": "2"}, left_behind=[])
    assert problem.why == str(tmp_path), "the last line"
    gone = replace(task, folder=str(tmp_path / "none"))
    assert "No such file" in rehearse(gone, {}, left_behind=[])[0].why
    missing = replace(task, rehearsal=(str(tmp_path / "none"),))
    assert rehearse(missing, {}, left_behind=[])[0].fatal
