"""What was installed from here, as the state directory remembers it: for status, for runs that ask whether one is due, for removal.

Losing it costs no schedule: the scheduler goes on, and installing once more finds the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeGuard

from vault.app import state
from vault.app.state import StateDirectory
from vault.errors import StateUnusable
from vault.ops.schedule.timetable import Timetable, last_due_ms, next_due_ms

_GRACE_S: Final = 2 * 60 * 60
_MINUTES_A_DAY: Final = 24 * 60
_DONE: Final = ("pruned_ms", "checked_ms")
_DONE_MAX: Final = 100
_ATTEMPTS: Final = 100
"""Of 50 ms each; a writing takes a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSchedule:
    """`source`: as it was named with --source; `sources`, `repository`, `place`: what it saves, where, by which file, when installed.

    started_ms              of its last run, 0: none
    pruned_ms, checked_ms   when a run did these last
    """

    name: str
    scheduler: str
    source: str | None
    sources: tuple[str, ...]
    repository: str
    place: str
    folder: str
    program: str
    timetable: Timetable
    installed_ms: int
    started_ms: int = 0
    pruned_ms: int = 0
    checked_ms: int = 0

    def next_ms(self, now_ms: int) -> int:
        return next_due_ms(self.timetable, now_ms)

    def overdue_after_ms(self) -> int:
        """Age of the newest snapshot from which on one was missed: its interval, and time for a run that starts late and takes long."""
        interval_s = self.timetable.interval_s
        return (interval_s + max(_GRACE_S, interval_s // 4)) * 1000

    def is_due(self, now_ms: int) -> bool:
        """Whether a time has passed, since it was installed, that no run was started for. What is after now says nothing."""
        since_ms = max(time_ms for time_ms in (0, self.installed_ms, self.started_ms) if time_ms <= now_ms)
        return last_due_ms(self.timetable, now_ms) > since_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSchedules:
    """By name. `done`: when runs of what is not installed (watch, by hand) did what; `why`: what cannot be told of them."""

    found: Mapping[str, KnownSchedule]
    done: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    why: str = ""

    def of(self, source: str, repository: str) -> KnownSchedule | None:
        """The one that saves the source into the repository; of several the one that does so most often."""
        fitting = [one for one in self.found.values() if one.repository == repository and source in one.sources]
        return min(fitting, key=lambda one: (one.timetable.interval_s, one.name), default=None)


def load(directory: StateDirectory) -> KnownSchedules:
    """Never raises: what is damaged is told."""
    read = state.read_json(directory.schedule)
    if read is None:
        return KnownSchedules(found={})
    if read.value is None:
        return KnownSchedules(found={}, why=read.why)
    found, wrong = {}, []
    schedules = read.value.get("schedules")
    if not isinstance(schedules, dict):
        return KnownSchedules(found={}, why="it holds no schedules")
    for name, value in schedules.items():
        try:
            found[name] = _decoded(name, value)
        except (KeyError, TypeError, ValueError):
            wrong.append(name)
    done = read.value.get("done", {})
    if not _are_times(done):
        wrong.append("done")
        done = {}
    return KnownSchedules(found=found, done=done, why=f"not readable: {', '.join(wrong)}" if wrong else "")


def readable(directory: StateDirectory) -> KnownSchedules:
    """As `load`, for who would change them. Raises  StateUnusable: some cannot be read, and would be lost by writing the others"""
    read = load(directory)
    if read.why:
        raise StateUnusable(
            f"what is known of schedules cannot be read: {directory.schedule}",
            why=read.why,
            hint="move that file away, then in each project: pgvault schedule install",
        )
    return read


def add(directory: StateDirectory, schedule: KnownSchedule) -> None:
    """Raises  StateUnusable"""
    with _alone(directory):
        read = readable(directory)
        done = {name: times for name, times in read.done.items() if name != schedule.name}
        _save(directory, {**read.found, schedule.name: schedule}, done)


def forget(directory: StateDirectory, name: str) -> None:
    """Raises  StateUnusable"""
    with _alone(directory):
        read = readable(directory)
        if name in read.found:
            _save(directory, {key: one for key, one in read.found.items() if key != name}, read.done)


def note(directory: StateDirectory, name: str, times_ms: Mapping[str, int]) -> None:
    """When it did what: `started_ms` and the like; the rest stays as others wrote it. Raises  StateUnusable

    Of one that is not installed only what its next run asks for is kept, of the newest hundred.
    """
    with _alone(directory):
        read = readable(directory)
        if name in read.found:
            known = replace(read.found[name], **times_ms)  # type: ignore[arg-type]
            _save(directory, {**read.found, name: known}, read.done)
            return
        kept = {key: time_ms for key, time_ms in times_ms.items() if key in _DONE}
        if kept:
            done = {**read.done, name: {**read.done.get(name, {}), **kept}}
            newest = sorted(done, key=lambda one: max(done[one].values(), default=0), reverse=True)[:_DONE_MAX]
            _save(directory, read.found, {one: done[one] for one in newest})


@contextmanager
def _alone(directory: StateDirectory) -> Iterator[None]:
    """Between reading and writing nobody else writes. Raises  StateUnusable: somebody does so for seconds"""
    directory.make()
    for _ in range(_ATTEMPTS):
        lock = state.take(directory.schedule_lock)
        if lock is not None:
            break
    else:
        raise StateUnusable(
            f"another process writes {directory.schedule}",
            why="it has not ended within seconds",
            hint="end it, then again",
        )
    try:
        yield
    finally:
        lock.release()


def _save(
    directory: StateDirectory, schedules: Mapping[str, KnownSchedule], done: Mapping[str, Mapping[str, int]]
) -> None:
    if schedules or done:
        encoded = {name: _encoded(one) for name, one in schedules.items()}
        state.write_json(directory.schedule, {"schedules": encoded, "done": done})
        return
    try:
        directory.schedule.unlink(missing_ok=True)
    except OSError as error:
        raise StateUnusable(f"cannot remove {directory.schedule}", why=error.strerror or "") from error


def _are_times(value: object) -> TypeGuard[dict[str, dict[str, int]]]:
    return isinstance(value, dict) and all(
        isinstance(times, dict) and all(type(time_ms) is int for time_ms in times.values()) for times in value.values()
    )


def _encoded(one: KnownSchedule) -> dict[str, object]:
    return {
        **{name: getattr(one, name) for name in one.__dataclass_fields__ if name not in _OF_THEIR_OWN},
        "sources": list(one.sources),
        "minutes": list(one.timetable.minutes),
        "weekday": one.timetable.weekday,
    }


_OF_THEIR_OWN: Final = frozenset({"name", "sources", "timetable"})


def _decoded(name: str, value: Mapping[str, Any]) -> KnownSchedule:
    """Raises  KeyError, TypeError, ValueError: no such record"""
    texts = {key: value[key] for key in ("scheduler", "repository", "place", "folder", "program")}
    numbers = {key: value[key] for key in ("installed_ms", "started_ms", "pruned_ms", "checked_ms")}
    minutes, weekday = tuple(value["minutes"]), value["weekday"]
    source, sources = value["source"], tuple(value["sources"])
    fit = (
        all(isinstance(text, str) for text in (*texts.values(), *sources))
        and all(type(number) is int for number in (*numbers.values(), *minutes))
        and minutes
        and all(0 <= minute < _MINUTES_A_DAY for minute in minutes)
        and weekday in (None, *range(7))
        and isinstance(source, str | None)
    )
    if not fit:
        raise ValueError(name)
    timetable = Timetable(minutes=minutes, weekday=weekday)
    return KnownSchedule(name=name, source=source, sources=sources, timetable=timetable, **texts, **numbers)
