"""A throwaway server belongs to nobody else, ends with the process that started it, and is swept when that could not clean up."""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from vault.errors import SourceError
from vault.source.postgres.connection import throwaway_directories
from vault.source.postgres.connection.throwaway_directories import ALIVE, PREFIX, account, sweep, throwaway_directory
from vault.source.postgres.connection.throwaway_server import EmbeddedServer

pytestmark = pytest.mark.postgres

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
END_S = 60

STARTED = """
import sys
from pathlib import Path
from tests.fix_postgres import binaries_of
from vault.source.postgres.connection.throwaway_server import EmbeddedServer
from vault.source.postgres.connection.throwaway_directories import throwaway_directory
with throwaway_directory() as place, EmbeddedServer(place / "server", binaries=binaries_of(15)) as server:
    print(place, flush=True)
    sys.stdin.read()
"""


def directory_of(cluster: Cluster) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(cluster.dsn())["host"]))


@AS_ROOT
def test_another_user_of_the_machine_cannot_connect(postgres: Cluster) -> None:
    nobody = pwd.getpwnam("nobody")
    tried = subprocess.run(
        ["/usr/lib/postgresql/15/bin/psql", "-X", "-c", "SELECT 1", postgres.dsn()],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 2
    assert "Permission denied" in tried.stderr


def test_its_directory_and_socket_are_closed_and_no_port_is_open(postgres: Cluster) -> None:
    place = directory_of(postgres)
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    with postgres.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.spec("CODE-6")
@AS_ROOT
def test_it_runs_as_a_user_that_nobody_has(postgres: Cluster) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE who (uid int); COPY who FROM PROGRAM 'id -u'")
        ((uid,),) = connection.execute("SELECT uid FROM who").fetchall()
    assert uid == directory_of(postgres).stat().st_uid
    assert uid in throwaway_directories.UIDS
    with pytest.raises(KeyError):
        pwd.getpwuid(uid)


@AS_ROOT
def test_two_servers_are_two_users() -> None:
    with server(15) as one, server(15) as other:
        assert directory_of(one).stat().st_uid != directory_of(other).stat().st_uid


@AS_ROOT
def test_where_no_id_is_free_it_is_nobody_and_never_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway_directories, "UIDS", range(1))  # root's own
    found = account()
    assert found is not None
    assert (found.uid, found.gid) == found.maker == pwd.getpwnam("nobody")[2:4]


def test_it_ends_when_its_starter_is_killed_and_the_next_run_removes_what_is_left(postgres: Cluster) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    assert starter.stdin is not None
    place = Path(starter.stdout.readline().strip())
    postmaster = int((place / "server" / "data" / "postmaster.pid").read_text().splitlines()[0])
    ended = os.pidfd_open(postmaster)
    try:
        sweep()
        assert place.exists()
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        assert select.select([ended], [], [], END_S)[0]
    finally:
        os.close(ended)
        starter.stdin.close()
        starter.stdout.close()
    assert place.exists()
    with throwaway_directory():
        assert not place.exists()
    assert directory_of(postgres).exists()


def test_what_is_left_of_a_removal_that_was_killed_is_removed_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large database it takes seconds, in the order in which the file system lists names: here the one that a sweep looks for is first."""
    scandir, unlink = os.scandir, os.unlink

    @contextmanager
    def in_order(of: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(of) as entries:
            yield iter(sorted(entries, key=lambda entry: entry.name))

    def killed(name: str, **where: int) -> None:
        if os.path.basename(name) == "rows":
            raise KeyboardInterrupt
        unlink(name, **where)

    with ExitStack() as stack, monkeypatch.context() as patch:
        place = stack.enter_context(throwaway_directory())
        (place / "server").mkdir()
        (place / "server" / "rows").write_text("a row")
        patch.setattr(os, "scandir", in_order)
        patch.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            stack.close()
    assert (place / "server" / "rows").exists()
    sweep()
    assert not place.exists()


def test_nothing_of_others_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    unlocked, link, file = (tmp_path / f"{PREFIX}{name}" for name in ("unlocked", "link", "file"))
    unlocked.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ALIVE).touch()
    link.symlink_to(elsewhere)
    file.touch()
    sweep()
    assert (elsewhere / ALIVE).exists()
    assert unlocked.exists()
    assert file.exists()
    (unlocked / ALIVE).touch()
    sweep()
    assert not unlocked.exists()


@pytest.mark.skipif(
    not Path("/proc/sys/vm/nr_hugepages").exists() or Path("/proc/sys/vm/nr_hugepages").read_text().strip() != "0",
    reason="needs Linux without huge pages",
)
def test_a_server_without_memory_is_told_in_its_own_words() -> None:
    """Its log goes with the directory, so nobody is sent there. What cannot be had here are huge pages."""
    program = """
from tests.fix_postgres import server
from vault.errors import SourceError
try:
    with server(15, settings={"huge_pages": "on"}):
        pass
except SourceError as error:
    print(error.why, error.hint, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    why, hint = done.stdout.split("|")
    assert "could not map anonymous shared memory: Cannot allocate memory" in why
    assert "log output" not in why
    assert "free memory" in hint


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
def test_an_initdb_without_memory_names_neither_its_steps_nor_what_took_the_memory() -> None:
    program = """
import resource
from tests.fix_postgres import binaries_of
from vault.errors import SourceError
from vault.source.postgres.connection.throwaway_directories import throwaway_directory
from vault.source.postgres.connection.throwaway_server import EmbeddedServer
_, hard = resource.getrlimit(resource.RLIMIT_AS)
for megabytes in range(120, 200, 20):
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6, hard))
    with throwaway_directory() as directory:
        try:
            EmbeddedServer(directory / "server", binaries=binaries_of(15)).start().stop()
        except SourceError as error:
            print(error.message, error.why, error.hint, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = [line.split("|") for line in done.stdout.splitlines()]
    assert any(message.startswith("initdb") for message, _, _ in told)
    for message, why, hint in told:
        assert "of the embedded server failed" in message
        assert "memory" in why
        assert "creating" not in why
        assert "free memory" in hint


def test_a_temporary_directory_too_deep_for_a_socket_is_told_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    with throwaway_directory() as place:
        deep = place / ("d" * 100)
        deep.mkdir(mode=0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(deep))
        with pytest.raises(SourceError, match="too long a path") as refused, EmbeddedServer(deep / "server"):
            pass
        assert "TMPDIR=/tmp" in refused.value.hint
        assert not list(deep.glob(f"{PREFIX}*")), "nothing of it is left"
