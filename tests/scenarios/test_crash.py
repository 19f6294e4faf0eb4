"""A backup that ends at any moment: earlier snapshots stay whole, the next run works, nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory, FakeOpener
from tests.faults import Crashed, Fault, FaultStore, RecordingStore
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.errors import StoreFull, Unavailable, VaultError
from vault.ids import SnapshotId
from vault.limits import KIB
from vault.ports import ObjectStore
from vault.repo import writer
from vault.store.local import LocalStore, create_local
from vault.store.memory import MemoryStore

KINDS = ("put", "barrier", "list", "get", "get_range", "delete")


def database(day: int) -> FakeDatabase:
    """Every day has a new extent, and a row changed in the first, which becomes a delta."""
    events = [rows(0, 1_500).replace(b"\n700\t", b"\n700\t%d" % day), *(rows(n, 1_500) for n in range(1, day))]
    return FakeDatabase(
        tables={"public.events": events, "public.other": [rows(day, 2_000)]},
        large_objects={1: rows(1000 + day, 300)},
        sequences={"public.s": day},
    )


def directory(day: int) -> FakeDirectory:
    return FakeDirectory({b"same": b"same" * 5_000, b"changed": b"%d" % day * 90_000, b"day-%d" % day: b"new"})


def back_up(store: ObjectStore, day: int) -> SnapshotId:
    return take(opened(store), database(day), {"lib": directory(day)}).id


before: set[threading.Thread] = set()
"""Of other tests, and of pytest."""


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread not in before}


@pytest.fixture(autouse=True)
def only_own_threads() -> None:
    before.clear()
    before.update(threading.enumerate())


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More packs, so more places where a crash can fall."""
    monkeypatch.setattr(writer, "PACK_BYTES_TARGET", 8 * KIB)


@pytest.fixture
def first() -> tuple[dict[str, bytes], SnapshotId, dict[str, bytes]]:
    """Files of a repository with one snapshot, its id, and what is in it."""
    store = MemoryStore()
    new_repository(store)
    snapshot = back_up(store, 3)
    return dict(store.files), snapshot, contents(opened(store), snapshot)


def expect_whole(store: ObjectStore, first_id: SnapshotId, expected: dict[str, bytes]) -> None:
    """What must hold after any end of a second backup."""
    repo = opened(store)
    assert contents(repo, first_id) == expected
    assert damage(repo) == ()
    for snapshot_id, manifest in repo.snapshots():
        if snapshot_id != first_id:
            assert manifest.parent == first_id
            contents(repo, snapshot_id)
    third = take(repo, database(5), {"lib": directory(5)})
    assert contents(repo, third.id)["table public.events"] == b"".join(database(5).tables["public.events"])
    assert damage(repo) == ()


@pytest.mark.spec("STORE-7")
@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize(
    ("error", "crash"),
    [
        pytest.param(Crashed(), True, id="crash"),
        pytest.param(StoreFull("full"), False, id="full"),
        pytest.param(Unavailable("gone"), False, id="unavailable"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_end_at_any_store_call_leaves_earlier_snapshots_whole(
    first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]],
    kind: str,
    error: BaseException,
    crash: bool,
    after: bool,
) -> None:
    files, first_id, expected = first
    for number in range(1, _calls(files, kind) + 1):
        memory = MemoryStore(dict(files))
        store = FaultStore(memory, [Fault(kind=kind, at=number, error=error, crash=crash, after=after)])
        try:
            back_up(store, 4)
        except (Crashed, VaultError):
            assert threads() == set()
        expect_whole(memory, first_id, expected)


def _calls(files: dict[str, bytes], kind: str) -> int:
    """How many calls of the kind a whole backup makes."""
    recording = RecordingStore(MemoryStore(dict(files)))
    back_up(recording, 4)
    return sum(call.kind == kind for call in recording.calls)


def test_failed_backup_leaves_no_lease(first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]]) -> None:
    files, _, _ = first
    for prefix in ("packs/", "index/", "leases/"):  # of a snapshot that may still land it stays (LEASE-9)
        for after in (False, True):
            memory = MemoryStore(dict(files))
            store = FaultStore(memory, [Fault(kind="put", prefix=prefix, error=StoreFull("full"), after=after)])
            with pytest.raises(StoreFull):
                back_up(store, 4)
            assert [name for name in memory.files if name.startswith("leases/")] == []


def test_lease_that_cannot_be_removed_does_not_hide_a_snapshot(
    first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]],
) -> None:
    files, first_id, expected = first
    memory = MemoryStore(dict(files))
    store = FaultStore(memory, [Fault(kind="delete", error=Unavailable("gone"))])
    second = back_up(store, 4)
    assert {snapshot_id for snapshot_id, _ in opened(memory).snapshots()} == {first_id, second}
    expect_whole(memory, first_id, expected)


