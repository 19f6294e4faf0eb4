"""The state directory on good days and bad: private, whole, told when it cannot be used, and one holder of a lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault.app import state
from vault.app.settings import Settings
from vault.app.state import KEPT_MS, StateDirectory
from vault.errors import StateUnusable

NOW_MS = 1_800_000_000_000


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / "state" / "pgvault")
    made.make()
    return made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_files_and_directories_are_the_users_alone(directory: StateDirectory) -> None:
    path = directory.record("one")
    state.write_json(path, {"a": 1})
    assert mode(path) == 0o600
    assert {mode(folder) for folder in (directory.root, *directory.root.iterdir())} == {0o700}
    assert state.read_json(path) == state.Found(value={"a": 1})


@given(st.text(), st.text())
@example("", "%")
@example("..", ".")
@example("a/b", "a%2Fb")
@example("x" * 300, "x" * 299)
@example("~", "%7E")
def test_name_of_a_file_is_possible_and_its_own(first: str, second: str) -> None:
    names = [state.file_name(text) for text in (first, second)]
    assert (names[0] == names[1]) == (first == second)
    for name in names:
        assert name.isascii()
        assert 0 < len(name) < 200
        assert not name.startswith(".")
        assert not {"/", "\0"} & set(name)


def test_nothing_says_where_the_directory_is() -> None:
    with pytest.raises(StateUnusable) as caught:
        state.state_directory(Settings())
    assert "PGVAULT_STATE_DIR" in caught.value.hint


def test_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = StateDirectory(tmp_path / "file" / "pgvault")
    acts: tuple[Callable[[], object], ...] = (
        blocked.make,
        lambda: state.write_json(blocked.record("one"), {}),
        lambda: state.take(blocked.log("a")),
    )
    for act in acts:
        with pytest.raises(StateUnusable) as caught:
            act()
        assert str(tmp_path) in caught.value.message
        assert caught.value.why
        assert "PGVAULT_STATE_DIR" in caught.value.hint
    with pytest.raises(StateUnusable):
        blocked.jobs()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which takes root")
@pytest.mark.root
def test_directory_of_another_user_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    directory = StateDirectory(tmp_path / "pgvault")
    directory.make()
    os.seteuid(65534)
    try:
        for act in (directory.make, directory.jobs, lambda: state.write_json(directory.record("one"), {})):
            with pytest.raises(StateUnusable, match="cannot be used"):
                act()
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b"\xff", b"null", b"[" * 100_000, b" " * (state.JSON_BYTES_MAX + 1)]
)
def test_damaged_file_reads_as_nothing_with_a_reason(directory: StateDirectory, data: bytes) -> None:
    directory.schedule.write_bytes(data)
    found = state.read_json(directory.schedule)
    assert found is not None
    assert found.value is None
    assert found.why


def test_missing_file_is_no_damage(directory: StateDirectory) -> None:
    assert state.read_json(directory.schedule) is None
    assert StateDirectory(directory.root / "nowhere").jobs() == []


def test_directory_in_place_of_a_file_is_told(directory: StateDirectory) -> None:
    directory.schedule.mkdir()
    found = state.read_json(directory.schedule)
    assert found is not None
    assert found.why
    with pytest.raises(StateUnusable):
        state.write_json(directory.schedule, {})


# --- a full disk ---------------------------------------------------------------------------------

LIMITED = """
import json, resource, sys
from pathlib import Path
from vault.app import state
from vault.errors import StateUnusable
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    state.write_json(path, {"ended": True, "text": sys.argv[3]}, room_bytes=4096)
except StateUnusable as error:
    print(error.why)
