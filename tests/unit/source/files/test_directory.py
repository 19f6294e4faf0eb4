"""Directories that are backed up: order, odd names, what cannot be read, what changes meanwhile, and what leads outside."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.errors import PermissionMissing, SourceError, UnsafeError
from vault.limits import MIB
from vault.model import State
from vault.model.files import path_text
from vault.ports import SourceFile
from vault.source.files.directory import DirectoryFiles


def make(root: Path, path: bytes, content: bytes = b"") -> None:
    """A file, or a directory if `path` ends with a slash."""
    full = os.path.join(os.fsencode(root), path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if not path.endswith(b"/"):
        with open(full, "wb") as file:
            file.write(content)


def scan(root: Path) -> dict[bytes, SourceFile]:
    found = list(DirectoryFiles(root).scan())
    paths = [item.path for item in found]
    assert paths == sorted(set(paths))
    return {item.path: item for item in found}


def read(root: Path, path: bytes) -> bytes:
    return b"".join(DirectoryFiles(root).read(path))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that another user may enter, which pytest's own are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_scan_is_ascending_over_the_whole_tree(tmp_path: Path) -> None:
    paths = [b"a/x", b"a/x.y/1", b"a/x/2", b"a.b", b"a-b/c", b"a!", b"a0", b"a/", b"b/", b"a\x01", b"\xff", b"A"]
    for path in paths:
        if path != b"a/x":
            make(tmp_path, path)
    expected = [
        b"A",
        b"a",
        b"a\x01",
        b"a!",
        b"a-b",
        b"a-b/c",
        b"a.b",
        b"a/x",
        b"a/x.y",
        b"a/x.y/1",
        b"a/x/2",
        b"a0",
        b"b",
    ]
    assert list(scan(tmp_path)) == [*expected, b"\xff"]


NAMES = st.lists(st.sampled_from([b"a", b"b", b"a.", b"a-", b"a0", b"a!b", b"\xfe"]), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=st.lists(NAMES, max_size=12))
def test_scan_gives_every_path_once_in_order(trees: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        expected: set[bytes] = set()
        for parts in trees:
            os.makedirs(os.path.join(os.fsencode(root), *parts), exist_ok=True)
            expected.update(b"/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        assert list(scan(Path(root))) == sorted(expected)


def test_scan_tells_type_mode_time_size_and_target(tmp_path: Path) -> None:
    make(tmp_path, b"file", b"12345")
    make(tmp_path, b"empty/")
    os.symlink("../outside", tmp_path / "dangling")
    os.symlink(b"\xff", os.fsencode(tmp_path / "odd"))
    os.chmod(tmp_path / "file", 0o4751)
    os.chmod(tmp_path / "empty", 0o1700)
    os.utime(tmp_path / "file", ns=(1, 1_234_567_890_123_456_789))
    os.utime(tmp_path / "empty", ns=(1, -5))
    found = scan(tmp_path)
    file, empty = found[b"file"], found[b"empty"]
    assert (file.type, file.mode, file.mtime_ns, file.size) == ("f", 0o4751, 1_234_567_890_123_456_789, 5)
    assert (empty.type, empty.mode, empty.mtime_ns, empty.size) == ("d", 0o1700, -5, 0)
    assert file.inode == (tmp_path / "file").stat().st_ino
    assert file.ctime_ns == (tmp_path / "file").stat().st_ctime_ns
    assert [(found[name].type, found[name].target) for name in (b"dangling", b"odd")] == [
        ("l", b"../outside"),
        ("l", b"\xff"),
    ]
    assert all(item.problem is None for item in found.values())


@pytest.mark.parametrize("name", [b"new\nline", b"quo'te\"", b"\xff\xfe", b"-rf", b"%41", b"a\\b", b" ", "é☃".encode()])
def test_odd_name_is_given_and_read_as_bytes(tmp_path: Path, name: bytes) -> None:
    make(tmp_path, name + b"/" + name, name)
    assert list(scan(tmp_path)) == [name, name + b"/" + name]
    assert read(tmp_path, name + b"/" + name) == name


def test_path_text_can_be_told_apart() -> None:
    assert path_text("é/%41\n".encode() + b"\xff\xc3") == "é/%2541\n%FF%C3"


def test_links_are_not_followed_and_root_may_be_one(tmp_path: Path) -> None:
    make(tmp_path, b"outside/secret", b"secret")
    make(tmp_path, b"root/file", b"x")
    os.symlink(tmp_path / "outside", tmp_path / "root/link")
    os.symlink(tmp_path / "outside/secret", tmp_path / "root/link-to-file")
    os.symlink(tmp_path / "root", tmp_path / "door")
    assert list(scan(tmp_path / "door")) == [b"file", b"link", b"link-to-file"]
    for path in (b"link/secret", b"link", b"link-to-file"):
        with pytest.raises(SourceError, match="link"):
            read(tmp_path / "door", path)
    assert DirectoryFiles(tmp_path / "door").status(b"link/secret") is None


def test_directory_swapped_for_a_link_while_scanned_leads_nowhere(tmp_path: Path) -> None:
    make(tmp_path, b"outside/secret", b"secret")
    for number in range(3):
        make(tmp_path, b"root/%d/secret" % number, b"mine")
    scanning = DirectoryFiles(tmp_path / "root").scan()
    assert next(scanning).path == b"0"
    shutil.rmtree(tmp_path / "root/0")
    os.symlink(tmp_path / "outside", tmp_path / "root/0")
    found = {item.path: item for item in scanning}
    problem = found[b"0/secret"].problem
    assert problem is not None
    assert (problem.item, problem.state) == ("0/secret", State.FAILED)
    assert found[b"1/secret"].problem is None


def test_socket_pipe_and_device_are_named_as_not_exportable(tmp_path: Path) -> None:
    os.mkfifo(os.fsencode(tmp_path) + b"/pipe\xff")
    expected = {b"pipe\xff": ("pipe%FF", "a named pipe"), b"socket": ("socket", "a socket")}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        if os.geteuid() == 0:
            os.mknod(tmp_path / "device", 0o020600, os.makedev(1, 3))
            expected[b"device"] = ("device", "a character device")
        found = scan(tmp_path)
    assert set(found) == set(expected)
    for path, (item, what) in expected.items():
        problem = found[path].problem
        assert problem is not None
        assert (problem.item, problem.state, problem.why) == (item, State.NOT_EXPORTABLE, f"it is {what}")
        assert problem.fix
        with pytest.raises(SourceError):
            read(tmp_path, path)


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_missing_root_is_told_with_a_hint(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    source = DirectoryFiles(tmp_path / name)
    for call in (lambda: list(source.scan()), lambda: list(source.read(b"a")), lambda: source.status(b"a")):
        with pytest.raises(SourceError, match=name) as caught:
            call()
        assert caught.value.hint == "check the path"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_is_not_permitted_is_named_and_the_rest_goes_on(open_directory: Path) -> None:
    make(open_directory, b"closed/inner")
    make(open_directory, b"names-only/inner")
    make(open_directory, b"private", b"x")
    make(open_directory, b"public", b"x")
    for name, mode in (("closed", 0o700), ("names-only", 0o744), ("private", 0o600)):
        (open_directory / name).chmod(mode)
    os.seteuid(65534)
    try:
        found = scan(open_directory)
        with pytest.raises(PermissionMissing, match="private") as caught:
            read(open_directory, b"private")
        status = DirectoryFiles(open_directory).status(b"closed/inner")
    finally:
        os.seteuid(0)
    problems = {path: item.problem.state for path, item in found.items() if item.problem is not None}
    assert problems == dict.fromkeys((b"closed", b"names-only/inner", b"private"), State.NOT_PERMITTED)
    assert found[b"public"].problem is None
    assert caught.value.why == "permission denied"
    assert status is not None
    assert status.problem is not None


def test_file_that_vanished_is_a_failed_item(tmp_path: Path) -> None:
    for name in (b"a", b"b", b"c/d"):
        make(tmp_path, name)
    scanning = DirectoryFiles(tmp_path).scan()
    next(scanning)
    (tmp_path / "b").unlink()
    shutil.rmtree(tmp_path / "c")
    rest = {item.path: item.problem for item in scanning}
    assert set(rest) == {b"b", b"c"}
    for path, problem in rest.items():
        assert problem is not None
        assert (problem.item, problem.state) == (path.decode(), State.FAILED)
        assert "vanished" in problem.why
    with pytest.raises(SourceError) as caught:
        read(tmp_path, b"b")
    assert "vanished" in caught.value.why


def test_file_that_became_a_directory_is_not_dropped_silently(tmp_path: Path) -> None:
    make(tmp_path, b"a")
    make(tmp_path, b"b")
    scanning = DirectoryFiles(tmp_path).scan()
    next(scanning)
    (tmp_path / "b").unlink()
    make(tmp_path, b"b/inner")
    (found,) = scanning
    assert found.problem is not None
    assert "became a directory" in found.problem.why


def test_directory_that_became_a_file_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, b"a")
    make(tmp_path, b"b/inner")
    scanning = DirectoryFiles(tmp_path).scan()
    next(scanning)
    shutil.rmtree(tmp_path / "b")
    make(tmp_path, b"b", b"12")
    (found,) = scanning
    assert (found.path, found.type, found.size, found.problem) == (b"b", "f", 2, None)


def test_file_is_read_in_pieces_of_at_most_a_mebibyte(tmp_path: Path) -> None:
    data = os.urandom(MIB) * 3 + b"end"
    make(tmp_path, b"large", data)
    pieces = list(DirectoryFiles(tmp_path).read(b"large"))
    assert max(map(len, pieces)) <= MIB
    assert b"".join(pieces) == data
    make(tmp_path, b"empty")
    assert read(tmp_path, b"empty") == b""


def test_file_that_grows_while_read_shows_it_in_its_status(tmp_path: Path) -> None:
    make(tmp_path, b"log", bytes(MIB))
    source = DirectoryFiles(tmp_path)
    before = source.status(b"log")
    reading = source.read(b"log")
    pieces = [next(reading)]
    with open(tmp_path / "log", "ab") as log:
        log.write(b"more")
    pieces.extend(reading)
    after = source.status(b"log")
    assert before is not None
    assert after is not None
    assert (before.size, after.size, len(b"".join(pieces))) == (MIB, MIB + 4, MIB + 4)
    assert after.ctime_ns >= before.ctime_ns


def test_file_replaced_while_read_is_read_to_its_own_end(tmp_path: Path) -> None:
    make(tmp_path, b"a", b"old" * MIB)
    source = DirectoryFiles(tmp_path)
    before = source.status(b"a")
    reading = source.read(b"a")
    first = next(reading)
    make(tmp_path, b"new", b"new")
    os.rename(tmp_path / "new", tmp_path / "a")
    assert first + b"".join(reading) == b"old" * MIB
    after = source.status(b"a")
    assert before is not None
    assert after is not None
    assert before.inode != after.inode


def test_three_hundred_nested_directories_are_scanned_and_read(tmp_path: Path) -> None:
    parts = [b"d" * 20] * 300
    here = os.open(tmp_path, os.O_RDONLY)
    for part in parts:
        os.mkdir(part, dir_fd=here)
        below = os.open(part, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    descriptor = os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(descriptor, b"deep")
    os.close(descriptor)
    os.close(here)
    found = scan(tmp_path)
    leaf = b"/".join([*parts, b"leaf"])
    assert len(leaf) > 4096
    assert len(found) == 301
    assert all(item.problem is None for item in found.values())
    assert read(tmp_path, leaf) == b"deep"


def test_scan_that_is_given_up_closes_its_descriptors(tmp_path: Path) -> None:
    make(tmp_path, b"a/b/c")
    before = len(os.listdir("/proc/self/fd"))
    scanning = DirectoryFiles(tmp_path).scan()
    for _ in range(3):
        next(scanning)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    del scanning
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("path", [b"", b"/etc/passwd", b"../a", b"a/../b", b"a//b", b"a/", b".", b"a\0b"])
def test_path_that_could_lead_outside_is_refused(tmp_path: Path, path: bytes) -> None:
    source = DirectoryFiles(tmp_path)
    with pytest.raises(UnsafeError):
        source.status(path)
    with pytest.raises(UnsafeError):
        next(source.read(path))


def test_now_is_the_clock_of_ctime(tmp_path: Path) -> None:
    make(tmp_path, b"a")
    ctime_ns = (tmp_path / "a").stat().st_ctime_ns
    assert abs(DirectoryFiles(tmp_path).now_ns() - ctime_ns) < 60 * 1_000_000_000