def test_lease_that_cannot_be_removed_does_not_hide_why_a_backup_failed(
    first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]],
) -> None:
    faults = [
        Fault(kind="put", prefix="packs/", error=StoreFull("full")),
        Fault(kind="delete", error=Unavailable("gone")),
    ]
    with pytest.raises(StoreFull):
        back_up(FaultStore(MemoryStore(dict(first[0])), faults), 4)


@pytest.mark.parametrize("at", [1, 2, 40])
def test_interrupt_while_rows_are_read_leaves_nothing_running(
    first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]], at: int
) -> None:
    """The interrupt arrives in the main thread while readers and workers are busy."""
    files, first_id, expected = first
    memory = MemoryStore(dict(files))
    opener = FakeOpener(database(4), on_block=_at(at, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt) as caught:
        take(opened(memory), opener)
    assert threads() == set(), "while the exception, and so every frame, is still alive"
    assert caught.value is not None
    assert opener.captures[0].aborted.is_set()
    assert [name for name in memory.files if name.startswith("leases/")] == []
    expect_whole(memory, first_id, expected)


def test_interrupt_in_the_main_thread_at_any_put_leaves_nothing_running(
    first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]],
) -> None:
    for number in range(1, _calls(first[0], "put") - 2):
        memory = MemoryStore(dict(first[0]))
        store = FaultStore(memory, [Fault(kind="put", at=number, error=KeyboardInterrupt())])
        with pytest.raises(KeyboardInterrupt) as caught:
            back_up(store, 4)
        assert threads() == set()
        assert caught.value is not None
        assert [name for name in memory.files if name.startswith("leases/")] == []


def test_source_that_fails_ends_every_reader(first: tuple[dict[str, bytes], SnapshotId, dict[str, bytes]]) -> None:
    def fail() -> None:
        raise ValueError("broken source")

    memory = MemoryStore(dict(first[0]))
    opener = FakeOpener(database(4), on_block=_at(30, fail))
    with pytest.raises(ValueError, match="broken source") as caught:
        take(opened(memory), opener)
    assert threads() == set()
    assert caught.value is not None
    assert opener.captures[0].aborted.is_set()


def test_capture_of_a_good_backup_is_never_aborted() -> None:
    opener = FakeOpener(database(3))
    take(new_repository(MemoryStore()), opener)
    assert [capture.aborted.is_set() for capture in opener.captures] == [False]
    assert opener.captures[0].finished


def _at(number: int, action: Callable[[], None]) -> Callable[[], None]:
    count = iter(range(1, 1_000_000_000))
    lock = threading.Lock()

    def step() -> None:
        with lock:
            now = next(count)
        if now == number:
            action()

    return step


# --- a real process -------------------------------------------------------------------------------


@pytest.fixture
def killed(tmp_path: Path) -> LocalStore:
    create_local(tmp_path / "repository")
    return LocalStore(tmp_path / "repository", os.urandom)


@pytest.mark.slow
def test_killed_process_harms_nothing(killed: LocalStore) -> None:
    """Seven rounds of SIGKILL, each after another number of the process's store calls and at no particular moment."""
    template = new_repository(killed)
    first_id = back_up(killed, 3)
    expected = contents(template, first_id)
    root = Path(killed.url)
    for round_number in range(0, 20, 3):
        _run_and_kill(root, round_number)
        repo = opened(killed)
        assert contents(repo, first_id) == expected
        for snapshot_id, _ in repo.snapshots():
            contents(repo, snapshot_id)
        assert damage(repo, read_data=None) == ()
    assert damage(opened(killed)) == ()
    last = back_up(killed, 4)
    assert contents(opened(killed), last)["table public.events"] == b"".join(database(4).tables["public.events"])
    (root / "tmp" / ("0" * 32)).write_bytes(b"half a pack")
    left = len(list((root / "tmp").iterdir()))
    assert killed.sweep_tmp(older_than_ms=-10_000) == left
    assert list((root / "tmp").iterdir()) == []


def _run_and_kill(root: Path, round_number: int) -> None:
    """End the process when the repository has got some more files, so that the moment falls into its work."""
    program = f"""
import os, sys
from pathlib import Path
from tests import small_repository as small
from tests.scenarios.test_crash import database, directory
from vault.repo import writer
from vault.repo.state import Closed
from vault.store.local import LocalStore
writer.PACK_BYTES_TARGET = 8 * 1024
repo = Closed(LocalStore(Path({str(root)!r}), os.urandom)).open(small.PASSPHRASE)
print("ready", flush=True)
for day in range({4 + round_number % 3}, 1000):
    small.take(repo, database(day), {{"lib": directory(day)}})
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = _files(root)
        while process.poll() is None and _files(root) < before + 1 + round_number:
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def _files(root: Path) -> int:
    return sum(len(list((root / name).iterdir())) for name in ("packs", "index", "snapshots") if (root / name).is_dir())