"""


def write_limited(path: Path, limit: int, text: str = "") -> str:
    """What the writing of a record said in a process that may make no longer files; empty if nothing."""
    command = [sys.executable, "-c", LIMITED, str(path), str(limit), text]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout


def test_file_that_does_not_fit_is_told_and_the_old_one_stays(directory: StateDirectory) -> None:
    path = directory.record("one")
    state.write_json(path, {"ended": False})
    before = path.read_bytes()
    assert "too large" in write_limited(path, 0)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["one.json"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounts a file system, which takes root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.root
def test_end_of_a_job_is_told_on_a_full_disk_in_the_room_that_its_record_has(full_disk: Path) -> None:
    directory = StateDirectory(full_disk / "pgvault")
    directory.make()
    path = directory.record("one")
    state.write_json(path, {"ended": False}, room_bytes=4096)
    ballast = full_disk / "ballast"
    with pytest.raises(OSError, match="space"):
        ballast.write_bytes(bytes(256 * 1024))
    state.write_json(path, {"ended": True}, room_bytes=4096)
    assert state.read_json(path) == state.Found(value={"ended": True})
    assert [found.name for found in path.parent.iterdir()] == ["one.json"]
    with pytest.raises(StateUnusable, match="cannot be used"):
        state.write_json(path, {"ended": True, "text": "x" * 5000}, room_bytes=4096)
    with pytest.raises(StateUnusable, match="cannot be used"):
        state.write_json(directory.record("two"), {"ended": True}, room_bytes=4096)
    assert state.read_json(path) == state.Found(value={"ended": True})


# --- two processes -------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from vault.app import state
print("taken" if state.take(Path(sys.argv[1])) else "held", flush=True)
sys.stdin.readline()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_process_holds_a_lock_until_it_is_gone(directory: StateDirectory) -> None:
    path = directory.lock("app", "/repository")
    assert not state.is_held(path)
    with holder(path) as first:
        assert said(first) == "taken"
        with holder(path) as second:
            assert said(second) == "held"
            second.communicate("")
        assert state.take(path) is None
        assert state.is_held(path)
        assert state.is_held(path)
        first.kill()
        first.wait()
    assert not state.is_held(path)
    lock = state.take(path)
    assert lock is not None
    lock.release()
    assert not state.is_held(path)


def test_who_asks_is_not_taken_for_the_holder(directory: StateDirectory) -> None:
    path = directory.lock("app", "/repository")
    ask = "import sys; from pathlib import Path; from vault.app import state\nwhile True: state.is_held(Path(sys.argv[1])); print(flush=True)"
    path.touch()
    with subprocess.Popen([sys.executable, "-c", ask, str(path)], stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        asking.stdout.readline()
        for _ in range(200):
            lock = state.take(path)
            assert lock is not None
            lock.release()
            asking.stdout.readline()
        asking.kill()


def test_lock_is_of_a_source_in_a_repository(directory: StateDirectory) -> None:
    names = {directory.lock(source, place) for source in ("a", "b") for place in ("/one", "/two")}
    assert len(names) == 4


WRITER = """
import sys
from pathlib import Path
from vault.app import state
for number in range(200):
    state.write_json(Path(sys.argv[1]), {"who": sys.argv[2], "number": number, "text": sys.argv[2] * 3000})
"""


def test_two_writers_of_a_file_leave_one_of_the_two_whole(directory: StateDirectory) -> None:
    path = directory.schedule
    state.write_json(path, {"who": "a", "text": "a" * 3000})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), who]) for who in "ab"]
    while any(writer.poll() is None for writer in writers):
        value = json.loads(path.read_text())
        assert value["text"] == value["who"] * 3000
    assert [writer.wait() for writer in writers] == [0, 0]
    assert [found.name for found in directory.root.iterdir() if found.is_file()] == ["schedule.json"]


# --- links and age -------------------------------------------------------------------------------


def test_stable_path_leads_to_the_newest_log(directory: StateDirectory) -> None:
    link = directory.stable_log("app")
    for job in ("one", "two"):
        directory.log(job).write_text(job)
        assert state.point(link, directory.log(job)) == link
        assert link.read_text() == job
    assert [found.name for found in link.parent.iterdir()] == ["app.log"]
    directory.root.rename(directory.root.with_name("moved"))
    assert StateDirectory(directory.root.with_name("moved")).stable_log("app").read_text() == "two"


def test_log_itself_is_told_where_no_link_can_be_made(directory: StateDirectory) -> None:
    link = directory.stable_log("app")
    link.mkdir()
    assert state.point(link, directory.log("one")) == directory.log("one")
    assert list(link.parent.iterdir()) == [link]


def test_what_is_older_than_90_days_goes(directory: StateDirectory) -> None:
    ages_ms = {"old": KEPT_MS + 1, "new": KEPT_MS - 1, "held": KEPT_MS * 2}
    for job, age_ms in ages_ms.items():
        for path in (directory.record(job), directory.log(job)):
            path.write_text("{}")
            os.utime(path, ns=(0, (NOW_MS - age_ms) * 1_000_000))
        state.point(directory.stable_log(job), directory.log(job))
    lock = state.take(directory.log("held"))
    assert lock is not None
    state.tidy(directory, now_ms=NOW_MS)
    lock.release()
    assert directory.jobs() == ["new", "held"]
    assert sorted(path.name for path in (directory.root / "logs").iterdir()) == ["held.log", "new.log"]
    assert not directory.log("old").exists()


def test_tidying_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    state.tidy(StateDirectory(tmp_path / "nowhere"), now_ms=time.time_ns() // 1_000_000)
