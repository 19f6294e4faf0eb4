"""Each condition of the rule, alone, turns reuse off (spec 85-reuse)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.values import SERVER, table_item
from vault.ids import ObjectId
from vault.limits import EXTENT_BLOCKS
from vault.model import (
    ChunkList,
    Column,
    Counts,
    DatabasePart,
    Effort,
    Extent,
    ListRef,
    Manifest,
    State,
    TableName,
)
from vault.ops.backup.reuse import snapshot_reason, table_reason, unchanged
from vault.ports import ExtentState, SourceTable

NAME = TableName(schema="public", name="t")
COLUMNS = (Column(name="a", type="integer", attnum=1),)
OID = ObjectId(bytes(32))
NOTHING = ListRef()
THEN = replace(
    SERVER, snapshot="100:100:", horizon=100, next_xid=110, insert_lsn=1_000, flush_lsn=1_050, insert_lsn_before=900
)
NOW = replace(
    THEN, snapshot="200:200:", horizon=200, next_xid=210, insert_lsn=2_000, flush_lsn=1_990, insert_lsn_before=1_900
)
PART = DatabasePart(
    server=THEN,
    tables=NOTHING,
    entries=NOTHING,
    order=OID,
    roles=OID,
    catalog=OID,
    sequences=NOTHING,
    large_objects=NOTHING,
)
PARENT = Manifest(
    source="s",
    created_ms=1,
    sequence=1,
    parent=None,
    selection="",
    tags={},
    program="test",
    database=PART,
    directories={},
    ledger=OID,
    coverage={"data": (State.CAPTURED, 1), "migrations": (State.FAILED, 0), "dir:lib": (State.FAILED, 0)},
    counts=Counts(),
    effort=Effort(),
)
OLD = table_item(NAME, oid=20_000, filenode=20_001, columns=COLUMNS, fingerprint=b"f" * 32, inline=None)
TABLE = SourceTable(
    name=NAME,
    oid=20_000,
    filenode=20_001,
    kind="r",
    access_method="heap",
    columns=COLUMNS,
    key_columns=("a",),
    fingerprint=b"f" * 32,
    load_via_root=NAME,
    condition="",
    blocks=10,
    bytes_estimate=1,
    ranges=True,
)


def parent_with(**changes: Any) -> Manifest:
    return replace(PARENT, database=replace(PART, server=replace(THEN, **changes)))


def test_a_later_snapshot_of_the_same_server_may_reuse() -> None:
    assert snapshot_reason(PARENT, NOW) == ""


@pytest.mark.parametrize(
    "parent",
    [
        None,
        replace(PARENT, database=None),
        replace(PARENT, suspect="x"),
        replace(PARENT, coverage={"data": (State.FAILED, 1)}),
    ],
    ids=["none", "no database", "suspect", "incoherent"],
)
def test_no_sound_parent_turns_reuse_off(parent: Manifest | None) -> None:
    assert snapshot_reason(parent, NOW) != ""


@pytest.mark.spec("REUSE-1")
@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({"system_id": "8"}, "another database"),
        ({"database_oid": 6}, "another database"),
        ({"encoding": "LATIN1"}, "encoding"),
        ({"version_num": 150_019}, "version"),
        ({"in_recovery": True}, "standby"),
        ({"timeline": 2}, "promoted"),
        ({"postmaster_start": "2026-01-02T00:00:00.000000Z"}, "restarted"),
        ({"flush_lsn": 1_049}, "backwards"),
        ({"next_xid": 109}, "backwards"),
        ({"next_xid": 100 + 2**30}, "too many transactions"),
        ({"insert_lsn_before": 999}, "not older"),
    ],
)
def test_each_fact_of_the_server_alone_turns_reuse_off(now: dict[str, Any], says: str) -> None:
    assert says in snapshot_reason(PARENT, replace(NOW, **now))


@pytest.mark.parametrize(
    ("then", "says"),
    [
        ({"in_recovery": True}, "standby"),
        ({"flush_lsn": 999}, "lost in a crash"),
        ({"next_xid": 211}, "backwards"),
        ({"insert_lsn": 1_901, "flush_lsn": 1_950}, "not older"),
    ],
)
def test_each_fact_of_the_parent_alone_turns_reuse_off(then: dict[str, Any], says: str) -> None:
    assert says in snapshot_reason(parent_with(**then), NOW)


def test_a_server_without_ranges_never_reuses() -> None:
    old: dict[str, Any] = {"version_num": 130_022}
    assert "older than 14" in snapshot_reason(parent_with(**old), replace(NOW, **old))


def test_bounds_themselves_are_sound() -> None:
    parent = parent_with(flush_lsn=1_000)
    assert snapshot_reason(parent, replace(NOW, insert_lsn_before=1_000, flush_lsn=1_000, next_xid=110)) == ""
    assert snapshot_reason(PARENT, replace(NOW, next_xid=99 + 2**30)) == ""


def test_keys_and_the_way_of_loading_do_not_touch_rows() -> None:
    assert table_reason(OLD, TABLE) == ""


@pytest.mark.spec("REUSE-1")
@pytest.mark.parametrize(
    "now",
    [
        {"oid": 1},
        {"filenode": 1},
        {"access_method": "columnar"},
        {"ranges": False},
        {"condition": "WHERE a > 1"},
        {"fingerprint": b"g" * 32},
        {"fingerprint": b""},
        {"columns": ()},
    ],
    ids=lambda now: next(iter(now)),
)
def test_each_fact_of_the_table_alone_turns_reuse_off(now: dict[str, Any]) -> None:
    assert table_reason(OLD, replace(TABLE, **now)) != ""


def test_an_empty_fingerprint_equals_nothing_not_even_itself() -> None:
    assert table_reason(replace(OLD, fingerprint=b""), replace(TABLE, fingerprint=b"")) != ""


@pytest.mark.parametrize("then", [{"access_method": "other"}, {"condition": "WHERE true"}])
def test_facts_of_the_old_table_turn_reuse_off(then: dict[str, Any]) -> None:
    assert table_reason(replace(OLD, **then), TABLE) != ""


def test_a_new_table_is_read() -> None:
    assert table_reason(None, TABLE) != ""


def extent(start: int, rows: int, blocks: int = EXTENT_BLOCKS) -> Extent:
    return Extent(start=start, blocks=blocks, rows=rows, bytes=1, chunks=ChunkList())


def state(number: int, rows: int, changed: int = 0) -> ExtentState:
    return ExtentState(start=number * EXTENT_BLOCKS, rows=rows, changed=changed)


@pytest.mark.parametrize(
    ("then", "now", "reusable"),
    [
        (extent(0, 5), state(0, 5), 1),
        (extent(0, 0), state(0, 0), 1),
        (extent(0, 5), state(0, 4), 0),
        (extent(0, 5), state(0, 6), 0),
        (extent(0, 5), state(0, 5, changed=1), 0),
        (extent(0, 5, blocks=EXTENT_BLOCKS // 2), state(0, 5), 0),
        (extent(0, 5, blocks=0), state(0, 5), 0),
        (extent(1, 5), state(0, 5), 0),
    ],
    ids=["same", "empty", "fewer", "more", "changed", "other geometry", "whole table", "shifted"],
)
def test_an_extent_is_unchanged_with_the_same_geometry_the_same_count_and_nothing_new(
    then: Extent, now: ExtentState, reusable: int
) -> None:
    assert list(unchanged([now], [then], extents=1)) == [reusable]


def test_what_the_server_did_not_look_at_is_read() -> None:
    assert list(unchanged([], [extent(0, 5)], extents=2)) == [0, 0]
    assert list(unchanged([state(1, 7)], [extent(0, 5), extent(EXTENT_BLOCKS, 7)], extents=3)) == [0, 1, 0]


def test_what_lies_behind_the_end_of_the_table_is_not_asked_for() -> None:
    assert list(unchanged([state(0, 5), state(1, 0)], [extent(0, 5), extent(EXTENT_BLOCKS, 0)], extents=1)) == [1]
