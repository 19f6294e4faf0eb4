"""Which snapshots a policy keeps, and why. Pure: the calendar and the moment are arguments.

The words and their meaning are restic's; where ours differ is said in spec 80 (RET-1 to RET-8), and shown by
tests/conformance/test_restic.py. Theory of operation: a source's snapshots are ordered by number; those whose time cannot be true are
set apart; the others fall into groups that cannot push each other out; each group is walked from its newest to its oldest, and
every rule has a say about each. What no rule keeps goes.

Invariant: an answer has a verdict for every snapshot, in the order that it was given; one with a reason is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final, Protocol

from vault.ids import SnapshotId

UNLIMITED: Final = 2**62
"""As a count: every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time by the calendar: a month is as long as the months that it lies in."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def __str__(self) -> str:
        parts = ((self.years, "y"), (self.months, "m"), (self.days, "d"), (self.hours, "h"))
        return "".join(f"{number}{unit}" for number, unit in parts if number) or "0h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """What calendar and clock of a zone show. `iso_year` and `iso_week` number weeks that begin on Monday (ISO 8601)."""

    year: int
    month: int
    day: int
    hour: int
    iso_year: int
    iso_week: int


class Calendar(Protocol):
    """A zone's."""

    def wall(self, time_ms: int) -> Wall:
        """What it shows at this time."""

    def earlier(self, time_ms: int, span: Span) -> int:
        """The time that lies `span` before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one forget. A count of 0 and a span of None is no rule; `ids` are whole ones."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Span | None = None
    within_hourly: Span | None = None
    within_daily: Span | None = None
    within_weekly: Span | None = None
    within_monthly: Span | None = None
    within_yearly: Span | None = None
    tags: tuple[str, ...] = ()
    ids: tuple[SnapshotId, ...] = ()

    def is_empty(self) -> bool:
        return not any(getattr(self, rule.name) for rule in fields(self))


PRESETS: Final = {
    "dev": Policy(within=Span(days=7), last=3),
    "production": Policy(daily=30, weekly=13, monthly=12),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A snapshot as a policy sees it.

    whole    nothing narrowed the database
    sound    neither suspect, nor failed in a part, nor with a finding that nobody acknowledged
    tags     the words that name it: each value, and key=value
    pinned   the reasons of its pins
    held     which later snapshot looks like the ruin of it, while nobody has answered; in words, or empty
    drilled  it was restored, and was equal; proven: with nothing that was not checked
    """

    id: SnapshotId
    source: str
    selection: str
    sequence: int
    time_ms: int
    whole: bool = True
    sound: bool = True
    tags: frozenset[str] = frozenset()
    pinned: tuple[str, ...] = ()
    held: str = ""
    drilled: bool = False
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`reasons` empty: it goes. `misplaced`: its time breaks the order of the numbers, or lies ahead."""

    candidate: Candidate
    reasons: tuple[str, ...]
    misplaced: bool = False


def judge(candidates: Sequence[Candidate], policy: Policy, *, calendar: Calendar, now_ms: int) -> list[Verdict]:
    """A verdict for each candidate, in their order. `now_ms`: what is later than this has no true time."""
    sources: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        sources.setdefault(candidate.source, []).append(candidate)
    reasons: dict[SnapshotId, list[str]] = {candidate.id: [] for candidate in candidates}
    misplaced: set[SnapshotId] = set()
    for chain in sources.values():
        odd = _misplaced(chain, now_ms)
        misplaced |= odd
        _judge_source([one for one in _newest_first(chain) if one.id not in odd], policy, calendar, reasons)
        _keep_always(_newest_first(chain), policy, odd, reasons)
    return [Verdict(candidate=one, reasons=tuple(reasons[one.id]), misplaced=one.id in misplaced) for one in candidates]


# --- order -----------------------------------------------------------------------------------------


def _newest_first(chain: Iterable[Candidate]) -> list[Candidate]:
    """Forks of one number by their time: the numbers do not say which was first."""
    return sorted(chain, key=lambda one: (one.sequence, one.time_ms, one.id), reverse=True)


def _misplaced(chain: Sequence[Candidate], now_ms: int) -> set[SnapshotId]:
    """The fewest snapshots without which times ascend as numbers do, and all that lie ahead of now."""
    oldest_first = _newest_first(one for one in chain if one.time_ms <= now_ms)[::-1]
    ends: list[int] = []
    """Time at the end of the earliest-ending row of each length."""
    places: list[int] = []
    for one in oldest_first:
        place = bisect_right(ends, one.time_ms)
        ends[place : place + 1] = [one.time_ms]
        places.append(place)
    kept: set[SnapshotId] = set()
    wanted = len(ends) - 1
    for one, place in zip(reversed(oldest_first), reversed(places), strict=True):
        if place == wanted:
            kept.add(one.id)
            wanted -= 1
    return {one.id for one in chain} - kept


# --- rules -----------------------------------------------------------------------------------------

_BUCKETS: Final[dict[str, Callable[[Wall], tuple[int, ...]]]] = {
    "hourly": lambda wall: (wall.year, wall.month, wall.day, wall.hour),
    "daily": lambda wall: (wall.year, wall.month, wall.day),
    "weekly": lambda wall: (wall.iso_year, wall.iso_week),
    "monthly": lambda wall: (wall.year, wall.month),
    "yearly": lambda wall: (wall.year,),
}


def _judge_source(
    newest_first: Sequence[Candidate], policy: Policy, calendar: Calendar, reasons: dict[SnapshotId, list[str]]
) -> None:
    groups: dict[tuple[str, bool], list[Candidate]] = {}
    for one in newest_first:
        groups.setdefault((one.selection, one.sound), []).append(one)
    for group in groups.values():
        for one, reason in _kept(group, policy, calendar):
            reasons[one.id].append(reason)


def _kept(group: Sequence[Candidate], policy: Policy, calendar: Calendar) -> Iterator[tuple[Candidate, str]]:
    """`group`: of one source, newest first, not empty."""
    for number, one in enumerate(group[: policy.last], 1):
        yield one, f"keep-last, {_of(number, policy.last)}"
    walls = [calendar.wall(one.time_ms) for one in group]
    for unit, bucket in _BUCKETS.items():
        buckets = [bucket(wall) for wall in walls]
        yield from _counted(group, buckets, unit, getattr(policy, unit))
        yield from _within(group, buckets, unit, _cutoff(group, getattr(policy, f"within_{unit}"), calendar))
    if policy.within is not None:
        cutoff_ms = calendar.earlier(group[0].time_ms, policy.within)
        yield from ((one, f"keep-within {policy.within}") for one in group if one.time_ms > cutoff_ms)


def _of(number: int, count: int) -> str:
    return f"{number}" if count >= UNLIMITED else f"{number} of {count}"


def _counted(
    group: Sequence[Candidate], buckets: Sequence[tuple[int, ...]], unit: str, count: int
) -> Iterator[tuple[Candidate, str]]:
    """The newest of each of the first `count` buckets; the oldest of all too while there are some left, so that history grows."""
    last: tuple[int, ...] = ()
    number = 0
    for place, (one, bucket) in enumerate(zip(group, buckets, strict=True)):
        if number == count:
            return
        if bucket != last:
            number += 1
            yield one, f"keep-{unit}, {_of(number, count)}"
        elif place == len(group) - 1:
            yield one, f"keep-{unit}, the oldest"
        last = bucket


_Cutoff = tuple[int, Span] | None


def _cutoff(group: Sequence[Candidate], span: Span | None, calendar: Calendar) -> _Cutoff:
    return None if span is None else (calendar.earlier(group[0].time_ms, span), span)


def _within(
    group: Sequence[Candidate], buckets: Sequence[tuple[int, ...]], unit: str, cutoff: _Cutoff
) -> Iterator[tuple[Candidate, str]]:
    """The newest of each bucket whose time lies after the cutoff; the oldest of all too, if its does."""
    last: tuple[int, ...] = ()
    for place, (one, bucket) in enumerate(zip(group, buckets, strict=True)):
        if cutoff is None or one.time_ms <= cutoff[0]:
            return
        if bucket != last:
            yield one, f"keep-within-{unit} {cutoff[1]}"
        elif place == len(group) - 1:
            yield one, f"keep-within-{unit} {cutoff[1]}, the oldest"
        last = bucket


# --- what no rule may remove -----------------------------------------------------------------------


def _keep_always(
    newest_first: Sequence[Candidate], policy: Policy, odd: set[SnapshotId], reasons: dict[SnapshotId, list[str]]
) -> None:
    groups_kept: set[str] = set()
    drilled = next((one.id for one in newest_first if one.drilled), None)
    proven = next((one.id for one in newest_first if one.proven), None)
    for one in newest_first:
        mine = reasons[one.id]
        mine.extend(f"keep-tag {tag}" for tag in policy.tags if tag in one.tags)
        if one.id in policy.ids:
            mine.append("keep-id")
        mine.extend(f"pinned: {reason}" for reason in one.pinned)
        if one.held:
            mine.append(one.held)
        if one.id in odd:
            mine.append("its time breaks the order of the numbers")
        elif one.whole and one.sound and one.selection not in groups_kept:
            groups_kept.add(one.selection)
            mine.append("the newest that is whole and sound")
        if one.id == drilled:
            mine.append("the newest that a drill restored")
        elif one.id == proven:
            mine.append("the newest that a drill restored with everything checked")
    if newest_first and not any(reasons[one.id] for one in newest_first):
        reasons[newest_first[0].id].append("the newest of its source")
