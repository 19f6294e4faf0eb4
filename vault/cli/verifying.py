"""What a verify found, as JSON and drawn: what is wrong with where it is, what could not be told, and one line of what was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from vault.cli import jsonout
from vault.cli.exit_codes import ExitCode
from vault.cli.mending import to_type
from vault.cli.render import size
from vault.model.words import counted
from vault.sql.names import show_name

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.ids import SnapshotId
    from vault.ops.compare.against import Against
    from vault.ops.verify.run import VerifyReport
    from vault.repo.snapshot import Snapshot

_SHOWN_MAX: Final = 10


def exit_code(report: VerifyReport) -> ExitCode:
    if report.damage or report.mismatches:
        return ExitCode.DAMAGE
    return ExitCode.INCOMPLETE if report.not_verified else ExitCode.OK


def fields(report: VerifyReport, split: str | None, duration_s: float) -> jsonout.Json:
    return jsonout.result(
        snapshots=[{"snapshot": one.hex(), "verified": one in report.verified} for one in report.asked],
        part=split,
        objects=report.objects,
        read_bytes=report.read_bytes,
        rows=report.rows,
        files=report.files,
        rendered=report.rendered,
        damage=[asdict(fault) for fault in report.damage],
        mismatches=[asdict(one) for one in report.mismatches],
        not_verified=[asdict(one) for one in report.not_verified],
        duration_s=duration_s,
    )


def fields_against(snapshot_id: SnapshotId, compared: Against, duration_s: float) -> jsonout.Json:
    definitions = compared.definitions
    return jsonout.result(
        snapshot=snapshot_id.hex(),
        same_database=compared.same_database,
        definitions=None
        if definitions is None
        else [{"kind": one.kind, "name": one.name, "what": one.what} for one in definitions],
        tables=[
            {
                "name": show_name(one.name),
                "state": one.state.value,
                "rows": one.rows,
                "rows_now": one.rows_now,
                "why": one.why or None,
            }
            for one in compared.tables
        ],
        values=[{"kind": one.kind, "name": one.name, "what": one.what} for one in compared.values],
        values_unread=list(compared.values_unread),
        duration_s=duration_s,
    )


def draw(out: Renderer, report: VerifyReport, *, split: str | None) -> None:
    for fault in report.damage:
        out.text(f"damage: {fault.file or fault.object}: {fault.why}", rest="  ")
        _places(out, "hits", fault.affects)
    for kind, told in (("mismatch", report.mismatches), ("not verified", report.not_verified)):
        for one in told:
            out.text(f"{kind}: {one.why}", rest="  ")
            _places(out, "at", one.where)
    for line in to_type(report.damage):
        out.talk(line)
    wrong = len(report.damage) + len(report.mismatches)
    what = f"part {split} of " if split else ""
    seen = (
        f"{what}{counted(len(report.asked), 'snapshot')}, {counted(report.rows, 'row')}, {counted(report.files, 'path')}, "
        f"{counted(report.rendered, 'rendered file')}, {counted(report.objects, 'object')}, {size(report.read_bytes)} decoded"
    )
    verdict = f"{wrong} wrong" if wrong else "content equals the manifests"
    if report.not_verified:
        verdict += f", {len(report.not_verified)} not verified"
    out.text(f"{verdict}: {seen}", rest="  ")


def draw_against(out: Renderer, snapshot: Snapshot, compared: Against) -> None:
    from vault.ops.compare.against import TableState

    if not compared.same_database:
        out.insist("note: the database is not the one that the snapshot was taken of, by system identifier and oid")
    for difference in (*(compared.definitions or ()), *compared.values):
        out.text(f"differs: {difference.kind} {difference.name}: {difference.what}", rest="  ")
    if compared.definitions is None:
        out.text("not compared: definitions, which pg_dump writes otherwise for the server's major", rest="  ")
    for unread in compared.values_unread:
        out.text(f"not compared: {unread}", rest="  ")
    for state, word in ((TableState.DIFFERENT, "differs"), (TableState.NOT_COMPARED, "not compared")):
        for table in compared.tables:
            if table.state is state:
                out.text(f"{word}: table {show_name(table.name)}: {table.why}", rest="  ")
    equal = [table for table in compared.tables if table.state is TableState.EQUAL]
    rows = sum(table.rows for table in equal)
    out.line(
        f"{len(equal)} of {counted(len(compared.tables), 'table')} still hold exactly the rows of {snapshot.id.hex()[:12]}: "
        f"{counted(rows, 'row')}"
    )


def _places(out: Renderer, word: str, places: Sequence[str]) -> None:
    for place in places[:_SHOWN_MAX]:
        out.line(f"  {word} {place}")
    if len(places) > _SHOWN_MAX:
        out.line(f"  and {len(places) - _SHOWN_MAX} more (--json names them)")
