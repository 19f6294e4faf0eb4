"""Moments, arrays and names of other engines: each mapping with its inverse."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataset_reader import array_text as reference
from vault.model import Column, TableName
from vault.ops.datasets.arrays import array_text, elements_of
from vault.ops.datasets.declared import UserTypes, type_of
from vault.ops.datasets.moments import date_text, days_of, microseconds_of, timestamp_text
from vault.ops.datasets.shape import DatasetColumn, TableShape, distinct, free_name
from vault.ops.datasets.texts import json_lines

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_US = microseconds_of("292277-12-31 23:59:59.999999", zoned=False) or 0


@given(st.dates())
def test_days_are_those_of_the_calendar(day: date) -> None:
    assert days_of(day.isoformat()) == (day - EPOCH.date()).days
    assert date_text((day - EPOCH.date()).days) == day.isoformat()


@given(st.integers(-2_500_000, 106_032_819))
def test_every_day_has_one_text(days: int) -> None:
    assert days_of(date_text(days)) == days


@given(st.integers(-200_000_000_000_000_000, LAST_US), st.booleans())
def test_every_microsecond_has_one_text(value: int, zoned: bool) -> None:
    text = timestamp_text(value, zoned=zoned)
    assert microseconds_of(text, zoned=zoned) == value
    assert microseconds_of(text, zoned=not zoned) is None


def test_moments_of_the_server() -> None:
    assert timestamp_text(-1, zoned=True) == "1969-12-31 23:59:59.999999+00"
    assert microseconds_of("0001-01-01 00:00:00", zoned=False) == (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(
        microseconds=1
    )
    assert date_text((days_of("0001-01-01") or 0) - 1) == "0001-12-31 BC"
    assert days_of("4713-01-01 BC") is not None


@pytest.mark.parametrize("text", ["infinity", "-infinity", "292278-01-01", "5874897-12-31", "2020-1-1", ""])
def test_what_is_no_date_of_parquet(text: str) -> None:
    assert days_of(text) is None
    assert microseconds_of(f"{text} 00:00:00", zoned=False) is None


ELEMENTS = st.lists(st.none() | st.text(st.sampled_from('ab,{}"\\ \tNULnul\x85\u00a0é')))


@given(ELEMENTS)
def test_elements_come_back(elements: list[str | None]) -> None:
    text = array_text(elements)
    assert text == reference(elements)
    assert elements_of(text) == elements


@pytest.mark.parametrize("text", ["[0:1]={1,2}", "{{1,2},{3,4}}", '{"a"', '{"a"b}', "", "1", '{"a",}', '{{"a"}}'])
def test_what_is_no_list(text: str) -> None:
    assert elements_of(text) is None


def test_names_that_differ_in_case_alone_are_told_apart() -> None:
    assert distinct(["id", "ID", "Id", "id_2", "other"]) == ["id", "ID_3", "Id_4", "id_2", "other"]
    assert free_name("snapshot", ["Snapshot", "x"]) == "snapshot_2"
    assert free_name("snapshot", ["x"]) == "snapshot"


@pytest.mark.parametrize("safe_integers", [False, True])
@pytest.mark.parametrize("declared", ["bigint", "numeric", "double precision", "boolean"])
def test_what_is_not_of_its_type_is_a_string(declared: str, safe_integers: bool) -> None:
    """In a repository that somebody else wrote a type says nothing of the rows."""
    column = Column(name="n", type=declared, attnum=1)
    shape = TableShape(
        name=TableName(schema="public", name="t"),
        folder="public.t",
        columns=(DatasetColumn(column=column, name="n", type=type_of(declared, UserTypes())),),
        left_out=(),
        key="snapshot",
        exact=None,
    )
    lines = b"".join(json_lines([b'1","n":"2\n', b"a\\\\\n"], shape, safe_integers=safe_integers)).splitlines()
    assert [json.loads(line) for line in lines] == [{"n": '1","n":"2'}, {"n": "a\\"}]
