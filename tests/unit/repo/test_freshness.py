"""What a client remembers of the newest snapshots: when it raises the alarm, when it does not, and what ends it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fake_source import FakeDirectory
from tests.small_repository import CLOCK, Quiet, TestClock, damage, new_repository, opened, take
from vault.errors import StoreError
from vault.format.snapshot import snapshot_name
from vault.format.upkeep import encode_forgotten
from vault.model import FileKind, Forgotten, ForgottenSnapshot
from vault.ops.backup.run import BackupReport
from vault.ops.check import run as check
from vault.repo.freshness import Heads, Rollback
from vault.repo.keyring import seal_file
from vault.store.memory import MemoryStore

YEAR_MS = 365 * 86_400_000


class Client:
    """One machine with a state directory of its own."""

    def __init__(self, store: MemoryStore, state: Path | None) -> None:
        self.store, self.state = store, state
        self.told: list[str] = []

    def heads(self) -> Heads:
        return Heads(opened(self.store), self.state, self.told.append)

    def backup(self, source: str = "project", *, accept: bool = False, clock: TestClock = CLOCK) -> BackupReport:
        return take(
            opened(self.store),
            None,
            {"lib": FakeDirectory({b"f": os.urandom(9)})},
            source=source,
            heads=self.heads(),
            accept_rollback=accept,
            clock=clock,
        )

    def check(self) -> tuple[check.Damage, ...]:
        own = check.Own(state_dir=self.state)
        repo = opened(self.store).indexed(None)
        report = check.run(repo, read_data=None, entropy=os.urandom, progress=Quiet(), own=own)
        self.told += report.notes
        return tuple(one for one in report.damage if one.kind == "ROLLED_BACK")

    def lose(self, *reports: BackupReport) -> None:
        for report in reports:
            self.store.delete(snapshot_name(report.id))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    new_repository(store)
    return store


@pytest.fixture
def client(store: MemoryStore, tmp_path: Path) -> Client:
    return Client(store, tmp_path / "state")


def at(report: BackupReport) -> tuple[int, Rollback | None]:
    return report.manifest.sequence, report.rollback


def test_nothing_is_said_while_nothing_went_away(client: Client) -> None:
    assert [at(client.backup()) for _ in range(3)] == [(1, None), (2, None), (3, None)]
    assert client.check() == ()
    assert client.told == []


@pytest.mark.spec("FRESH-1")
@pytest.mark.spec("FRESH-2")
def test_newest_snapshot_deleted_every_day_is_said_every_day(client: Client) -> None:
    client.backup()
    newest = client.backup()
    for _ in range(3):
        client.lose(newest)
        (found,) = client.check()
        assert found.file == snapshot_name(newest.id)
        assert "number 2" in found.why
        assert "highest number now is 1" in found.why
        newest = client.backup()
        assert newest.rollback is not None, "the backup is taken all the same, and says so"
        assert (newest.rollback.there, newest.rollback.head.sequence) == (1, 2)


@pytest.mark.spec("FRESH-1")
def test_older_copy_of_the_repository_is_noticed_until_the_numbers_catch_up(client: Client) -> None:
    client.backup()
    older = dict(client.store.files)
    for _ in range(3):
        client.backup()
    client.store.files.clear()
    client.store.files.update(older)
    assert len(client.check()) == 1
    alarms = [client.backup().rollback is not None for _ in range(4)]
    assert alarms == [True, True, True, False]
    assert client.check() == ()


@pytest.mark.spec("FRESH-1")
def test_snapshots_that_are_all_gone_are_noticed(client: Client) -> None:
    client.lose(client.backup())
    (found,) = client.check()
    assert "none of it is there now" in found.why
    assert any("objects that no snapshot needs" in note for note in client.told)
    assert client.backup().rollback is not None


@pytest.mark.spec("FRESH-1")
def test_number_as_high_in_a_fork_or_a_forgotten_record_is_no_alarm(client: Client, tmp_path: Path) -> None:
    client.backup()
    newest = client.backup()
    client.lose(newest)
    other = Client(client.store, tmp_path / "other")
    fork = other.backup()
    assert fork.manifest.sequence == newest.manifest.sequence
    assert client.check() == ()
    forget(client.store, fork, sequence=2)
    client.lose(fork)
    assert client.check() == ()
    assert client.backup().rollback is None


def forget(store: MemoryStore, report: BackupReport, *, sequence: int, source: str = "project") -> str:
    item = ForgottenSnapshot(id=report.id, source=source, sequence=sequence, created_ms=1)
    plain = encode_forgotten(Forgotten(created_ms=1, snapshots=(item,)))
    data = seal_file(plain, FileKind.FORGOTTEN, opened(store).keys, salt=os.urandom(24), squeeze=False)
    name = f"forgotten/{os.urandom(32).hex()}"
    store.put(name, data)
    return name


@pytest.mark.spec("FRESH-1")
def test_what_nobody_authenticated_counts_for_nothing(client: Client) -> None:
    """Neither a record that was changed, nor one of another source, nor a file of the snapshot's name and size."""
    client.backup()
    newest = client.backup()
    name = snapshot_name(newest.id)
    record = forget(client.store, newest, sequence=2)
    client.store.files[record] = client.store.files[record][:-1] + b"\0"
    forget(client.store, newest, sequence=9, source="another")
    client.store.files[name] = bytes(len(client.store.files[name]))
    assert len(client.check()) == 1
    assert client.backup().rollback is not None


