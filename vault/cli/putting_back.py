"""`pgvault restore ... --rows`: the plan, the question, and at the end what came back, what did not, and how to undo it.

Values of rows are shown to somebody at a terminal, or where --sample asks for them; never in a log by themselves.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vault.app import processes, put_back, wiring
from vault.app.conninfo import redacted
from vault.app.restore import RestoreFlags, RestoreRequest, request
from vault.cli import about, asking, jsonrows, progress
from vault.cli.exit_codes import ExitCode
from vault.cli.interrupted import naming
from vault.errors import Interrupted
from vault.model.put_back import Fate, SampleRow
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.put_back import PlannedPutBack, RowFlags
    from vault.cli.options import Invocation
    from vault.cli.render import Renderer
    from vault.ops.put_back.run import PutBack

SAMPLE: Final = 3
_SHOWN_BYTES: Final = 60
_FATES: Final = {
    Fate.INSERTED: "comes back",
    Fate.UPDATED: "gets back",
    Fate.CHANGED_SINCE: "conflict, stays as it is",
    Fate.THERE_OTHERWISE: "conflict, stays as it is",
    Fate.KEY_TAKEN: "conflict, stays as it is",
}


def put_rows_back(invocation: Invocation, snapshot: str, flags: RestoreFlags, rows: RowFlags) -> int:
    """The command's second half, with --rows. Raises  as app.put_back"""
    from vault.ops.guard import judge

    put_back.check(rows, flags)
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    asked = request(flags, settings, typed=invocation.typed())
    if rows.sample is None and sys.stdout.isatty() and not out.json:
        rows = replace(rows, sample=SAMPLE)
    with ExitStack() as stack:
        with progress.shown(out) as drawn:
            drawn.stage("looking at the snapshots")
            opened = stack.enter_context(put_back.open_states(settings, snapshot, asked, rows=rows, progress=drawn))
            stack.enter_context(processes.reading(opened.repository, opened.good))
            drawn.stage("comparing rows, here and in the database")
            planned = stack.enter_context(put_back.open_put_back(settings, opened, asked, rows=rows, progress=drawn))
        if text := judge.warning(opened.repository, (opened.good.id, opened.good.manifest)):
            out.insist(f"warning: {text}")
        _show(out, planned, now_ms=started_ms)
        if flags.dry_run:
            if out.json:
                out.json_line(jsonrows.foreseen(planned, started_ms))
            planned.require_allowed()
            out.talk("nothing was changed: this was a dry run; without --dry-run the rows are put back")
            return ExitCode.OK
        planned.require_allowed()
        if planned.plan.written:
            asking.required(out, "Put rows back as shown?", yes=flags.yes, nothing="nothing was put back")
        done = _run(planned, naming(invocation.arguments, snapshot, opened.good.id))
        invocation.done = (
            f"the rows were put back; only the report was cut off; what undoes it: {done.undo}" if done.undo else ""
        )
    duration_s = max(0, clock.now_ms() - started_ms) / 1000
    if out.json:
        out.json_line(jsonrows.put_back(done, duration_s))
    else:
        _draw(out, done, duration_s, database=_named(asked))
        _tell_what_stays(invocation, done)
    return ExitCode.OK if done.is_whole else ExitCode.RESTORE_INCOMPLETE


def _run(planned: PlannedPutBack, typed: Sequence[str]) -> PutBack:
    try:
        return planned.run()
    except KeyboardInterrupt as stop:
        again = redacted(shlex.join(["pgvault", *typed]))
        raise Interrupted("interrupted", why="nothing was changed", hint=f"to go on: {again}") from stop


