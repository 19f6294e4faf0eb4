"""`pgvault doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vault.cli import render
from vault.cli.exit_codes import MEANING, ExitCode, exit_code_of, gravest
from vault.cli.options import Invocation, command, database_options
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.doctor.run import Diagnosis
    from vault.ops.doctor.findings import Finding

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
    from vault.ops.doctor.findings import as_read

    out = invocation.renderer()
    diagnosis = diagnose(
        invocation.settings(), DatabaseFlags(database=database, local=local, linked=linked), attended=out.can_ask()
    )
    code = _code(diagnosis)
    findings = as_read(diagnosis.findings)
    if invocation.json:
        from vault.cli import jsonout

        out.json_line(jsonout.doctor(findings, code))
        return code
    _draw(out, findings, several=len(diagnosis.sources) > 1)
    out.line()
    out.line(WOULD_WORK if code is ExitCode.OK else f"{_outcome(code)} (exit code {int(code)}: {MEANING[code]})")
    return code


def _code(diagnosis: Diagnosis) -> ExitCode:
    """That of the backup; of several sources the gravest."""
    from vault.ops.doctor.findings import first_error, is_incomplete

    codes = []
    for source in diagnosis.sources or ("",):
        error = first_error(diagnosis.findings, source)
        if error is not None:
            codes.append(exit_code_of(type(error)))
        elif is_incomplete(diagnosis.findings, source):
            codes.append(ExitCode.INCOMPLETE)
    return gravest(codes)


def _outcome(code: ExitCode) -> str:
    if code in (ExitCode.INCOMPLETE, ExitCode.DAMAGE):
        return "a backup would be saved, but"
    return "a backup would fail"


def _draw(out: render.Renderer, findings: Sequence[Finding], *, several: bool) -> None:
    """A line each, and below what is not well why, and what to type; of several sources each under its name."""
    width = max(len(finding.check) for finding in findings)
    margin = " " * (width + 3 + len(render.health("ok")))
    heading = ""
    for finding in findings:
        if several and finding.source != heading:
            heading = finding.source
            out.line(f"source {heading}" if heading else "this machine")
        out.line(f"{render.health(finding.health.value)} {finding.check:{width}}  {finding.what}")
        if finding.why:
            out.line(f"{margin}why:  {finding.why}")
        if finding.fix:
            out.line(f"{margin}next: {finding.fix}")
        for line in finding.lines[:LINES_SHOWN]:
            out.line(f"{margin}      {line}")
        if len(finding.lines) > LINES_SHOWN:
            more = counted(len(finding.lines) - LINES_SHOWN, "line")
            out.line(f"{margin}      and {more} more, with: pgvault doctor --json")


COMMAND = doctor
