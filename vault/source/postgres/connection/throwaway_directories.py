"""Where throwaway servers live, and as whom they run: nobody else can reach them, and what dies without cleaning up is swept by the next run.

A place is a directory with a file that its process keeps locked; the lock goes with the process, however it ends. Spec 86-foreign-code.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import SourceError

PREFIX: Final = "pgvault-server-"
ALIVE: Final = "alive"
KEPT: Final = "kept"
"""In a place whose server was left running on purpose: its process and its user."""
STOP: Final = "stop"
_STOPPING: Final = """\
#!/bin/sh
# Stops the server that a drill left running, and removes all that is here.
{
runs() {
  [ "$(ps -o uid= -p %(pid)d | tr -d ' ')" = "%(uid)d" ] && ps -ww -o args= -p %(pid)d | grep -F -q -- %(data)s
}
if runs; then
  kill -INT %(pid)d
  while runs; do sleep 1; done
fi
rm -rf -- %(place)s/server %(place)s/files && rm -rf -- %(place)s
exit
}
"""
"""The number of a process is the server's own word, and after a reboot another's: it is stopped only if its user and its data are the
server's. What has ended and waits for its parent has no arguments any more."""
UIDS: Final = range(61184, 65520)
"""What systemd gives to dynamic users: no account of a person or a package lies there."""


@contextmanager
def throwaway_directory() -> Iterator[Path]:
    """A directory below the system's temporary one, gone at the end. Those that a killed process left are removed first.

    As root others may walk through it, to what they own.
    Raises  SourceError: there can be none
    """
    sweep()
    try:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise SourceError(
            "no directory for a throwaway server can be made",
            why=str(error),
            hint="set TMPDIR to one that can be written",
        ) from error
    if os.geteuid() == 0:
        place.chmod(0o711)
    new = place / f"{ALIVE}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.rename(place / ALIVE)
        yield place
    finally:
        try:
            if not (place / KEPT).exists():
                _remove(place)
        finally:
            os.close(lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The process of a server that outlives the one that started it, and its user."""

    pid: int
    uid: int

    def is_alive(self, place: Path) -> bool:
        """Whether the process of this number is the server whose data is in `place`, and has not ended."""
        uid, arguments = _process(self.pid)
        return uid == self.uid and _data(place) in arguments


def _data(place: Path) -> str:
    """What the server's arguments name, and nobody else's: the place's name was drawn."""
    return f"{place.name}/server/data"


def _process(pid: int) -> tuple[int, str]:
    """Whose it is, and its arguments; -1 and none if there is no such process, none if it is a zombie."""
    try:
        if os.path.isdir("/proc/self"):
            uid = Path("/proc", str(pid)).stat().st_uid
            return uid, Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        said = subprocess.run(
            ["ps", "-ww", "-o", "uid=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split(maxsplit=1)
        return (int(said[0]), said[1]) if len(said) == 2 else (-1, "")
    except (OSError, ValueError):
        return -1, ""


def keep(place: Path, server: Kept) -> str:
    """Leave `place` and what runs in it; returns the line that ends both. Raises  OSError"""
    script = place / STOP
    text = _STOPPING % {
        "pid": server.pid,
        "uid": server.uid,
        "place": shlex.quote(str(place)),
        "data": shlex.quote(_data(place)),
    }
    script.write_text(text, encoding="utf-8")
    script.chmod(0o700)
    (place / KEPT).write_text(f"{server.pid} {server.uid}\n", encoding="ascii")
    return f"sh {shlex.quote(str(script))}"


def _is_kept(place: Path) -> bool:
    try:
        pid, uid = map(int, (place / KEPT).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return False
    return Kept(pid=pid, uid=uid).is_alive(place)


def sweep() -> None:
    """Remove the places of this user whose process has ended, unless their server was left running and runs.

    A server that still runs in one that is removed ends when it misses its files.
    """
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            known = place.lstat()
            if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid():
                continue
            lock = os.open(place / ALIVE, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # another process removes it, or has not locked it yet
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_kept(place):
                _remove(place)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _remove(place: Path) -> None:
    """Last of all the file by which a sweep knows it: whoever is killed meanwhile leaves rows that the next run removes."""
    try:
        below = [path for path in place.iterdir() if path.name != ALIVE]
    except OSError:
        return
    for path in below:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    if not any(path.is_dir() for path in below):
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a server runs as when we are root. `maker` runs initdb, which refuses a user without a name."""

    uid: int
    gid: int
    maker: tuple[int, int]


def account() -> Account | None:
    """A user that owns nothing: one that nobody has, else `nobody`. None if we are not root. Raises SourceError: not even that one exists"""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SourceError(
            "a PostgreSQL server cannot run as root, and there is no user named nobody",
            hint="run pgvault as another user than root",
        ) from None
    maker = (nobody.pw_uid, nobody.pw_gid)
    uid = _unused()
    return Account(uid=uid, gid=uid, maker=maker) if uid else Account(uid=maker[0], gid=maker[1], maker=maker)


def give(tree: Path, owner: tuple[int, int]) -> None:
    """Make `owner` (uid, gid) the owner of all in `tree`; links are not followed. Raises OSError"""
    os.chown(tree, *owner, follow_symlinks=False)
    for directory, names, files in os.walk(tree):
        for name in (*names, *files):
            os.chown(Path(directory) / name, *owner, follow_symlinks=False)


def _unused() -> int:
    """A uid of UIDS without account and without process; 0 if this system has none to give."""
    if sys.platform != "linux":
        return 0
    running, first = _running(), os.getpid() % len(UIDS)
    for uid in (*UIDS[first:], *UIDS[:first]):
        if uid not in running and not _is_known(uid):
            return uid if _may_be_given(uid) else 0
    return 0


def _running() -> set[int]:
    uids = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                uids.add(Path("/proc", name).stat().st_uid)
            except OSError:
                continue  # it ended
    return uids


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _may_be_given(uid: int) -> bool:
    """In a user namespace most ids do not exist."""
    with tempfile.NamedTemporaryFile(prefix=PREFIX) as file:
        try:
            os.chown(file.name, uid, uid)
        except OSError:
            return False
    return True
