"""Where the rows of a partitioned table are: in partitions at any depth, and in none that only looks like one."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import rows, take
from vault.model import TableItem, TableName, read_address
from vault.repo.leaves import leaves, roots, uncaptured
from vault.repo.snapshot import Snapshot
from vault.repo.state import Open

DATABASE = FakeDatabase(
    tables={f"public.{name}": [rows(number, 3)] for number, name in enumerate(("alone", "deep", "one", "two"))},
    partitions={
        "public.one": "public.all",
        "public.two": "public.all",
        "public.middle": "public.all",
        "public.deep": "public.middle",
        "public.lost": "public.middle",
        "public.round": "public.about",
        "public.about": "public.round",
    },
    uncaptured=("public.lost", "public.secret"),
    edges=(
        (read_address("table public.alone"), read_address("table public.all"), "n"),
        (read_address("index public.alone"), read_address("index public.all"), "a"),
        (read_address("index public.alone"), read_address("table public.all"), "a"),
        (read_address("table public.alone"), read_address("table public.alone"), "a"),
    ),
)


@pytest.fixture
def snapshot(repo: Open) -> Snapshot:
    return repo.indexed(None).snapshot(take(repo, DATABASE).id)


def table(name: str) -> TableName:
    return TableName(schema="public", name=name)


def names(items: Iterable[TableItem | TableName]) -> list[str]:
    return [item.name.name if isinstance(item, TableItem) else item.name for item in items]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("all", ["deep", "one", "two"]),
        ("middle", ["deep"]),
        ("one", ["one"]),
        ("alone", ["alone"]),
        ("lost", []),
        ("absent", []),
        ("about", []),
    ],
)
def test_rows_are_in_the_table_or_in_the_partitions_below_it(snapshot: Snapshot, name: str, found: list[str]) -> None:
    assert names(leaves(snapshot, table(name))) == found


def test_above_a_partition_is_the_nearest_first_and_an_end_where_one_is_above_itself(snapshot: Snapshot) -> None:
    for name, above in (("deep", ["middle", "all"]), ("all", []), ("alone", []), ("round", ["about", "round"])):
        assert names(roots(snapshot, table(name))) == above


def test_what_is_there_without_its_rows_is_told_of_what_is_above_it(snapshot: Snapshot) -> None:
    for name in ("all", "middle", "lost"):
        assert names(uncaptured(snapshot, table(name))) == ["lost"]
    assert names(uncaptured(snapshot, table("secret"))) == ["secret"]
    for name in ("one", "alone", "absent"):
        assert uncaptured(snapshot, table(name)) == []
