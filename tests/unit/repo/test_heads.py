"""The memory of the newest snapshots by itself: what is noted, what is left as it was, and how much of it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.small_repository import new_repository
from vault.ids import SnapshotId
from vault.model import Manifest
from vault.repo import freshness
from vault.repo.freshness import Head, Heads, newest
from vault.repo.lineage import Known
from vault.store.memory import MemoryStore


class Placed(MemoryStore):
    """The same repository at a place of that name."""

    place = "here"

    @property
    def url(self) -> str:
        return self.place


@pytest.fixture
def placed() -> Placed:
    return Placed()


@pytest.fixture
def heads(placed: Placed, tmp_path: Path, told: list[str]) -> Heads:
    return Heads(new_repository(placed), tmp_path / "state", told.append)


@pytest.fixture
def told() -> list[str]:
    return []


def number(manifest: Manifest, sequence: int, *, source: str = "project", fork: int = 0) -> Known:
    made = replace(manifest, sequence=sequence, source=source, created_ms=sequence)
    return SnapshotId(bytes([sequence, fork]) * 16), made


def written(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Each file with what only another writing changes."""
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in directory.rglob("*") if path.is_file()}


def test_of_each_source_the_highest_number_is_the_newest_and_of_forks_the_last_by_id(manifest: Manifest) -> None:
    known = [number(manifest, *pair) for pair in ((2,), (4,), (3,))]
    known += [number(manifest, 4, fork=fork) for fork in (3, 9, 5)]
    known.append(number(manifest, 1, source="other", fork=7))
    assert newest(known) == {
        "project": Head(sequence=4, id=SnapshotId(bytes([4, 9]) * 16), created_ms=4),
        "other": Head(sequence=1, id=SnapshotId(bytes([1, 7]) * 16), created_ms=1),
    }


def test_a_head_is_noted_when_it_is_newer_or_a_fork_and_a_lower_number_changes_nothing(
    heads: Heads, manifest: Manifest, tmp_path: Path
) -> None:
    before: dict[str, tuple[int, bytes]] = {}
    for sequence, fork, is_noted in ((2, 0, True), (2, 0, False), (1, 0, False), (2, 5, True), (3, 0, True)):
        heads.remember([number(manifest, sequence, fork=fork)])
        after = written(tmp_path)
        assert (after != before) == is_noted, (sequence, fork)
        before = after
    found = heads.rollback("project", [])
    assert found is not None
    assert (found.there, found.head.sequence, found.head.id) == (0, 3, SnapshotId(bytes([3, 0]) * 16))


def test_the_place_that_was_seen_first_is_forgotten_first(
    heads: Heads, manifest: Manifest, placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "_PLACES_MAX", 3)
    for place in "abcd":
        placed.place = place
        heads.remember([number(manifest, 5)])
    seen = []
    for place in "abcd":
        placed.place = place
        seen.append(heads.rollback("project", []) is not None)
    assert seen == [False, True, True, True]


def test_a_place_that_is_new_is_told_once_with_the_highest_number_seen_elsewhere(
    heads: Heads, manifest: Manifest, placed: Placed, told: list[str]
) -> None:
    for place, sequence in (("a", 3), ("b", 7), ("c", 5)):
        placed.place = place
        heads.remember([number(manifest, sequence)])
    placed.place = "new"
    for _ in range(2):
        assert heads.rollback("project", []) is None
    (text,) = told
    assert "with number 7 of project, at b; at new it is seen for the first time" in text


def test_only_files_of_heads_are_sources_and_they_come_by_name(
    heads: Heads, manifest: Manifest, tmp_path: Path, told: list[str]
) -> None:
    for source in "dbface":
        heads.remember([number(manifest, 1, source=source)])
    (repository,) = (tmp_path / "state").iterdir()
    assert os.listdir(repository) == ["heads"], "where every release looks for them"
    (repository / "heads" / "left.123").write_bytes(b"of a writing that was killed")
    assert [found.source for found in heads.rollbacks(_once([]))] == [*"abcdef"]
    assert told == []
    there = [number(manifest, 1, source="a")]
    assert [found.source for found in heads.rollbacks(_once(there))] == [*"abcdef"], "its file does not open"


def _once(known: list[Known]) -> Iterator[Known]:
    yield from known
