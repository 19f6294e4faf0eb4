"""Where a drill of this machine is refused: no room, the wrong user; and whose turn it is in a scheduled run."""

from __future__ import annotations

import pwd
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fix_views import ViewRepository
from vault.app.drill import place
from vault.app.drill.scheduled import newest_sound, next_source, of_whole
from vault.app.settings import Settings
from vault.errors import SourceError, UnsafeError
from vault.ids import SnapshotId
from vault.model import DrillRecord, Role, Roles, State
from vault.ops.project import backup_selection as selection
from vault.repo.remembered import Remembered
from vault.sql.databases import create_database

DAY_MS = 24 * 60 * 60 * 1000


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_bytes(b"x" * 5000)
    snapshot = ViewRepository().take({"files": tmp_path})
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4999))
    with pytest.raises(SourceError, match="not enough room") as refused:
        place.refuse_full(tmp_path, snapshot, server=False)
    assert "TMPDIR" in refused.value.hint
    assert place.why_not_here(Settings(), snapshot).startswith(
        "there is not enough room for a drill: it takes about 4.9 KiB"
    )
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5000))
    assert place.why_not_here(Settings(), snapshot) == ""


@pytest.mark.spec("DRILL-5")
def test_the_owner_of_the_machines_servers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    place.refuse_account()
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="postgres"))
    with pytest.raises(UnsafeError):
        place.refuse_account()


def test_the_superuser_is_no_role_of_the_snapshot() -> None:
    def role(name: str) -> Role:
        return Role(
            name=name, superuser=True, inherit=True, create_role=True, create_db=True, can_login=True, replication=True,
            bypass_rls=True, connection_limit=-1, valid_until=None, verifier=None, comment=None,
        )  # fmt: skip

    assert place.free_name(Roles()) == "pgvault_drill"
    assert place.free_name(Roles(roles=(role("pgvault_drill"), role("pgvault_drill1")))) == "pgvault_drill2"


def drill_of(source: str, created_ms: int) -> DrillRecord:
    return DrillRecord(
        created_ms=created_ms, duration_ms=1, host="h", mismatches=(), not_checked=(), passed=True, rows=1, server="18",
        snapshot=SnapshotId(bytes(32)), source=source, tables=1,
    )  # fmt: skip


def test_the_source_that_was_drilled_longest_ago_has_its_turn() -> None:
    now_ms = 100 * DAY_MS
    assert next_source([], {"b", "a"}, often="weekly", now_ms=now_ms) == ("a", "")
    drills = [
        drill_of("a", now_ms - 3 * DAY_MS),
        drill_of("a", now_ms - 30 * DAY_MS),
        drill_of("b", now_ms - 9 * DAY_MS),
    ]
    assert next_source(drills, {"a", "b"}, often="weekly", now_ms=now_ms) == ("b", "")
    assert next_source(drills, {"a"}, often="weekly", now_ms=now_ms) == (None, "weekly, and not due yet")
    assert next_source(drills, {"a"}, often="daily", now_ms=now_ms) == ("a", "")
    assert next_source(drills, set(), often="daily", now_ms=now_ms) == (None, "no source was saved")


def test_a_suspect_snapshot_is_not_drilled(tmp_path: Path) -> None:
    manifest = ViewRepository().take({"files": tmp_path}).manifest
    one, two, three = (SnapshotId(bytes([number]) * 32) for number in (1, 2, 3))
    known = {
        one: replace(manifest, sequence=1),
        two: replace(manifest, sequence=2),
        three: replace(manifest, sequence=3, suspect="it changed meanwhile"),
    }
    sound = Remembered().is_sound
    assert newest_sound(known, manifest.source, is_sound=sound) == two
    assert newest_sound(known, "another", is_sound=sound) is None
    failed = {**known, two: replace(known[two], coverage={"data": (State.FAILED, 0)})}
    assert newest_sound(failed, manifest.source, is_sound=sound) == one


def test_a_part_is_drilled_for_a_source_that_has_nothing_else_alone(tmp_path: Path) -> None:
    manifest = ViewRepository().take({"files": tmp_path}).manifest
    one, two = (SnapshotId(bytes([number]) * 32) for number in (1, 2))
    part = selection.encode(True, [], {"include_tables": ["t"]})
    known = {one: replace(manifest, sequence=1), two: replace(manifest, sequence=2, selection=part)}
    sound = Remembered().is_sound
    assert newest_sound(known, manifest.source, is_sound=sound) == one
    assert newest_sound({two: known[two]}, manifest.source, is_sound=sound) == two
    drills = [
        replace(drill_of(manifest.source, 5), snapshot=one),
        replace(drill_of(manifest.source, 9), snapshot=two),
    ]
    assert of_whole(drills, known) == drills[:1]
    assert of_whole(drills[1:], {two: known[two]}) == drills[1:]


ICU = {"datlocprovider": "i", "daticulocale": "de", "datcollate": "C.UTF-8", "datctype": "C.UTF-8"}


@pytest.mark.parametrize(
    ("properties", "version_num", "attempts"),
    [
        ({}, 140000, ["ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"]),
        (
            {"datcollate": "de_DE", "datctype": "de_DE"},
            140000,
            ["ENCODING 'UTF8' LC_COLLATE 'de_DE' LC_CTYPE 'de_DE'", "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"],
        ),
        (
            ICU,
            180000,
            [
                "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
                "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de' LC_COLLATE 'C' LC_CTYPE 'C'",
                "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
                "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'",
            ],
        ),
        (
            {"datlocprovider": "b", "datlocale": "C.UTF-8"},
            180000,
            [
                "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
                "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
                "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'",
            ],
        ),
    ],
)
def test_the_database_is_like_the_source_where_that_can_be_had(
    properties: dict[str, str | None], version_num: int, attempts: list[str]
) -> None:
    made = create_database("a b", properties, encoding="UTF8", version_num=version_num)
    assert [one.removeprefix('CREATE DATABASE "a b" TEMPLATE template0 ') for one in made] == attempts
