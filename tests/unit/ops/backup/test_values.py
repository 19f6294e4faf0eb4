"""Values of generated columns go with their extents: taken over, stored as deltas, looked for by check (spec 60-snapshot)."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import damage, new_repository, rows, take
from vault.errors import SourceError
from vault.model import ChunkList, TableName
from vault.ops.backup.run import BackupReport
from vault.ops.retention.marking import mark
from vault.repo.snapshot import Snapshot
from vault.repo.state import Open
from vault.store.memory import MemoryStore

NAME = TableName(schema="public", name="t")
ROWS = [rows(n, 300) for n in range(3)]
MADE = [b"".join(b"made %d of %d\n" % (row, n) for row in range(300)) for n in range(3)]
FIRST = FakeDatabase(tables={"public.t": ROWS}, generated={"public.t": MADE})


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def again(before: FakeDatabase, *, text: list[bytes] | None = None, made: list[bytes] | None = None) -> FakeDatabase:
    tables = {"public.t": ROWS if text is None else text}
    return FakeDatabase(tables=tables, generated={"public.t": MADE if made is None else made}, earlier=before)


def snapshot(repo: Open, report: BackupReport) -> Snapshot:
    return repo.indexed(None).snapshot(report.id)


def lists(repo: Open, report: BackupReport) -> list[ChunkList | None]:
    taken = snapshot(repo, report)
    return [extent.values for extent in taken.extents(taken.table(NAME))]


def values(repo: Open, report: BackupReport) -> bytes:
    taken = snapshot(repo, report)
    return b"".join(taken.values(taken.table(NAME)))


@pytest.mark.spec("TREE-15")
def test_they_are_taken_over_with_their_extents(repo: Open) -> None:
    first = take(repo, FIRST)
    second = take(
        repo, again(FIRST, made=[MADE[0], MADE[1][::-1][1:] + b"\n", MADE[2]], text=[ROWS[0], rows(9, 300), ROWS[2]])
    )
    assert second.manifest.effort.extents_reused == 2
    assert lists(repo, first)[::2] == lists(repo, second)[::2]
    assert lists(repo, first)[1] != lists(repo, second)[1]
    assert values(repo, first) == b"".join(MADE)
    assert values(repo, second).startswith(MADE[0])
    assert damage(repo) == ()


def test_an_extent_whose_values_were_not_kept_is_read_again(repo: Open) -> None:
    first = take(repo, again(FIRST, made=[]))
    assert lists(repo, first) == [None] * 3
    second = take(repo, again(FIRST))
    assert second.manifest.effort.extents_reused == 0
    assert values(repo, second) == b"".join(MADE)
    assert take(repo, again(FIRST)).manifest.effort.extents_reused == 3


def test_packs_of_values_that_are_taken_over_are_named(repo: Open) -> None:
    """Compared with the closure by tests/fix_closure.py; what is read for the sample would name them too, so it is another table."""
    tables = {"public.t": ROWS, "public.u": [rows(7, 300)]}
    without = FakeDatabase(tables=tables, generated={"public.t": MADE, "public.u": []})
    take(repo, without)
    complete = FakeDatabase(tables=tables, generated={"public.t": MADE, "public.u": [MADE[0].upper()]}, earlier=without)
    assert take(repo, complete).manifest.effort.extents_reused == 3
    assert take(repo, complete, entropy=lambda length: bytes(length)).manifest.effort.extents_reused == 4


def test_reading_to_compare_does_not_doubt_what_was_not_kept(repo: Open) -> None:
    take(repo, FIRST)
    assert take(repo, again(FIRST)).manifest.suspect == ""
    other = [made.replace(b"made", b"fake") for made in MADE]
    assert "public.t" in take(repo, again(FIRST, made=other)).manifest.suspect, "the sample sees it"


@pytest.mark.parametrize("made", [MADE[0][:-10], MADE[0] + b"more\n"])
def test_another_number_of_values_than_of_rows_ends_the_backup(repo: Open, made: bytes) -> None:
    with pytest.raises(SourceError):
        take(repo, again(FIRST, made=[made, *MADE[1:]]))


def test_a_pruner_keeps_values(repo: Open) -> None:
    """Of one extent, which is in the table, and of several, which are in a list."""
    for count in (1, 3):
        tables, made = {"public.t": ROWS[:count]}, [f"{count} {at}\n".encode() * 300 for at in range(count)]
        without = FakeDatabase(tables=tables, generated={"public.t": []})
        take(repo, without)
        last = take(repo, FakeDatabase(tables=tables, generated={"public.t": made}, earlier=without))
        marked = set(mark(repo.indexed(None), [(last.id, last.manifest)]).needed())
        kept = {ref.id for chunks in lists(repo, last) if chunks is not None for ref in chunks.inline}
        assert len(kept) == count
        assert kept <= marked


def test_check_names_a_table_whose_values_are_gone(repo: Open) -> None:
    first = take(repo, FIRST)
    (found,) = [chunks for chunks in lists(repo, first)[:1] if chunks is not None]
    indexed = repo.indexed(None)
    place = indexed.index.chain_head(found.inline[0].id)
    assert place is not None
    store = repo.store
    name = f"packs/{place.pack.hex()}"
    store.delete(name)
    assert any("table public.t" in affected for one in damage(repo, read_data=None) for affected in one.affects)
