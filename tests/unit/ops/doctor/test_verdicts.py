"""What a finding says of facts: space, clocks, leases, the passphrase. No file, no server."""

from __future__ import annotations

import pytest

from vault.errors import NoRepository, StoreFull, UsageError, WrongPassphrase
from vault.model.examined import Examined, FoundProgram, LookedAt
from vault.model.words import duration
from vault.ops.doctor import database, machine, repository
from vault.ops.doctor.repository import Room
from vault.ops.doctor.symptoms import Health, Symptom, as_read, first_error, is_incomplete, ok, stopped
from vault.ops.retention.unlock import LeaseRow

MIB = 1024 * 1024
GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("free", "files", "recent", "size", "health"),
    [
        (100 * GIB, 1000, (MIB,), None, Health.OK),
        (100 * MIB, 1000, (MIB, 200 * MIB, MIB), None, Health.WARN),
        (100 * MIB, 1000, (MIB, MIB), None, Health.OK),
        (20 * MIB, 1000, (MIB,), None, Health.WARN),
        (100 * MIB, 1000, (), 200 * MIB, Health.WARN),
        (300 * MIB, 1000, (), 200 * MIB, Health.OK),
        (MIB - 1, 1000, (), None, Health.FAIL),
        (100 * GIB, 0, (), None, Health.FAIL),
        (100 * GIB, None, (), None, Health.OK),
        (None, None, (), None, Health.SKIPPED),
    ],
)
def test_space(free: int | None, files: int | None, recent: tuple[int, ...], size: int | None, health: Health) -> None:
    finding = repository.space(Room(free_bytes=free, free_files=files), recent_bytes=recent, database_bytes=size)
    assert finding.health is health
    assert (health is Health.FAIL) is isinstance(finding.error, StoreFull)
    assert bool(finding.fix) is (health in (Health.WARN, Health.FAIL))


@pytest.mark.parametrize(
    ("ahead_ms", "newest_ms", "words"),
    [
        (0, None, ""),
        (59_000, 1_000_000, ""),
        (61_000, None, "1 min ahead of"),
        (-7_200_000, None, "2 h behind"),
        (0, 1_000_000 + 61_000, "in the future"),
        (0, 1_000_000 + 59_000, ""),
    ],
)
def test_clock(ahead_ms: int, newest_ms: int | None, words: str) -> None:
    finding = machine.clock(1_000_000, newest_ms=newest_ms, servers=[("db:5432", ahead_ms)], recordable=None)
    assert finding.health is (Health.WARN if words else Health.OK)
    assert words in finding.what


def test_a_clock_before_1970_stops_a_backup() -> None:
    finding = machine.clock(-1, newest_ms=None, servers=[], recordable=UsageError("before 1970"))
    assert isinstance(finding.error, UsageError)


def test_leases_of_the_dead_are_told_from_those_at_work() -> None:
    alive = LeaseRow(id="a", age_s=1.0, lease=None, dead="")
    dead = LeaseRow(id="b", age_s=7200.0, lease=None, dead="its process is gone")
    assert repository.leases([]).what == "nobody is at work"
    assert repository.leases([alive]).health is Health.OK
    told = repository.leases([alive, dead])
    assert (told.health, told.fix) == (Health.WARN, "pgvault unlock")
    assert "2 h" in told.why


def test_a_passphrase_that_only_a_terminal_gives_is_warned_of() -> None:
    told = machine.passphrase("typed on a terminal", refusal=None, attended_only="it is asked for on a terminal")
    assert (told.health, told.error) == (Health.WARN, None)
    assert told.fix == machine.UNATTENDED_FIX
    wrong = machine.passphrase("from PGVAULT_PASSWORD", refusal=WrongPassphrase("wrong passphrase"))
    assert isinstance(wrong.error, WrongPassphrase)


def test_the_first_error_in_the_order_of_a_backup_decides_and_each_source_has_its_own() -> None:
    findings = [
        ok("program", "pgvault"),
        stopped("directories", UsageError("no directory"), source="b"),
        stopped("repository", NoRepository("none")),
        Symptom(check="coverage", health=Health.WARN, what="a gap", source="a", incomplete=True),
    ]
    assert isinstance(first_error(findings, "a"), NoRepository)
    assert isinstance(first_error(findings, "b"), UsageError)
    assert is_incomplete(findings, "a")
    assert not is_incomplete(findings, "b")


def test_they_are_read_in_groups_of_the_source_and_the_machine_comes_last() -> None:
    findings = [
        ok("clock", ""),
        ok("coverage", "", source="a"),
        ok("database", "", source="b"),
        ok("database", "", source="a"),
        ok("repository", ""),
    ]
    assert [(one.check, one.source) for one in as_read(findings)] == [
        ("repository", ""),
        ("database", "a"),
        ("coverage", "a"),
        ("database", "b"),
        ("clock", ""),
    ]


def test_what_was_not_reached_has_no_findings_but_that_and_pg_dump() -> None:
    refused = UsageError("no")
    seen = Examined(
        refusals=((LookedAt.CONNECTION, refused),), pg_dump=FoundProgram(path="/bin/pg_dump", version="15.1")
    )
    assert [(one.check, one.health) for one in database.database(seen, "a")] == [
        ("database", Health.FAIL),
        ("pg_dump", Health.OK),
    ]


@pytest.mark.parametrize(
    ("length_ms", "words"), [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (172_800_000, "2 d")]
)
def test_durations(length_ms: int, words: str) -> None:
    assert duration(length_ms) == words