@pytest.mark.spec("FRESH-1")
def test_what_a_cache_tells_of_a_snapshot_is_no_proof_that_it_is_there(client: Client, tmp_path: Path) -> None:
    client.backup()
    name = snapshot_name(client.backup().id)
    repo = opened(client.store, tmp_path / "cache")
    assert len(repo.snapshots()) == 2
    client.store.files[name] = bytes(len(client.store.files[name]))
    known = opened(client.store, tmp_path / "cache").snapshots()
    assert len(known) == 2, "from the cache"
    repo = opened(client.store, tmp_path / "cache")
    assert Heads(repo, client.state, client.told.append).rollback("project", known) is not None


@pytest.mark.spec("FRESH-3")
def test_rollback_is_accepted_once_and_ends_for_everybody(client: Client, tmp_path: Path) -> None:
    other = Client(client.store, tmp_path / "other")
    reports = [client.backup() for _ in range(4)]
    assert other.check() == ()
    client.lose(*reports[1:])
    assert len(other.check()) == 1
    accepted = client.backup(accept=True)
    assert at(accepted) == (5, None)
    assert client.check() == other.check() == ()
    assert client.backup().rollback is None
    client.lose(accepted, client.backup(), client.backup())
    assert len(client.check()) == 1, "accepting is asked each time"
    record = [name for name in client.store.files if name.startswith("forgotten/")]
    assert len(record) == 1
    assert not [one for one in damage(opened(client.store)) if one.file == record[0]]


@pytest.mark.spec("FRESH-3")
def test_record_of_the_lost_head_alone_ends_the_alarm_of_others(client: Client, tmp_path: Path) -> None:
    other = Client(client.store, tmp_path / "other")
    first, newest = client.backup(), client.backup()
    other.check()
    client.lose(newest)
    client.lose(client.backup(accept=True))
    assert first.manifest.sequence == 1
    assert other.check() == ()


def test_accepting_what_did_not_happen_changes_nothing(client: Client) -> None:
    assert at(client.backup(accept=True)) == (1, None)
    assert at(client.backup(accept=True)) == (2, None)
    assert not [name for name in client.store.files if name.startswith("forgotten/")]


class FullForRecords(MemoryStore):
    def put(self, name: str, data: bytes) -> None:
        if name.startswith("forgotten/"):
            raise StoreError("no space")
        super().put(name, data)


def test_record_that_cannot_be_written_makes_no_failure_of_a_snapshot_that_is_there(client: Client) -> None:
    client.backup()
    client.lose(client.backup())
    client.store = FullForRecords(client.store.files)
    assert at(client.backup(accept=True)) == (3, None)
    assert client.check() == ()


def test_each_source_has_a_memory_of_its_own(client: Client) -> None:
    client.backup("a")
    client.lose(client.backup("a"))
    client.backup("b")
    assert client.backup("b").rollback is None
    assert [one.why for one in client.check() if "number 2" in one.why]
    assert client.backup("a").rollback is not None


class Elsewhere(MemoryStore):
    @property
    def url(self) -> str:
        return "memory of another place"


@pytest.mark.spec("FRESH-4")
def test_disks_in_rotation_have_a_memory_each(client: Client, tmp_path: Path) -> None:
    """The same repository at two places: a note at first, no alarm, and each is watched for itself."""
    client.backup()
    disk = Elsewhere(dict(client.store.files))
    for _ in range(3):
        client.backup()
    away = Client(disk, client.state)
    second = away.backup()
    assert at(second) == (2, None)
    assert any("seen elsewhere before, with number 4" in text for text in away.told)
    assert client.check() == ()
    away.told.clear()
    assert away.check() == ()
    assert away.told == []
    away.lose(second)
    assert len(away.check()) == 1
    assert client.check() == ()


@pytest.mark.spec("FRESH-4")
def test_memory_that_is_damaged_is_said_and_stops_nothing(client: Client) -> None:
    assert client.state is not None
    client.lose(client.backup(), client.backup())
    (file,) = [path for path in client.state.rglob("*") if path.is_file()]
    assert b"project" not in file.read_bytes()
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert at(client.backup()) == (1, None)
    assert any(str(file) in text and "cannot be told" in text for text in client.told)
    client.told.clear()
    assert client.check() == ()
    assert client.told == []


def test_memory_that_cannot_be_read_is_said_with_the_reason(client: Client) -> None:
    assert client.state is not None
    client.backup()
    (file,) = [path for path in client.state.rglob("*") if path.is_file()]
    file.unlink()
    file.mkdir()
    assert client.check() == ()
    assert [text for text in client.told if text.startswith(f"{file} cannot be read (Is a directory): ")]


@pytest.mark.spec("FRESH-4")
def test_memory_that_cannot_be_written_is_said_and_stops_nothing(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    client = Client(store, tmp_path / "file" / "state")
    assert [at(client.backup()) for _ in range(2)] == [(1, None), (2, None)]
    assert any("cannot write" in text and "PGVAULT_STATE_DIR" in text for text in client.told)
    assert client.check() == ()


def test_client_without_a_directory_remembers_nothing(store: MemoryStore) -> None:
    client = Client(store, None)
    client.lose(client.backup(), client.backup())
    assert client.check() == ()
    assert at(client.backup()) == (1, None)


def test_clock_a_year_ahead_for_a_day_is_nothing_to_it(client: Client) -> None:
    client.backup()
    ahead = client.backup(clock=TestClock(CLOCK.now_ms() + YEAR_MS))
    assert at(client.backup()) == (3, None)
    assert client.check() == ()
    assert ahead.rollback is None
