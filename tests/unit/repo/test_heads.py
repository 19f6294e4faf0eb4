"""The memory of the newest snapshots by itself: what is noted, what is left as it was, and how much of it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.small_repository import new_repository
from vault.format import codec
from vault.ids import SnapshotId
from vault.model import ForgottenSnapshot, Manifest
from vault.repo import freshness, private
from vault.repo.freshness import Head, Heads, Rollback, newest
from vault.repo.lineage import Known
from vault.repo.records import forgotten
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


def test_a_rollback_is_told_with_what_was_seen_and_what_is_there() -> None:
    head = Head(sequence=7, id=SnapshotId(bytes(range(32))), created_ms=1)
    for there, now in ((3, "its highest number now is 3"), (0, "none of it is there now")):
        told = Rollback(source="app", there=there, head=head).error()
        assert str(told) == "source app is older than this machine saw it"
        assert told.why.startswith(f"it saw number 7, snapshot 000102030405; {now}, and no record says")
        assert (told.file, told.object_id) == (f"snapshots/{head.id.hex()}", "")
        assert "pgvault backup --accept-rollback, once" in told.hint


PLACE: tuple[codec.Value, ...] = ("memory:", 5, bytes(32), 6)


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ({"places": (PLACE[:3],), "source": "project"}, "head: 3 fields instead of 4"),
        ({"places": ((*PLACE, 0),), "source": "project"}, "head: 5 fields instead of 4"),
        ({"places": (("memory:", 0, *PLACE[2:]),), "source": "project"}, "head: "),
        ({"places": (("memory:", 5, bytes(31), 6),), "source": "project"}, "head: "),
        ({"places": (PLACE,)}, "heads: field source is missing"),
        ({"source": "project"}, "heads: field places is missing"),
        ({"places": (PLACE,), "source": "project", "more": 1}, "heads: unknown field"),
    ],
)
def test_a_memory_that_only_another_program_can_have_written_is_told_with_the_reason(
    heads: Heads, placed: Placed, tmp_path: Path, told: list[str], plain: dict[str, codec.Value], why: str
) -> None:
    placed.place = "memory:"
    name = heads._sealer.file_name("project")
    directory = heads._directory
    assert directory is not None
    private.save(directory / name, heads._sealer.seal(codec.encode(plain), name=name.encode()))
    assert heads.rollback("project", []) is None
    (text,) = told
    assert text.startswith(f"{directory / name} cannot be read ({why}")
    whole: dict[str, codec.Value] = {"places": (("memory:", 1, bytes(32), 6),), "source": "project"}
    private.save(directory / name, heads._sealer.seal(codec.encode(whole), name=name.encode()))
    assert heads.rollback("project", []) == Rollback(
        source="project", there=0, head=Head(sequence=1, id=SnapshotId(bytes(32)), created_ms=6)
    )


def test_a_memory_under_another_source_s_name_is_none(heads: Heads, manifest: Manifest, tmp_path: Path) -> None:
    heads.remember([number(manifest, 5, source="other")])
    directory = heads._directory
    assert directory is not None
    (directory / heads._sealer.file_name("other")).rename(directory / heads._sealer.file_name("project"))
    assert heads.rollback("project", []) is None
    assert list(heads.rollbacks([])) == []


def test_a_lost_head_is_recorded_with_all_that_is_known_of_it(placed: Placed) -> None:
    repo = new_repository(placed)
    head = Head(sequence=7, id=SnapshotId(b"s" * 32), created_ms=3)
    freshness.record_lost(repo, Rollback(source="app", there=1, head=head), now_ms=9, entropy=os.urandom)
    ((_, record),) = forgotten(repo).found
    assert record.created_ms == 9
    assert record.snapshots == (ForgottenSnapshot(id=head.id, source="app", sequence=7, created_ms=3),)
    assert freshness._forgotten_number(repo, "app") == 7
    assert freshness._forgotten_number(repo, "other") == 0
