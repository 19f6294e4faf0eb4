"""How far a stage is, is told in the unit of its estimate: it ends where that said, whatever the bytes are."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import Quiet, new_repository, rows, take
from vault.pipeline.shares import Portion
from vault.store.memory import MemoryStore


class Counting(Quiet):
    """What is told, by stage."""

    def __init__(self) -> None:
        super().__init__()
        self.totals: dict[str, int | None] = {}
        self.told: dict[str, list[int]] = {}
        self.at = ""

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        self.at = name
        self.totals[name] = total_bytes
        self.told.setdefault(name, [])

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        self.told.setdefault(self.at, []).append(done_bytes)


@pytest.mark.parametrize("sizes", [[], [30], [30, 70], [300], [99, 1, 400]], ids=str)
def test_a_piece_is_told_as_it_goes_and_ends_at_its_estimate(sizes: list[int]) -> None:
    progress, blocks = Counting(), [b"x" * size for size in sizes]
    share = Portion(progress, 100)
    assert list(share.passing(blocks)) == blocks
    told = sum(progress.told.get("", []))
    assert told == min(100, sum(sizes))
    assert list(share.passing(blocks)) == blocks, "once more, after a refusal"
    assert sum(progress.told.get("", [])) == told
    share.done()
    assert sum(progress.told[""]) == 100


def test_nothing_is_told_where_nothing_was_estimated_or_all_is_told() -> None:
    progress = Counting()
    share = Portion(progress, 0)
    assert list(share.passing([b"x", b""])) == [b"x", b""]
    assert progress.told == {}
    share.done()
    assert progress.told == {"": [0]}, "its rows and its table are told all the same"


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_a_backup_ends_where_its_estimate_said(factor: float) -> None:
    """What a table takes on the server's disk may be much more than its text, or much less."""
    progress = Counting()
    tables = {"public.a": [rows(1, 3000)] * 3, "public.b": [rows(1, 5)], "public.c": []}
    take(new_repository(MemoryStore()), FakeDatabase(tables=tables, estimate=factor), progress=progress)
    assert sum(progress.told["rows"]) == progress.totals["rows"]
