"""Taking a snapshot: parents and sequence, definitions that change, leases and sweeps."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory, FakeOpener
from tests.faults import FaultStore
from tests.packs import Made, put_pack
from tests.small_repository import Quiet, contents, damage, new_repository, opened, put_manifest, rows, take
from vault.crypto import keyed
from vault.errors import Locked, SourceError
from vault.format.upkeep import encode_sweep, upkeep_name
from vault.ids import PackId
from vault.limits import CHUNK_BYTES_MAX
from vault.model import FileKind, Missing, State, Sweep
from vault.ops.backup.run import BackupReport
from vault.repo.keyring import seal_file
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def files(repo: Open) -> dict[str, bytes]:
    assert isinstance(repo.store, MemoryStore)
    return repo.store.files


def told(report: BackupReport) -> set[tuple[str, State]]:
    """What is missing, without what nobody asked for."""
    items = (item for coverage in report.ledger.values() for item in coverage.missing)
    return {(item.item, item.state) for item in items if item.state is not State.NOT_SELECTED}


def test_parent_is_the_newest_of_the_same_selection_and_the_sequence_is_the_sources(repo: Open) -> None:
    a = take(repo, None, {}, selection="a")
    b = take(repo, None, {}, selection="b")
    a2 = take(repo, None, {}, selection="a")
    other = take(repo, None, {}, source="other", selection="a")
    assert [report.manifest.sequence for report in (a, b, a2, other)] == [1, 2, 3, 1]
    assert a2.manifest.parent == a.id
    assert other.manifest.parent is None


def test_suspect_snapshot_is_never_a_parent(repo: Open) -> None:
    first = take(repo, None, {})
    put_manifest(repo, first.manifest, suspect="reuse was unsound", sequence=2)
    third = take(repo, None, {})
    assert (third.manifest.parent, third.manifest.sequence) == (first.id, 3)


def test_manifest_tells_the_size_that_was_added(repo: Open) -> None:
    before = sum(map(len, files(repo).values()))
    report = take(
        repo, FakeDatabase(tables={"public.t": [rows(1, 5_000)]}), {"lib": FakeDirectory({b"f": rows(2, 99)})}
    )
    assert abs(sum(map(len, files(repo).values())) - before - report.manifest.effort.new_bytes) <= 8


def test_equal_day_adds_one_small_file(repo: Open) -> None:
    database = FakeDatabase(tables={"public.t": [rows(1, 5_000)], "public.empty": []}, large_objects={1: b"x", 2: b""})
    directory = FakeDirectory({b"f": rows(2, 99)})
    take(repo, database, {"lib": directory})
    before = set(files(repo))
    take(repo, database, {"lib": directory})
    (added,) = set(files(repo)) - before
    assert added.startswith("snapshots/")
    assert len(files(repo)[added]) < 1_500


def test_rows_of_every_shape_come_back(repo: Open) -> None:
    wide = b"1\t" + os.urandom(3 * CHUNK_BYTES_MAX // 2).hex().encode() + b"\n"
    tables = {
        "public.empty": [],
        "public.empty_extent": [b"", b""],
        "public.one": [b"1\t\n"],
        "public.wide": [wide, rows(1, 10), wide + rows(2, 10)],
        "public.many_extents": [rows(n, 3) for n in range(300)],
        'we ird".\u00fcn\nicode': [b"\\N\t\\\\\n"],
    }
    report = take(repo, FakeDatabase(tables=tables))
    found = contents(repo, report.id)
    for name, extents in tables.items():
        assert found[f"table {name}"] == b"".join(extents)
    assert damage(repo) == ()


@pytest.mark.spec("CUT-3")
def test_every_extent_starts_a_chunk_whatever_went_before(repo: Open) -> None:
    same = rows(1, 10)
    report = take(repo, FakeDatabase(tables={"public.a": [rows(2, 7), same], "public.b": [rows(3, 9), same, same]}))
    snapshot = repo.indexed(None).snapshot(report.id)
    a, b = ([extent.chunks for extent in snapshot.extents(table)] for table in snapshot.tables())
    assert a[0] != b[0]
    assert a[1] == b[1] == b[2]


def test_table_of_many_chunks_in_one_extent_comes_back(repo: Open) -> None:
    text = rows(1, 120_000)
    assert len(text) > 9 * CHUNK_BYTES_MAX * 3 // 4
    report = take(repo, FakeDatabase(tables={"public.t": [text]}, large_objects={1: text}))
    snapshot = repo.indexed(None).snapshot(report.id)
    (table,) = snapshot.tables()
    assert table.inline is not None
    assert table.inline.chunks.more is not None, "more chunks than go inline"
    assert contents(repo, report.id)["table public.t"] == text
    assert contents(repo, report.id)["large object 1"] == text


def test_definitions_that_change_are_tried_again(repo: Open) -> None:
    opener = FakeOpener(FakeDatabase(tables={"public.t": [rows(1, 10)]}, changed=(("table public.t",), ())))
    progress = Quiet()
    report = take(repo, opener, progress=progress)
    assert len(opener.captures) == 2
    assert [event for event in progress.events if "definitions changed" in event]
    assert told(report) == set()


def test_definitions_that_keep_changing_are_told(repo: Open) -> None:
    opener = FakeOpener(FakeDatabase(tables={"public.t": [rows(1, 10)]}, changed=(("table public.t",),) * 5))
    report = take(repo, opener)
    assert len(opener.captures) == 3
    assert told(report) == {("table public.t", State.FAILED)}


def test_what_the_capture_misses_is_in_the_ledger(repo: Open) -> None:
    gap = Missing(item="public.secret", state=State.NOT_PERMITTED, why="permission denied", fix="grant it")
    report = take(repo, FakeDatabase(tables={"public.t": [b"1\ta\n"]}, missing=(gap,)))
    assert gap in report.ledger["data"].missing
    assert repo.indexed(None).snapshot(report.id).ledger() == report.ledger


def test_source_that_fails_leaves_no_snapshot(repo: Open) -> None:
    def broken() -> None:
        raise SourceError("the server went away")

    with pytest.raises(SourceError, match="went away"):
        take(repo, FakeOpener(FakeDatabase(tables={"public.t": [rows(1, 10)]}), on_block=broken))
    assert repo.snapshots() == []
    assert [name for name in files(repo) if name.startswith("leases/")] == []


class At(FaultStore):
    """Does something before the first put below a prefix."""

    def __init__(self, next_store: MemoryStore, prefix: str, action: Callable[[MemoryStore], None]) -> None:
        super().__init__(next_store)
        self._memory, self._prefix, self._action = next_store, prefix, action
        self._done = False

    def put(self, name: str, data: bytes) -> None:
        if name.startswith(self._prefix) and not self._done:
            self._done = True
            self._action(self._memory)
        super().put(name, data)


@pytest.mark.spec("LEASE-3")
def test_backup_whose_lease_was_removed_withdraws_its_snapshot(repo: Open) -> None:
    def unlock(memory: MemoryStore) -> None:
        for name in [name for name in memory.files if name.startswith("leases/")]:
            memory.delete(name)

    assert isinstance(repo.store, MemoryStore)
    with pytest.raises(Locked):
        take(opened(At(repo.store, "snapshots/", unlock)), None, {"lib": FakeDirectory({b"f": b"x"})})
    assert repo.snapshots() == []


@pytest.mark.spec("LEASE-1")
def test_backup_does_not_rely_on_packs_that_are_being_swept(repo: Open) -> None:
    directory = FakeDirectory({b"f": b"content"})
    first = take(repo, None, {"lib": directory})

    def sweep(memory: MemoryStore) -> None:
        packs = tuple(sorted(PackId(bytes.fromhex(name[6:])) for name in memory.files if name.startswith("packs/")))
        plain = encode_sweep(Sweep(created_ms=1, packs=packs))
        data = seal_file(plain, FileKind.SWEEP, repo.keys, salt=os.urandom(24), squeeze=False)
        memory.put(upkeep_name(FileKind.SWEEP, keyed.sha256(data)), data)

    assert isinstance(repo.store, MemoryStore)
    directory.write(b"g", b"more")
    with pytest.raises(Locked):
        take(opened(At(repo.store, "packs/", sweep)), None, {"lib": directory})
    assert [snapshot_id for snapshot_id, _ in repo.snapshots()] == [first.id]
    assert [name for name in files(repo) if name.startswith("leases/")] == []


def two_days() -> tuple[FakeDatabase, FakeDatabase]:
    """A database, and its next day with one extent changed and one added."""
    first = FakeDatabase(tables={"public.t": [rows(n, 700) for n in range(5)], "public.same": [rows(50, 700)]})
    extents = list(first.tables["public.t"])
    tables = {**first.tables, "public.t": [*extents[:2], rows(7, 700), *extents[3:], rows(9, 700)]}
    return first, FakeDatabase(tables=tables, earlier=first)


def test_unchanged_extents_are_taken_over(repo: Open) -> None:
    first, second = two_days()
    take(repo, first)
    report = take(repo, second)
    effort = report.manifest.effort
    assert (effort.extents, effort.extents_reused) == (7, 5)
    assert contents(repo, report.id)["table public.t"] == b"".join(second.tables["public.t"])
    assert contents(repo, report.id)["table public.same"] == b"".join(second.tables["public.same"])
    assert damage(repo) == ()


@pytest.mark.parametrize(("changed", "reused", "asked"), [(40, 0, 12), (39, 0, 12), (1, 39, 40), (0, 40, 40)])
def test_a_large_table_is_probed_before_all_of_it_is_asked_for(
    repo: Open, changed: int, reused: int, asked: int
) -> None:
    """The last extent is no probe: where only that is unchanged it is read with the rest, and nothing is lost."""
    first = FakeDatabase(tables={"public.t": [rows(n, 10) for n in range(40)]})
    after = [rows(100 + n, 10) if n < changed else text for n, text in enumerate(first.tables["public.t"])]
    opener = FakeOpener(FakeDatabase(tables={"public.t": after}, earlier=first))
    take(repo, first)
    report = take(repo, opener)
    assert report.manifest.effort.extents_reused == reused
    assert sum(opener.captures[-1].asked) == asked
    assert contents(repo, report.id)["table public.t"] == b"".join(after)


@pytest.mark.parametrize("kind", ["packs/", "index/"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_extents_of_which_something_is_gone_are_read_again(repo: Open, kind: str, harm: str) -> None:
    """Nothing is taken over that a reader could not read."""
    first, second = two_days()
    take(repo, first)
    before = dict(files(repo))
    for name in [name for name in before if name.startswith(kind)]:
        files(repo).clear()
        files(repo).update(before)
        if harm == "missing":
            del files(repo)[name]
        else:
            files(repo)[name] = before[name][:-1]
        report = take(repo, second)
        assert contents(repo, report.id)["table public.t"] == b"".join(second.tables["public.t"])
        assert contents(repo, report.id)["table public.same"] == b"".join(second.tables["public.same"])


def test_extents_whose_fragment_was_deleted_are_read_again(repo: Open) -> None:
    """The nodes of the previous snapshot are all there; the chunks are in packs that nothing names any more."""
    first, second = two_days()
    take(repo, first)
    take(repo, second)
    before = dict(files(repo))
    for name in [name for name in before if name.startswith("index/")]:
        files(repo).clear()
        files(repo).update(before)
        del files(repo)[name]
        report = take(repo, FakeDatabase(tables=second.tables, earlier=second))
        assert contents(repo, report.id)["table public.t"] == b"".join(second.tables["public.t"])
        assert contents(repo, report.id)["table public.same"] == b"".join(second.tables["public.same"])


def test_pack_that_a_crash_left_behind_does_not_end_reuse(repo: Open) -> None:
    first, second = two_days()
    take(repo, first)
    put_pack(repo, [Made(plain=b"orphan")])
    assert take(repo, second).manifest.effort.extents_reused == 5


def test_rows_that_change_without_a_trace_make_the_snapshot_suspect(repo: Open) -> None:
    """The server says unchanged, the sample says otherwise: the rows that were read are stored, and it is told."""
    first = FakeDatabase(tables={"public.t": [rows(1, 700)]})
    take(repo, first)
    lying = FakeDatabase(tables={"public.t": [rows(2, 700)]})
    report = take(repo, FakeDatabase(tables=lying.tables, earlier=lying))
    assert "public.t" in report.manifest.suspect
    assert take(repo, first).manifest.parent != report.id
