"""The screen of `pgvault status`, and the same for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from vault.cli import about, jsonout
from vault.cli.render import printable
from vault.model.jobs import Job, JobState
from vault.model.words import counted, duration, size
from vault.ops.status.seen import SeenJob

if TYPE_CHECKING:
    from vault.app.status import ThisMachine
    from vault.cli.render import Renderer
    from vault.model import CheckRecord, DrillRecord
    from vault.ops.status.seen import Change, SourceStatus, Status

_LABEL_MAX: Final = 24


_GREEN: Final = 32
_RED: Final = 31


def draw(out: Renderer, status: Status, mine: ThisMachine, *, now_ms: int, place: str, coloured: bool) -> None:
    colour = None if not coloured else _GREEN if status.is_safe else _RED
    out.verdict("SAFE" if status.is_safe else "NOT SAFE", colour=colour)
    for reason in status.why:
        about_it = f"{reason.source}: " if reason.source else ""
        out.text(f"{about_it}{reason.text}", first="  ", rest="    ")
        out.line(f"    next: {reason.fix}")
        if reason.meant:
            out.line(f"    if it was meant: {reason.meant}")
    out.line()
    alone = len(status.sources) == 1
    rows = [(one.source, list(_of_source(one, now_ms, alone=alone))) for one in status.sources]
    rows.append(("last check", list(_of_check(status, now_ms))))
    rows.append(("last verify", [_of_verify(status, now_ms, alone=alone)]))
    rows.append(("repository", list(_of_repository(status, place))))
    rows += [(head, [text]) for head, text in _of_jobs(mine, status, now_ms)]
    rows += [
        ("left behind", [f"{one.purpose} {one.source}: {one.why}; next: pgvault unlock"]) for one in status.leftovers
    ]
    _rows(out, rows)
    for note in mine.notes:
        out.talk(f"note: {note}")


def draw_closed(out: Renderer, mine: ThisMachine, what: str, *, now_ms: int, coloured: bool) -> None:
    """What is known without the repository. `what`: is wrong"""
    out.verdict(f"NOT KNOWN: {what}", colour=_RED if coloured else None)
    rows = [(seen.job.source or "a start", [text]) for seen, text in _newest(mine, now_ms)]
    if rows:
        out.line()
        _rows(out, rows)
    for note in mine.notes:
        out.talk(f"note: {note}")


def _rows(out: Renderer, rows: list[tuple[str, list[str]]]) -> None:
    """A label, and lines beside it, none of them wider than the terminal; what they say to type works here."""
    width = min(max((len(label) for label, _ in rows), default=0), _LABEL_MAX)
    for label, texts in rows:
        if len(label) > width:
            out.line(label)
            label = ""
        for text in texts:
            out.text(out.to_type(text), first=f"{printable(label):<{width}}  ", rest=" " * (width + 2))
            label = ""


# --- sentences -----------------------------------------------------------------------------------


def _of_source(one: SourceStatus, now_ms: int, *, alone: bool) -> Iterator[str]:
    """`alone`: no other source is there, so that the latest needs no name."""
    if one.last is None:
        yield "no snapshot"
    else:
        manifest = one.last[1]
        yield f"{_time(manifest.created_ms)} UTC, {_ago(manifest.created_ms, now_ms)}: {_held(one)}"
        if one.change is not None:
            yield _changed(one.change)
    due = one.next_run_ms
    if due is None:
        yield "no run is scheduled here; next: pgvault schedule install"
    else:
        yield f"next run in {duration(max(0, due - now_ms))}"
    if one.drill is not None:
        yield f"last drill: {_drilled(one.drill, one, now_ms)}"
    elif one.last is None:
        yield "last drill: never"
    else:
        yield f"last drill: never; next: pgvault drill{'' if alone else f' {one.last[0].hex()[:12]}'}"
    yield from one.warnings


def _drilled(drill: DrillRecord, one: SourceStatus, now_ms: int) -> str:
    """When, of which snapshot, and how it ended: one of an earlier snapshot says nothing of the last."""
    is_last = one.last is not None and one.last[0] == drill.snapshot
    of = "the last one" if is_last else f"the earlier {drill.snapshot.hex()[:12]}"
    beside = f", {counted(len(drill.not_checked), 'thing')} not checked" if drill.not_checked else ""
    return f"{_ago(drill.created_ms, now_ms)}, of {of}: {'passed' if drill.passed else 'did not pass'}{beside}"


def _held(one: SourceStatus) -> str:
    assert one.last is not None, "the caller has it"
    manifest = one.last[1]
    files = jsonout.files(manifest)
    parts = []
    if manifest.database is not None:
        counts = manifest.counts
        parts.append(f"{counted(counts.tables, 'table')}, {counted(counts.records, 'row')}")
    if manifest.directories:
        parts.append(f"{counted(files, 'path')} in {counted(len(manifest.directories), 'directory', 'directories')}")
    return ", ".join(parts) or "nothing"


def _changed(change: Change) -> str:
    stored = f"{size(change.new_bytes)} stored"
    if change.since is None:
        return f"the first one; {stored}"
    before = "the one before" if change.is_next else change.since.hex()[:12]
    numbers = ((change.rows, "row"), (change.tables, "table"), (change.files, "path"))
    if all(number is None for number, _ in numbers):
        return f"not compared, for {before} holds something else; {stored}"
    parts = [f"{number:+} {word}{'' if abs(number) == 1 else 's'}" for number, word in numbers if number]
    words = [word for number, word in numbers if number is not None]
    same = f"no {' or '.join(filter(None, [', '.join(words[:-1]), words[-1]]))} more or less"
    return f"since {before}: {', '.join(parts) or same}; {stored}"


def _of_check(status: Status, now_ms: int) -> Iterator[str]:
    if status.check is None:
        yield "never; next: pgvault check --read-data"
        return
    found = "nothing wrong" if not status.check.damage else counted(len(status.check.damage), "damage")
    yield f"{_ago(status.check.created_ms, now_ms)}, {found}; {_read(status, now_ms)}"


def _of_verify(status: Status, now_ms: int, *, alone: bool) -> str:
    if status.verify is None:
        return f"never; next: pgvault verify{'' if alone else ' --all'}"
    found = "nothing wrong" if not status.verify.damage else counted(len(status.verify.damage), "damage")
    verified = f"{len(status.verify.closures)} of {counted(status.snapshots, 'snapshot')} verified"
    return f"{_ago(status.verify.created_ms, now_ms)}, {found}; {verified}"


def _read(status: Status, now_ms: int) -> str:
    if status.read_ms is None:
        return "not all data was ever read and found whole; next: pgvault check --read-data"
    return f"all data was read within {duration(max(0, now_ms - status.read_ms))}"


def _of_repository(status: Status, place: str) -> Iterator[str]:
    grown = f"{size(status.grown_bytes)} of it in 30 days"
    yield f"{place}: {counted(status.snapshots, 'snapshot')}, {size(status.stored_bytes)}, {grown}"
    if status.others:
        named = ", ".join(f"{name} ({number})" for name, number in status.others.items())
        yield f"other sources, not judged here: {named}"


def _of_jobs(mine: ThisMachine, status: Status, now_ms: int) -> Iterator[tuple[str, str]]:
    """Those that run; of the others only what is wrong is told, above."""
    for seen, text in _newest(mine, now_ms):
        if seen.state in (JobState.RUNNING, JobState.WAITING):
            yield "running", f"{seen.job.source}: {text}"


def _newest(mine: ThisMachine, now_ms: int) -> Iterator[tuple[SeenJob, str]]:
    """Of each source the newest job, in words."""
    told: set[str] = set()
    for seen in mine.jobs:
        if seen.job.source not in told:
            told.add(seen.job.source)
            yield seen, _job(seen, now_ms)


def _job(seen: SeenJob, now_ms: int) -> str:
    job = seen.job
    since = duration(max(0, now_ms - job.started_ms))
    if seen.state is JobState.WAITING:
        return f"job {job.id} waits for the database since {since}; next: pgvault status --follow"
    if seen.state is JobState.RUNNING:
        return f"job {job.id} runs since {since}; next: pgvault status --follow"
    if seen.state is JobState.KILLED:
        return f"the last run was killed, {since} ago"
    if job.error is not None:
        return f"the last run failed {since} ago: {job.error.message}"
    saved = f"saved {job.snapshot[:12]}" if job.snapshot else f"had nothing to save ({job.skipped})"
    return f"the last run {saved}, {since} ago"


def _time(time_ms: int) -> str:
    return about.instant(time_ms)[:16].replace("T", " ")


def _ago(time_ms: int, now_ms: int) -> str:
    return (
        f"in {duration(time_ms - now_ms)}" if time_ms > now_ms + 60_000 else f"{duration(max(0, now_ms - time_ms))} ago"
    )


# --- for programs --------------------------------------------------------------------------------


def fields(status: Status, mine: ThisMachine, now_ms: int) -> dict[str, Any]:
    return jsonout.result(
        safe=status.is_safe,
        why=[
            {
                "trouble": reason.trouble.value,
                "source": reason.source,
                "text": reason.text,
                "fix": reason.fix,
                "meant": reason.meant,
            }
            for reason in status.why
        ],
        sources=[_source_fields(one, status.check, now_ms) for one in status.sources],
        others=dict(status.others),
        check=_record_fields(status.check),
        verify=_record_fields(status.verify),
        data_read=_instant(status.read_ms),
        snapshots=status.snapshots,
        stored_bytes=status.stored_bytes,
        grown_bytes=status.grown_bytes,
        jobs=[_job_fields(seen) for seen, _ in _newest(mine, now_ms)],
        leases=[
            {"id": one.id, "purpose": one.purpose, "source": one.source, "why": one.why} for one in status.leftovers
        ],
        notes=list(mine.notes),
    )


def _record_fields(record: CheckRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "time": about.instant(record.created_ms),
        "host": record.host,
        "damage": list(record.damage),
        "objects": record.objects,
        "read_bytes": record.read_bytes,
    }


def _source_fields(one: SourceStatus, check: CheckRecord | None, now_ms: int) -> dict[str, Any]:
    last = one.last
    change = one.change
    return {
        "source": one.source,
        "last": None if last is None else about.instant(last[1].created_ms),
        "snapshot": None if last is None else last[0].hex(),
        "age_s": None if last is None else (now_ms - last[1].created_ms) / 1000,
        "rows": None if last is None else jsonout.rows(last[1]),
        "tables": None if last is None else jsonout.tables(last[1]),
        "files": None if last is None else jsonout.files(last[1]),
        "change": None
        if change is None
        else {
            "since": None if change.since is None else change.since.hex(),
            "rows": change.rows,
            "tables": change.tables,
            "files": change.files,
            "new_bytes": change.new_bytes,
        },
        "last_check": None if check is None else about.instant(check.created_ms),
        "last_verify": _instant(one.verified_ms),
        "last_drill": None if one.drill is None else about.instant(one.drill.created_ms),
        "drill": None
        if one.drill is None
        else {
            "snapshot": one.drill.snapshot.hex(),
            "passed": one.drill.passed,
            "not_checked": len(one.drill.not_checked),
        },
        "next_run": _instant(one.next_run_ms),
        "due": _instant(one.due_ms),
        "overdue": one.is_overdue,
        "warnings": list(one.warnings),
    }


def followed(job: Job, state: JobState) -> dict[str, Any]:
    """A job whose log was shown to its end."""
    return jsonout.result(**_job_fields(SeenJob(job=job, state=state)))


def _job_fields(seen: SeenJob) -> dict[str, Any]:
    job = seen.job
    return {
        "job": job.id,
        "source": job.source,
        "state": seen.state.value,
        "started": about.instant(job.started_ms),
        "ended": _instant(job.ended_ms),
        "exit_code": job.exit_code,
        "snapshot": job.snapshot,
        "log": job.log,
    }


def _instant(time_ms: int | None) -> str | None:
    return None if time_ms is None else about.instant(time_ms)
