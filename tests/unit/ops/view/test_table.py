"""A table by the name that somebody typed, and what was meant when there is none."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, take
from vault.errors import NotThere
from vault.ops.view.table import find_table
from vault.repo.snapshot import Snapshot
from vault.store.memory import MemoryStore


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    repo = new_repository(MemoryStore())
    tables = {name: [b"1\n"] for name in ("public.orders", "public.notes", "shop.customers")}
    report = take(repo, FakeDatabase(tables=tables))
    return repo.indexed(None).snapshot(report.id)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ordesr", "did you mean public.orders?"),
        ("public.note", "did you mean public.notes?"),
        ("shop.custmers", "did you mean shop.customers?"),
        ("custmers", "did you mean shop.customers?"),
        ("shp.customers", "did you mean shop.customers?"),
        ("public.xyz", "list the tables with: pgvault show ID"),
        ("shop.orders", "list the tables with: pgvault show ID"),
    ],
)
def test_a_mistyped_table_is_answered_with_the_one_that_is_near(snapshot: Snapshot, typed: str, meant: str) -> None:
    with pytest.raises(NotThere, match="no table") as raised:
        find_table(snapshot, typed)
    assert raised.value.hint == meant.replace("ID", snapshot.id.hex()[:12])
