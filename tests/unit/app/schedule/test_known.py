"""What the state directory remembers of schedules."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from vault.app.schedule import known
from vault.app.schedule.known import KnownSchedule
from vault.app.state import StateDirectory
from vault.errors import StateUnusable
from vault.ops.schedule.timetable import read_timetable

DAILY = KnownSchedule(
    name="pgvault-app-0123abcd",
    scheduler="cron",
    source="app",
    sources=("app",),
    repository="/srv/backups",
    place="/srv/shop/pgvault.toml",
    folder="/srv/shop",
    program="/opt/bin/pgvault",
    timetable=read_timetable("03:10", None, spread=""),
    installed_ms=0,
)
ALL = replace(
    DAILY,
    name="pgvault-shop-0123abcd",
    source=None,
    sources=("app", "crm"),
    timetable=read_timetable("sun 03:10", None, spread=""),
)


def local_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def test_what_was_added_is_there_until_it_is_forgotten(directory: StateDirectory) -> None:
    assert known.load(directory).found == {}
    known.forget(directory, DAILY.name)
    for one in (DAILY, ALL, DAILY):
        known.add(directory, one)
    assert known.load(directory).found == {DAILY.name: DAILY, ALL.name: ALL}
    known.note(directory, DAILY.name, {"started_ms": 7})
    known.note(directory, "pgvault-other-0123abcd", {"started_ms": 7})
    assert known.load(directory).found == {DAILY.name: replace(DAILY, started_ms=7), ALL.name: ALL}
    known.forget(directory, DAILY.name)
    assert known.load(directory).found == {ALL.name: ALL}
    known.forget(directory, ALL.name)
    assert not directory.schedule.exists(), "none is installed, and nothing says otherwise"


def test_the_schedule_of_a_source_is_its_own_or_that_of_all(directory: StateDirectory) -> None:
    known.add(directory, DAILY)
    known.add(directory, ALL)
    schedules = known.load(directory)
    assert schedules.of("app", "/srv/backups") == DAILY, "the one that runs more often"
    assert schedules.of("crm", "/srv/backups") == ALL
    assert schedules.of("app", "/srv/other") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minutes", []),
        ("minutes", [1440]),
        ("minutes", ["3"]),
        ("minutes", [True]),
        ("weekday", 7),
        ("source", 3),
        ("sources", [3]),
        ("sources", None),
        ("scheduler", None),
        ("installed_ms", "0"),
        ("folder", None),
    ],
)
def test_a_damaged_record_is_told_and_hides_no_other(directory: StateDirectory, field: str, value: object) -> None:
    known.add(directory, DAILY)
    known.add(directory, ALL)
    stored = json.loads(directory.schedule.read_text())
    stored["schedules"][DAILY.name][field] = value
    directory.schedule.write_text(json.dumps(stored))
    read = known.load(directory)
    assert set(read.found) == {ALL.name}
    assert DAILY.name in read.why


@pytest.mark.parametrize(
    "data", ["", "[]", "{", "{}", '{"schedules": 3}', '{"schedules": {"a": 3}}', '{"schedules": {}, "done": {"a": 3}}']
)
def test_a_damaged_file_is_told_and_never_written_over(directory: StateDirectory, data: str) -> None:
    directory.make()
    directory.schedule.write_text(data)
    read = known.load(directory)
    assert read.found == {}
    assert read.why
    changes: list[Callable[[], None]] = [
        lambda: known.add(directory, DAILY),
        lambda: known.note(directory, DAILY.name, {"started_ms": 7}),
        lambda: known.forget(directory, DAILY.name),
    ]
    for change in changes:
        with pytest.raises(StateUnusable, match="cannot be read"):
            change()
        assert directory.schedule.read_text() == data


def test_what_another_one_wrote_meanwhile_stays(directory: StateDirectory) -> None:
    known.add(directory, DAILY)
    known.add(directory, replace(DAILY, folder="/srv/elsewhere"))
    known.note(directory, DAILY.name, {"started_ms": 7})
    known.note(directory, DAILY.name, {"pruned_ms": 8})
    assert known.load(directory).found[DAILY.name] == replace(DAILY, folder="/srv/elsewhere", started_ms=7, pruned_ms=8)


def test_what_is_not_installed_has_its_times_too(directory: StateDirectory) -> None:
    known.note(directory, ALL.name, {"started_ms": 7})
    assert not directory.schedule.exists()
    known.note(directory, ALL.name, {"pruned_ms": 8})
    known.note(directory, ALL.name, {"checked_ms": 9})
    known.add(directory, DAILY)
    known.forget(directory, DAILY.name)
    assert known.load(directory).done == {ALL.name: {"pruned_ms": 8, "checked_ms": 9}}
    for number in range(100):
        known.note(directory, f"pgvault-app-{number:08}", {"pruned_ms": 100 + number})
    assert len(known.load(directory).done) == 100
    assert ALL.name not in known.load(directory).done


def test_writers_take_turns(directory: StateDirectory) -> None:
    names = [f"pgvault-app-{number:08}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: known.add(directory, replace(DAILY, name=name)), names))
    assert sorted(known.load(directory).found) == names


def test_a_missed_time_is_due_once(directory: StateDirectory) -> None:
    one = replace(DAILY, installed_ms=local_ms("2026-11-28T12:00"))
    assert not one.is_due(local_ms("2026-11-28T13:00")), "the time before it was installed is not missed"
    assert not one.is_due(local_ms("2026-11-29T03:09"))
    assert one.is_due(local_ms("2026-11-29T03:10"))
    assert one.is_due(local_ms("2026-12-03T09:00")), "some days were slept through"
    after = replace(one, started_ms=local_ms("2026-12-03T09:00"))
    assert not after.is_due(local_ms("2026-12-03T10:00"))
    assert after.is_due(local_ms("2026-12-04T03:10"))


@pytest.mark.parametrize("field", ["started_ms", "installed_ms"])
def test_a_time_after_now_makes_no_run_wait_for_it(field: str) -> None:
    ahead = replace(DAILY, **{field: local_ms("2030-01-01T00:00")})  # type: ignore[arg-type]
    assert ahead.is_due(local_ms("2026-11-29T09:00"))
    after = replace(ahead, started_ms=local_ms("2026-11-29T09:00"))
    assert not after.is_due(local_ms("2026-11-29T10:00"))
    assert after.is_due(local_ms("2026-11-30T03:10"))


def test_overdue_leaves_room_for_a_late_and_long_run() -> None:
    hours = 60 * 60 * 1000
    assert DAILY.overdue_after_ms() == 30 * hours
    assert replace(DAILY, timetable=read_timetable("00:05", "1h", spread="")).overdue_after_ms() == 3 * hours
    assert ALL.overdue_after_ms() == (168 + 42) * hours
    assert DAILY.next_ms(local_ms("2026-11-30T12:00")) == local_ms("2026-12-01T03:10")
