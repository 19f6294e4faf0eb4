"""Try what a scheduler will do, before it is told to: the same program, in the very environment, without a terminal.

It is asked how a backup would end (`pgvault doctor`). What hangs is ended with all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from vault.app.schedule.problem import ScheduleProblem
from vault.app.schedule.task import Task
from vault.errors import Unreachable

PATIENCE_S: Final = 60.0
_WORDS_MAX: Final = 400


def rehearse(task: Task, given: Mapping[str, str], *, left_behind: list[str]) -> list[ScheduleProblem]:
    """What would go wrong with a run. Never raises.

    given        what the scheduler adds to the task's own variables
    left_behind  names of secrets that are set now and that a run will not have
    """
    try:
        process = subprocess.Popen(
            task.rehearsal,
            cwd=task.folder,
            env={**given, **task.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # no terminal that a passphrase command could ask on
        )
    except OSError as error:
        why = f"{error.filename or task.words[0]}: {error.strerror}"
        return [ScheduleProblem(what="the command cannot be started", why=why, fix="pgvault doctor", fatal=True)]
    try:
        out, talk = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        _end(process)
        return [
            ScheduleProblem(
                what="a run would hang",
                why=f"it did not get ready within {PATIENCE_S:g} s, without a terminal",
                fix="pgvault doctor; a passphrase command must not wait for somebody",
                fatal=True,
            )
        ]
    return judged(out.decode("utf-8", "replace"), talk.decode("utf-8", "replace"), left_behind=left_behind)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def judged(out: str, talk: str, *, left_behind: list[str]) -> list[ScheduleProblem]:
    """What the command printed, as problems. Pure."""
    try:
        line = json.loads(out.splitlines()[-1])
        if line["type"] == "error":
            found = [ScheduleProblem(what=line["message"], why=line["why"], fix=line["fix"], fatal=True)]
        else:
            found = [_problem(one) for one in line["findings"] if one["state"] == "fail"]
    except (IndexError, KeyError, TypeError, ValueError):
        last = talk.strip().splitlines()[-1:] or ["it printed nothing"]
        why = last[0][:_WORDS_MAX]
        return [ScheduleProblem(what="the command does not run", why=why, fix="pgvault doctor", fatal=True)]
    return [_with_hint(problem, left_behind) for problem in found]


def _problem(finding: Mapping[str, Any]) -> ScheduleProblem:
    """A database that does not answer now may do so by night; one that knows nobody without a password will not."""
    what, why = str(finding["what"]), str(finding["why"])
    away = finding["code"] == Unreachable.code and "password" not in why and "authentication" not in why
    whose = f"{finding['source']}: " if finding["source"] else ""
    return ScheduleProblem(what=f"{whose}{what}", why=why, fix=str(finding["fix"]), fatal=not away)


_INSTEAD: Final = {
    "PGVAULT_PASSWORD": "put the passphrase into a 0600 file, and name it as repository.password_file in pgvault.toml",
    "PGVAULT_PASSWORD_COMMAND": "repository.password_command in pgvault.toml",
    "PGPASSWORD": "put the database's password into a 0600 file, ~/.pgpass or what PGPASSFILE names",
}


def _with_hint(problem: ScheduleProblem, left_behind: list[str]) -> ScheduleProblem:
    """Where a secret of this shell is what the run lacks, say so."""
    about = f"{problem.what} {problem.why}"
    for name, instead in _INSTEAD.items():
        passphrase = name.startswith("PGVAULT")
        if name in left_behind and problem.fatal and ("passphrase" if passphrase else "password") in about:
            why = f"{problem.why}; {name} is set in this shell only, and is a secret that no schedule takes along"
            return ScheduleProblem(what=problem.what, why=why, fix=instead, fatal=True)
    return problem