def _show(out: Renderer, planned: PlannedPutBack, *, now_ms: int) -> None:
    from vault.ops.put_back.plan import lines

    shown = [*lines(planned.plan), *(line for row in planned.plan.sampled for line in _sampled(row))]
    if out.json:
        manifest = planned.good.manifest
        fields: dict[str, Any] = about.fields(manifest, now_ms)
        out.json_line({"type": "plan", "snapshot": planned.good.id.hex(), **fields, "lines": shown})
        return
    for line in (*about.header(planned.good.id, planned.good.manifest, now_ms), *shown):
        margin = line[: len(line) - len(line.lstrip())]
        out.text(line.lstrip(), first=margin, rest=margin + "    ")


def _sampled(row: SampleRow) -> Iterator[str]:
    key = ", ".join(f"{name} {_value(value)}" for name, value in row.key)
    if row.fate is Fate.INSERTED:
        values = ", ".join(f"{name} {_value(then)}" for name, _, then in row.values)
    elif row.fate is Fate.UPDATED:
        values = ", ".join(f"{name} {_value(now)} -> {_value(then)}" for name, now, then in row.values)
    else:
        values = ", ".join(f"{name} {_value(now)} (in the snapshot {_value(then)})" for name, now, then in row.values)
    yield f"  e.g. {key}: {_FATES[row.fate]}: {values}"


def _value(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= _SHOWN_BYTES else value[:_SHOWN_BYTES] + "..."


def _named(asked: RestoreRequest) -> str:
    """The database, as a word of psql's; empty where libpq's variables say which."""
    name = asked.flags.database or asked.conninfo
    return f"-d {shlex.quote(redacted(name))} " if name else ""


def _tell_what_stays(invocation: Invocation, done: PutBack) -> None:
    """Why the exit code is 9, and what is typed if what stays shall not."""
    if done.is_whole:
        return
    out, others = invocation.renderer(), [one for one in done.decided if one.in_conflict or one.conflicts]
    stay = f"what is in conflict stays as it is, in {', '.join(str(one.table) for one in others)}" if others else ""
    apart = "" if not done.plan.left else "what refers to these rows did not come"
    unseen = "" if not done.plan.unseen else "not all that refers to these rows could be looked at"
    out.insist(
        f"not all that was asked for is as in the snapshot (exit code 9): {'; '.join(filter(None, (stay, apart, unseen)))}"
    )
    if done.plan.left:
        out.insist(f"  next: {_again(invocation, add='--with-references')}")
    if any(one.conflicts or one.fates.keys() & _OVERWRITABLE for one in others):
        out.insist(
            "  what would be overwritten, later work too, if the snapshot is to win: "
            + _again(invocation, add="--even-if-changed", without=("--damaged-by", "--xid"))
        )


_OVERWRITABLE: Final = {Fate.CHANGED_SINCE, Fate.THERE_OTHERWISE}


def _again(invocation: Invocation, *, add: str, without: Sequence[str] = ()) -> str:
    """The command as it was typed, with an option more, as a dry run."""
    words, is_value = list[str](), False
    for word in invocation.arguments:
        is_left_out = is_value or word.partition("=")[0] in without
        is_value = word in without
        if not is_left_out and word not in ("--yes", "-y", "--dry-run", add):
            words.append(word)
    return shlex.join(["pgvault", *words, add, "--dry-run"])


def _draw(out: Renderer, done: PutBack, duration_s: float, *, database: str) -> None:
    from vault.ops.put_back.plan import conflicts, left_out

    for one in done.decided:
        for line in conflicts(one):
            out.text(line)
    for line in left_out(done.plan.left):
        out.text(f"not done: {line}")
    inserted, updated = (sum(getattr(one, word) for one in done.decided) for word in ("inserted", "updated"))
    words = [counted(inserted, "deleted row")] if inserted else []
    words += [f"values of {counted(updated, 'row')}"] if updated else []
    out.text(f"put back {', and '.join(words)}, {duration_s:.1f} s" if words else "nothing was put back")
    if done.written:
        out.talk("the next backup has them, and pgvault status says what is still to be answered; next: pgvault backup")
    if done.undo is not None:
        out.text(f"undo it with: psql -X {database}-f {shlex.quote(done.undo)}")
