"""What a policy keeps, and why (spec 82-retention). What restic keeps as well is in tests/conformance/test_restic.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vault.errors import UsageError
from vault.ids import SnapshotId
from vault.ops.retention.policy import PRESETS, UNLIMITED, Candidate, Policy, Span, judge
from vault.ops.retention.time_zone import ZoneCalendar, named_zone

DAY_MS = 86_400_000
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = START + timedelta(days=1000)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def of_day(number: int, day: float | None = None, **fields: object) -> Candidate:
    """Snapshot `number` of source s, taken `day` days after the start: on the day of its number if that is not said."""
    values = {"source": "s", "selection": "all", "sequence": number, **fields}
    moment = START + timedelta(days=number if day is None else day)
    identifier = f"{values['source']}{values['selection']}{number}".encode().ljust(32)
    return Candidate(id=SnapshotId(identifier), time_ms=ms(moment), **values)  # type: ignore[arg-type]


def kept(candidates: list[Candidate], policy: Policy, *, zone: str = "UTC", now: datetime = NOW) -> dict[int, str]:
    """Number -> its reasons, of those that stay; the verdicts are in the order of the candidates, whatever that is."""
    verdicts = judge(candidates, policy, calendar=named_zone(zone), now_ms=ms(now))
    assert [verdict.candidate for verdict in verdicts] == candidates
    backward = judge(candidates[::-1], policy, calendar=named_zone(zone), now_ms=ms(now))
    assert backward[::-1] == verdicts, "the order of a listing means nothing"
    return {verdict.candidate.sequence: "; ".join(verdict.reasons) for verdict in verdicts if verdict.reasons}


def test_each_kept_snapshot_has_its_rule() -> None:
    days = [of_day(number) for number in range(42)]
    sunday = next(number for number in reversed(range(39)) if (START + timedelta(days=number)).weekday() == 6)
    assert kept(days, Policy(last=2, weekly=2)) == {
        41: "keep-last, 1 of 2; keep-weekly, 1 of 2; the newest that is whole and sound",
        40: "keep-last, 2 of 2",
        sunday: "keep-weekly, 2 of 2",
    }
    assert list(kept(days, Policy(daily=3))) == [39, 40, 41]
    assert kept(days[:2], Policy(daily=UNLIMITED))[0] == "keep-daily, 2"


def test_the_oldest_stays_while_a_young_group_grows() -> None:
    same_month = [of_day(number) for number in range(5)]
    assert kept(same_month, Policy(monthly=2)) == {
        0: "keep-monthly, the oldest",
        4: "keep-monthly, 1 of 2; the newest that is whole and sound",
    }
    assert list(kept(same_month, Policy(within_monthly=Span(days=9)))) == [0, 4]
    assert list(kept(same_month, Policy(within_monthly=Span(days=3)))) == [4]


@pytest.mark.spec("RET-2")
@pytest.mark.parametrize(
    "lesser",
    [{"selection": "orders", "whole": False}, {"sound": False}, {"selection": "directories"}, {"source": "t"}],
    ids=lambda lesser: " ".join(lesser),
)
def test_nothing_lesser_pushes_out_a_whole_and_sound_one(lesser: dict[str, object]) -> None:
    """Three a day, the later two lesser: the good one of each of the last days stays all the same."""
    good = [of_day(number * 3, number) for number in range(10)]
    noon = [of_day(number * 3 + extra, number + extra / 10, **lesser) for number in range(10) for extra in (1, 2)]
    policy = Policy(daily=4)
    assert {number for number in kept([*good, *noon], policy) if number % 3 == 0} >= {27, 24, 21, 18}
    assert {number for number in kept([*good, *noon], policy) if number % 3} == {29, 26, 23, 20}


@pytest.mark.spec("RET-6")
def test_some_stay_whatever_the_policy_says() -> None:
    policy = Policy(tags=("never",))
    days = [of_day(number) for number in range(5)]
    assert kept(days, policy) == {4: "the newest that is whole and sound"}
    ruin = [*days, of_day(5, sound=False), of_day(6, whole=False, selection="part")]
    assert kept(ruin, policy) == {4: "the newest that is whole and sound"}
    assert kept([of_day(1, sound=False), of_day(2, sound=False)], policy) == {2: "the newest of its source"}
    marked = [of_day(1, pinned=("why", "why else")), of_day(2, drilled=True), of_day(3, drilled=True), of_day(4)]
    assert kept(marked, policy) == {
        1: "pinned: why; pinned: why else",
        3: "the newest that a drill restored",
        4: "the newest that is whole and sound",
    }
    marked[0] = of_day(1, drilled=True, proven=True)
    assert kept(marked, policy)[1] == "the newest that a drill restored with everything checked"
    marked[2] = of_day(3, drilled=True, proven=True)
    assert set(kept(marked, policy)) == {3, 4}
    named = [of_day(1), of_day(2, tags=frozenset({"release=1", "1"})), of_day(3)]
    assert kept(named, Policy(ids=(of_day(1).id,))) == {1: "keep-id", 3: "the newest that is whole and sound"}
    assert kept(named, Policy(tags=("1", "release=1")))[2] == "keep-tag 1; keep-tag release=1"


@pytest.mark.spec("RET-3")
@pytest.mark.parametrize("wrong_day", [400, -400, 5_000], ids=["ahead", "behind", "still to come"])
def test_a_clock_that_was_wrong_for_a_day_keeps_and_removes_nothing(wrong_day: float) -> None:
    policy = Policy(within=Span(days=3), monthly=2)
    right = [of_day(number) for number in range(30) if number != 17]
    wrong = of_day(17, wrong_day)
    without = kept(right, policy)
    told = "its time breaks the order of the numbers"
    assert kept([*right, wrong], policy) == {**without, 17: told}


@pytest.mark.spec("RET-3")
def test_a_clock_that_is_ahead_since_the_last_snapshot_removes_nothing() -> None:
    days = [of_day(number) for number in range(10)]
    policy = Policy(within=Span(days=3))
    now = START + timedelta(days=10)
    ahead = kept([*days, of_day(10, 365)], policy, now=now)
    assert ahead == {**kept(days, policy, now=now), 10: "its time breaks the order of the numbers"}


def test_within_counts_from_the_newest_sound_one_and_not_from_today() -> None:
    """A laptop that was off for a year keeps the last week that it worked."""
    days = [of_day(number) for number in range(20)]
    assert list(kept(days, Policy(within=Span(days=7)))) == [13, 14, 15, 16, 17, 18, 19]
    broken = [*days, *(of_day(number, sound=False) for number in range(20, 40))]
    assert {number for number in kept(broken, Policy(within=Span(days=7))) if number < 20} == set(range(13, 20))


def test_forks_of_one_number_break_no_order() -> None:
    fork = [of_day(1), of_day(2, 3, selection="b"), of_day(2, 2), of_day(3, 4)]
    assert kept(fork, Policy(last=9)).keys() == {1, 2, 3}
    verdicts = judge(fork, Policy(last=9), calendar=named_zone("UTC"), now_ms=ms(NOW))
    assert not any(verdict.misplaced for verdict in verdicts)


@pytest.mark.spec("RET-4")
def test_days_are_those_of_the_zone() -> None:
    """23:30 and 0:30 of Berlin are one day of UTC."""
    evening, night = (of_day(number, hour / 24) for number, hour in ((1, 10.5), (2, 11.5)))
    policy = Policy(daily=2)
    assert kept([evening, night], policy).keys() == {1, 2}
    last = [of_day(0, -2), evening, night]
    assert kept(last, Policy(daily=2)).keys() == {0, 2}
    assert kept(last, Policy(daily=2), zone="Europe/Berlin").keys() == {1, 2}


def test_presets_are_what_they_are_called() -> None:
    days = [of_day(number) for number in range(800)]
    assert list(kept(days, PRESETS["dev"])) == list(range(793, 800))
    assert list(kept([of_day(number, number * 30) for number in range(9)], PRESETS["dev"])) == [6, 7, 8]
    production = kept(days, PRESETS["production"])
    assert set(range(770, 800)) <= production.keys()
    assert 30 + 13 - 5 + 12 - 3 <= len(production) <= 30 + 13 + 12


def test_any_number_is_a_time() -> None:
    """A file may hold what no calendar shows."""
    times = (0, 1, 253_402_300_799_999, 2**62, 2**63 - 1)
    wild = [
        Candidate(id=SnapshotId(bytes([n]) * 32), source="s", selection="", sequence=n + 1, time_ms=t)
        for n, t in enumerate(times)
    ]
    everything = Policy(
        last=1, hourly=1, daily=1, weekly=1, monthly=1, yearly=9, within=Span(years=999_999), within_daily=Span(hours=9)
    )
    for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
        verdicts = judge(wild, everything, calendar=named_zone(zone), now_ms=2**63)
        assert all(verdict.reasons for verdict in verdicts)


def test_a_span_goes_back_on_the_calendar() -> None:
    calendar = ZoneCalendar(UTC)

    def back(moment: datetime, **span: int) -> datetime:
        return datetime.fromtimestamp(calendar.earlier(ms(moment), Span(**span)) / 1000, UTC)

    leap = datetime(2024, 3, 31, 6, tzinfo=UTC)
    assert back(leap, months=1) == datetime(2024, 3, 2, 6, tzinfo=UTC)
    assert back(leap, years=1, months=1) == datetime(2023, 3, 3, 6, tzinfo=UTC)
    assert back(leap, days=31, hours=6) == datetime(2024, 2, 29, tzinfo=UTC)
    berlin = named_zone("Europe/Berlin")
    summer = ms(datetime(2026, 3, 29, 10, tzinfo=UTC))
    assert summer - berlin.earlier(summer, Span(days=1)) == 23 * 3_600_000
    assert summer - berlin.earlier(summer, Span(hours=24)) == DAY_MS


def test_a_zone_that_nobody_knows_is_refused() -> None:
    for name in ("Mars/Olympus", "../../etc/passwd", "", "/etc/passwd", "Europe"):
        with pytest.raises(UsageError) as refused:
            named_zone(name)
        assert "UTC" in refused.value.hint
