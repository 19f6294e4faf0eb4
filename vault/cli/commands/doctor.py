"""`pgvault doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vault.app.conninfo import redacted
from vault.cli import render
from vault.cli.exit_codes import MEANING, ExitCode, exit_code_of, gravest
from vault.cli.options import Invocation, command, database_options
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.doctor.run import Diagnosis
    from vault.ops.doctor.symptoms import Symptom

LINES_SHOWN: Final = 20
WOULD_WORK: Final = "a backup would work"


@command(
    "doctor",
    help="Find out whether a backup would work, and what to type where it would not.\n\nLooks at the repository, the passphrase, "
    "the database and the rights on its objects, the directories, pg_dump, disk space, clocks and the schedule; writes nothing. "
    "The exit code is the one that `pgvault backup` would end with.",
    examples=["pgvault doctor", "pgvault doctor -d postgresql://postgres@127.0.0.1:54322/postgres"],
)
@database_options("Database name, URL or connection string, without a password.")
def doctor(invocation: Invocation, database: str | None, local: bool, linked: bool) -> int:
    from vault.app.database import DatabaseFlags
    from vault.app.doctor.run import diagnose
    from vault.ops.doctor.symptoms import as_read

    out = invocation.renderer()
    diagnosis = diagnose(
        invocation.settings(), DatabaseFlags(database=database, local=local, linked=linked), attended=out.can_ask()
    )
    code = _code(diagnosis)
    symptoms = [
        replace(clean, fix=out.to_type(clean.fix)) for clean in map(_without_passwords, as_read(diagnosis.symptoms))
    ]
    if invocation.json:
        from vault.cli import jsonout

        out.json_line(jsonout.doctor(symptoms, code))
        return code
    _draw(out, symptoms, several=len(diagnosis.sources) > 1)
    out.line()
    out.text(WOULD_WORK if code is ExitCode.OK else f"{_outcome(code)} (exit code {int(code)}: {MEANING[code]})")
    return code


def _without_passwords(symptom: Symptom) -> Symptom:
    what, why, fix = (redacted(text) for text in (symptom.what, symptom.why, symptom.fix))
    return replace(symptom, what=what, why=why, fix=fix, lines=tuple(redacted(line) for line in symptom.lines))


def _code(diagnosis: Diagnosis) -> ExitCode:
    """That of the backup; of several sources the gravest."""
    from vault.ops.doctor.symptoms import first_error, is_incomplete

    codes = []
    for source in diagnosis.sources or ("",):
        error = first_error(diagnosis.symptoms, source)
        if error is not None:
            codes.append(exit_code_of(type(error)))
        elif is_incomplete(diagnosis.symptoms, source):
            codes.append(ExitCode.INCOMPLETE)
    return gravest(codes)


def _outcome(code: ExitCode) -> str:
    if code in (ExitCode.INCOMPLETE, ExitCode.DAMAGE):
        return "a backup would be saved, but"
    return "a backup would fail"


def _draw(out: render.Renderer, symptoms: Sequence[Symptom], *, several: bool) -> None:
    """A line each, and below what is not well why, and what to type; of several sources each under its name."""
    width = max(len(symptom.check) for symptom in symptoms)
    margin = " " * (width + 3 + len(render.health("ok")))
    heading = ""
    for symptom in symptoms:
        if several and symptom.source != heading:
            heading = symptom.source
            out.line(f"source {heading}" if heading else "this machine")
        out.text(symptom.what, first=f"{render.health(symptom.health.value)} {symptom.check:{width}}  ", rest=margin)
        for head, text in (("why:  ", symptom.why), ("next: ", symptom.fix)):
            if text:
                out.text(text, first=margin + head, rest=f"{margin}      ")
        for line in symptom.lines[:LINES_SHOWN]:
            out.line(f"{margin}      {line}")
        if len(symptom.lines) > LINES_SHOWN:
            more = counted(len(symptom.lines) - LINES_SHOWN, "line")
            out.line(f"{margin}      and {more} more, with: pgvault doctor --json")


COMMAND = doctor
