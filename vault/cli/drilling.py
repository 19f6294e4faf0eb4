"""What a drill says at its end: what differed, what was not checked, how long a restore takes, and where a kept server is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vault.cli import about, jsonout
from vault.cli.exit_codes import ExitCode
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.drill.place import KeptServer
    from vault.app.drill.run import Drill, Drilled
    from vault.cli.jsonout import Json
    from vault.cli.render import Renderer
    from vault.ops.drill.verdict import Point

SHOWN_MAX: Final = 40
NAMED_MAX: Final = 5


def exit_code(done: Drilled) -> ExitCode:
    if not done.verdict.passed:
        return ExitCode.DAMAGE
    return ExitCode.INCOMPLETE if done.verdict.not_checked else ExitCode.OK


def begin(out: Renderer, drill: Drill, now_ms: int) -> None:
    if not out.json:
        for line in about.header(drill.snapshot.id, drill.snapshot.manifest, now_ms):
            margin = line[: len(line) - len(line.lstrip())]
            out.text(line.lstrip(), first=margin, rest=margin + "    ")


def draw(out: Renderer, done: Drilled, duration_s: float, *, ruin: str) -> None:
    """`ruin`: why the snapshot itself looks like damage, which a restore that equals it says nothing of; empty if it does not"""
    verdict = done.verdict
    _points(out, "differs", verdict.mismatches)
    _points(out, "not checked", verdict.not_checked)
    into = f"into PostgreSQL {done.server}" if done.server else "from its files alone"
    rows = f"{counted(done.rows, 'row')} and " if done.server else ""
    out.text(
        f"restored {rows}{counted(done.files, 'file')} {into}: "
        f"complete after {done.running_ms / 1000:.1f} s, compared after {duration_s:.1f} s",
        rest="  ",
    )
    out.line()
    out.summary(done.counts, done.states, every_line=bool(done.server))
    out.line()
    if not verdict.passed:
        out.line(
            f"FAILED: {counted(len(verdict.mismatches), 'difference')} between what was saved and what was restored"
        )
    elif verdict.not_checked:
        out.line(f"passed, {counted(len(verdict.not_checked), 'thing')} not checked")
    else:
        out.line("passed: what was restored equals the snapshot, and everything was checked")
    if ruin:
        out.text(f"it says nothing of what the backup found: {ruin}", rest="  ")


def _points(out: Renderer, head: str, points: Sequence[Point]) -> None:
    """What has the same reason is told together."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.kind, point.why), []).append(point)
    for (kind, why), group in list(groups.items())[:SHOWN_MAX]:
        if len(group) == 1:
            out.text(f"{head}: {group[0]}", rest="  ")
            continue
        named = ", ".join(point.name for point in group[:NAMED_MAX])
        more = f" and {len(group) - NAMED_MAX} more" if len(group) > NAMED_MAX else ""
        out.text(f"{head}: {len(group)} of kind {kind} ({named}{more}): {why}", rest="  ")
    if len(groups) > SHOWN_MAX:
        out.line(f"{head}: {len(groups) - SHOWN_MAX} more (--json names them all)")


def tell_kept(out: Renderer, kept: KeptServer) -> None:
    out.line(f"the server runs on: psql '{kept.url}'")
    out.text(f"its files are in {kept.place}; it ends, and they go, with: {kept.stop}", rest="  ")


def result(drill: Drill, done: Drilled, duration_s: float, kept: KeptServer | None, *, ruin: str) -> Json:
    return jsonout.result(
        warnings=[ruin] if ruin else [],
        snapshot=drill.snapshot.id.hex(),
        source=drill.snapshot.manifest.source,
        passed=done.verdict.passed,
        tables=done.tables,
        rows=done.rows,
        files=done.files,
        mismatches=[_json(point) for point in done.verdict.mismatches],
        not_checked=[_json(point) for point in done.verdict.not_checked],
        server=done.server or None,
        counts=jsonout.counts(done.counts),
        running_s=done.running_ms / 1000,
        duration_s=duration_s,
        kept=None if kept is None else {"url": kept.url, "place": kept.place, "stop": kept.stop},
    )


def _json(point: Point) -> Json:
    return {"kind": point.kind, "name": point.name, "why": point.why}
