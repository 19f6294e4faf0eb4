"""Random sets of snapshots under random policies: restic's `forget --dry-run` and ours must keep the same.

`python -m tests.restic_policies --sets 50000 [--seed N]`; a few of them are a test (tests/conformance/test_restic.py). A round is one
policy, one time zone and one run of restic over many sets, each under a host of its own. Times crowd where calendars are hard: clocks
put on and back, leap days, ends of months and years.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.restic_repository import ResticRepository, keeps_the_oldest
from vault.ids import SnapshotId
from vault.ops.retention.policy import Candidate, judge
from vault.ops.retention.policy_words import read_policy
from vault.ops.retention.time_zone import named_zone

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu",
    "America/Sao_Paulo", "Pacific/Chatham", "Africa/Casablanca",
)  # fmt: skip
HARD = (
    "2011-12-30T10:00", "2012-02-29T12:00", "2016-02-29T00:00", "2015-12-31T23:00", "2016-01-03T23:30", "2020-12-31T23:59",
    "2021-01-03T23:00", "2017-03-26T01:00", "2017-10-29T01:00", "2018-03-11T07:00", "2018-11-04T06:00", "2017-10-15T03:00",
    "2018-02-18T02:00", "2019-04-06T15:00", "2019-10-05T15:30", "2019-01-31T00:00", "2019-05-31T22:00", "2024-02-29T23:59",
)  # fmt: skip
"""In UTC, about which half of the sets lie."""
UNITS = ("hourly", "daily", "weekly", "monthly", "yearly")
SETS_A_ROUND = 50
SNAPSHOTS_MAX = 40
SPANS_S = (3_600, 86_400, 7 * 86_400, 60 * 86_400, 800 * 86_400, 3_000 * 86_400)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = "the newest"
"""Reasons that only we have begin so."""
OLDEST = ", the oldest"
"""And those that only later ones than 0.14 have as well end so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    options: dict[str, str]
    zone: str
    sets: list[list[tuple[datetime, bool]]]
    """(time in UTC, whether it is tagged), ascending."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    started, compared, kept = time.monotonic(), 0, 0
    for one in rounds(given.sets, given.seed):
        kept += compare(one)
        compared += sum(map(len, one.sets))
    print(f"{given.sets} sets of {compared} snapshots, {kept} kept by both, in {time.monotonic() - started:.0f} s")


def rounds(sets: int, seed: int) -> Iterator[Round]:
    draw = random.Random(seed)
    for number in range(-(-sets // SETS_A_ROUND)):
        many = min(SETS_A_ROUND, sets - number * SETS_A_ROUND)
        yield Round(options=_options(draw), zone=draw.choice(ZONES), sets=[_times(draw) for _ in range(many)])


def compare(one: Round) -> int:
    """How many both keep; raises AssertionError with everything that is needed to see why, if they differ."""
    zone = ZoneInfo(one.zone)
    with tempfile.TemporaryDirectory() as folder:
        repository = ResticRepository(Path(folder) / "repository")
        ids = [
            {repository.add(taken.astimezone(zone), host=f"h{number}", tags=["x"] if tagged else []): place
             for place, (taken, tagged) in enumerate(several)}
            for number, several in enumerate(one.sets)
        ]  # fmt: skip
        flags = [f"--keep-{key.replace('_', '-')}={value}" for key, value in one.options.items()]
        answers = repository.forget(flags, zone=one.zone)
    kept = 0
    for number, several in enumerate(one.sets):
        theirs = sorted(ids[number][kept_id] for kept_id in answers[f"h{number}"])
        ours = _ours(several, one)
        assert ours == theirs, (
            f"{flags} in {one.zone}: ours {ours}, restic's {theirs} of {[str(t) for t, _ in several]}"
        )
        kept += len(ours)
    return kept


def _ours(several: list[tuple[datetime, bool]], one: Round) -> list[int]:
    words = {f"keep_{key}": ("x",) if key == "tag" else value for key, value in one.options.items()}
    candidates = [
        Candidate(
            id=SnapshotId(place.to_bytes(32, "big")),
            source="s",
            selection="",
            sequence=place + 1,
            time_ms=int(taken.timestamp() * 1000),
            tags=frozenset({"x"} if tagged else ()),
        )
        for place, (taken, tagged) in enumerate(several)
    ]
    verdicts = judge(candidates, read_policy(words), calendar=named_zone(one.zone), now_ms=int(NOW.timestamp() * 1000))
    assert not any(verdict.misplaced for verdict in verdicts)
    return [place for place, verdict in enumerate(verdicts) if any(map(_is_shared, verdict.reasons))]


def _is_shared(reason: str) -> bool:
    rule = "--keep-within-daily=9d" if reason.startswith("keep-within") else "--keep-daily=2"
    return not reason.startswith(OWN) and (not reason.endswith(OLDEST) or keeps_the_oldest(rule))


def _times(draw: random.Random) -> list[tuple[datetime, bool]]:
    if draw.random() < 0.5:
        middle = datetime.fromisoformat(draw.choice(HARD)).replace(tzinfo=UTC)
    else:
        middle = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.randrange(15 * 365 * 86_400))
    width_s = draw.choice(SPANS_S)
    step = draw.choice((1, 1, 1_800, 86_400))
    """Now and then all at full hours, or at the same time of day."""
    count = draw.randrange(1, SNAPSHOTS_MAX + 1)
    moments = {draw.randrange(-width_s, width_s + 1) // step * step for _ in range(count)}
    times = sorted(min(middle + timedelta(seconds=moment), NOW - timedelta(days=1)) for moment in moments)
    return [(taken, draw.random() < 0.1) for taken in dict.fromkeys(times)]


def _options(draw: random.Random) -> dict[str, str]:
    """At least one rule; mostly few, since many together keep all."""
    counts = {key: str(draw.choice((1, 2, 3, 7, 12, 30))) for key in ("last", *UNITS)}
    spans = {key: _span(draw) for key in ("within", *(f"within_{unit}" for unit in UNITS))}
    every = {**counts, **spans, "tag": "x"}
    chosen = draw.sample(sorted(every), draw.choice((1, 1, 2, 3, 5)))
    if chosen == ["tag"]:
        chosen += ["last"]  # where nothing has the tag, a later restic refuses the whole command
    return {key: every[key] for key in every if key in chosen}


def _span(draw: random.Random) -> str:
    parts = {"y": (1, 3), "m": (1, 14), "d": (1, 40), "h": (1, 80)}
    chosen = draw.sample(sorted(parts), draw.choice((1, 1, 2)))
    return "".join(f"{draw.randint(*bounds)}{unit}" for unit, bounds in parts.items() if unit in chosen)


if __name__ == "__main__":
    main()
