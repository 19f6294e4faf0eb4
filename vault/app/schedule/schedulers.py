"""The operating system's schedulers behind one interface: what would be written, writing it, taking it away, what is there.

Whatever is written was shown as `drafts` before. Writing the same twice changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from vault.app.schedule import cron, launchd, systemd
from vault.app.schedule.commands import Commands
from vault.app.schedule.problem import ScheduleProblem
from vault.app.schedule.task import Task
from vault.errors import UsageError, VaultError

SCHEDULERS: Final = ("systemd", "systemd-user", "launchd", "cron")
_SYSTEMD_RUNS: Final = Path("/run/systemd/system")
_LINGERING: Final = Path("/var/lib/systemd/linger")
_CRON_PROGRAMS: Final = frozenset({"cron", "crond", "fcron", "busybox"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text, and where it goes: a file, or words for another place."""

    place: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a user's things are, and who asks. `root`: for the system's own files; / but for tests."""

    environment: Mapping[str, str] = field(repr=False)
    home: Path
    user: str
    uid: int
    root: Path = Path("/")


class Scheduler(Protocol):
    """`name`: one of SCHEDULERS."""

    name: str

    def drafts(self, task: Task) -> list[Draft]:
        """What `install` writes. Raises  UnsafeError: it cannot be"""

    def installed(self, name: str) -> list[Draft]:
        """What is there now under the task's name. Raises  VaultError"""

    def install(self, task: Task) -> None:
        """Raises  VaultError: part of it may be there; doing it again goes on"""

    def remove(self, name: str) -> None:
        """What is not there is no error. Raises  VaultError"""

    def problems(self) -> list[ScheduleProblem]:
        """Of the scheduler itself, on this machine."""

    def environment(self) -> Mapping[str, str]:
        """What it gives to runs beside what a task says."""


def chosen(name: str | None, machine: Machine) -> Scheduler:
    """The one asked for, else the machine's. Raises  UsageError: it has none"""
    commands = Commands(environment=machine.environment)
    if name is None:
        if sys.platform == "darwin":
            name = "launchd"
        elif _SYSTEMD_RUNS.is_dir():
            name = "systemd" if machine.uid == 0 else "systemd-user"
        elif commands.find("crontab"):
            name = "cron"
        else:
            raise UsageError(
                "no scheduler was found on this machine",
                why="systemd does not run here, and there is no crontab",
                hint="install cron; or let whatever starts things here start: pgvault schedule run",
            )
    if name == "cron":
        return Crontab(machine, commands)
    if name == "launchd":
        return LaunchAgents(machine, commands)
    return SystemdUnits(machine, commands, system=name == "systemd")


# --- systemd -------------------------------------------------------------------------------------


class SystemdUnits:
    """A service and a timer, of the system's manager or of the user's."""

    def __init__(self, machine: Machine, commands: Commands, *, system: bool) -> None:
        self._machine = machine
        self._commands = commands
        self._system = system
        self.name = "systemd" if system else "systemd-user"
        config = Path(machine.environment.get("XDG_CONFIG_HOME") or machine.home / ".config")
        self._folder = machine.root / "etc/systemd/system" if system else config / "systemd" / "user"

    def drafts(self, task: Task) -> list[Draft]:
        texts = (("service", systemd.service(task, system=self._system)), ("timer", systemd.timer(task)))
        return [Draft(place=str(self._folder / f"{task.name}.{kind}"), text=text) for kind, text in texts]

    def installed(self, name: str) -> list[Draft]:
        return _read(self._files(name))

    def install(self, task: Task) -> None:
        for draft in self.drafts(task):
            _write(Path(draft.place), draft.text)
        self._control("daemon-reload")
        self._control("enable", f"{task.name}.timer")
        # A timer that runs keeps its old times until it is started anew.
        self._control("restart", f"{task.name}.timer")

    def remove(self, name: str) -> None:
        files = [path for path in self._files(name) if path.exists()]
        if files:
            self._control("disable", "--now", f"{name}.timer")
        for path in files:
            _delete(path)
        if files:
            self._control("daemon-reload")

    def problems(self) -> list[ScheduleProblem]:
        try:
            asked = self._commands.ask([*self._words(), "show", "--property=Version"])
            why = "" if asked.code == 0 else asked.words
        except VaultError as error:
            why = f"{error.message}: {error.why}"
        if why:
            return [
                ScheduleProblem(
                    what="systemd cannot be asked",
                    why=why,
                    fix="log in as this user itself, not by su or sudo"
                    if not self._system
                    else "pgvault schedule install --scheduler cron, if this machine has no systemd",
                    fatal=True,
                )
            ]
        if self._system and self._machine.uid != 0:
            why = "the system's units are written by root"
            return [ScheduleProblem(what="not root", why=why, fix="--scheduler systemd-user", fatal=True)]
        if not self._system and not (_LINGERING / self._machine.user).exists():
            return [
                ScheduleProblem(
                    what="runs start only while you are logged in",
                    why="lingering is not enabled for this user",
                    fix=f"loginctl enable-linger {self._machine.user}",
                )
            ]
        return []

    def environment(self) -> Mapping[str, str]:
        """A user's manager hands out the places of the session's sockets, which agents of passphrases listen at."""
        names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
        given = self._machine.environment
        return {} if self._system else {name: given[name] for name in names if name in given}

    def _files(self, name: str) -> list[Path]:
        return [self._folder / f"{name}.{kind}" for kind in ("service", "timer")]

    def _words(self) -> list[str]:
        return ["systemctl"] if self._system else ["systemctl", "--user"]

    def _control(self, *words: str) -> None:
        self._commands.run([*self._words(), *words])


# --- launchd -------------------------------------------------------------------------------------


class LaunchAgents:
    """A property list of the user's agents, or of root's daemons."""

    name = "launchd"

    def __init__(self, machine: Machine, commands: Commands) -> None:
        self._machine = machine
        self._commands = commands
        self._daemon = machine.uid == 0
        self._folder = machine.root / "Library/LaunchDaemons" if self._daemon else machine.home / "Library/LaunchAgents"
        self._domain = "system" if self._daemon else f"gui/{machine.uid}"

    def drafts(self, task: Task) -> list[Draft]:
        logs = self._machine.root / "Library/Logs" if self._daemon else self._machine.home / "Library/Logs"
        return [Draft(place=str(self._file(task.name)), text=launchd.plist(task, log=str(logs / f"{task.name}.log")))]

    def installed(self, name: str) -> list[Draft]:
        return _read([self._file(name)])

    def install(self, task: Task) -> None:
        [draft] = self.drafts(task)
        if self._file(task.name).exists():
            self._unload(task.name)
        _write(Path(draft.place), draft.text)
        self._commands.run(["launchctl", "bootstrap", self._domain, draft.place])

    def remove(self, name: str) -> None:
        if self._file(name).exists():
            self._unload(name)
            _delete(self._file(name))

    def problems(self) -> list[ScheduleProblem]:
        if self._commands.find("launchctl") is None:
            return [ScheduleProblem(what="no launchctl", why="launchd is macOS's", fix="--scheduler cron", fatal=True)]
        return []

    def environment(self) -> Mapping[str, str]:
        return {}

    def _file(self, name: str) -> Path:
        return self._folder / f"{launchd.label(name)}.plist"

    def _unload(self, name: str) -> None:
        """One that is not loaded is no error."""
        self._commands.ask(["launchctl", "bootout", f"{self._domain}/{launchd.label(name)}"])


# --- cron ----------------------------------------------------------------------------------------


class Crontab:
    """A marked line of the user's crontab."""

    name = "cron"

    def __init__(self, machine: Machine, commands: Commands) -> None:
        self._machine = machine
        self._commands = commands

    def drafts(self, task: Task) -> list[Draft]:
        return [Draft(place=self._place(), text=cron.block(task).decode("utf-8", "surrogateescape"))]

    def installed(self, name: str) -> list[Draft]:
        block = cron.installed(self._table()).get(name)
        return [] if block is None else [Draft(place=self._place(), text=block.decode("utf-8", "surrogateescape"))]

    def install(self, task: Task) -> None:
        table = self._table()
        self._replace(table, cron.within(table, task))

    def remove(self, name: str) -> None:
        table = self._table()
        self._replace(table, cron.without(table, name))

    def problems(self) -> list[ScheduleProblem]:
        if self._commands.find("crontab") is None:
            why = "the program crontab is not on PATH"
            return [ScheduleProblem(what="no cron", why=why, fix="install cron", fatal=True)]
        if sys.platform != "darwin" and not _CRON_PROGRAMS & set(_running()):
            why = "no process of that name was found on this machine"
            return [
                ScheduleProblem(
                    what="cron does not run",
                    why=why,
                    fix="start it: service cron start, or systemctl enable --now cron",
                )
            ]
        return []

    def environment(self) -> Mapping[str, str]:
        return {}

    def _place(self) -> str:
        return f"crontab of {self._machine.user}"

    def _table(self) -> bytes:
        """Without one, crontab says so and fails."""
        asked = self._commands.ask(["crontab", "-l"])
        if asked.code != 0 and "no crontab" not in asked.words.lower():
            raise VaultError("the crontab cannot be read", why=asked.words, hint="crontab -l")
        return asked.out if asked.code == 0 else b""

    def _replace(self, before: bytes, after: bytes) -> None:
        """Unless somebody changed it meanwhile, whose change would be lost."""
        if after == before:
            return
        if self._table() != before:
            raise VaultError("the crontab was changed by somebody else meanwhile", hint="do it again")
        self._commands.run(["crontab", "-"], given=after)


def _running() -> list[str]:
    """Names of processes, as far as they can be told."""
    names = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            names.append(path.read_text(encoding="utf-8", errors="replace").strip())
    return names


# --- files ---------------------------------------------------------------------------------------


def _read(paths: Sequence[Path]) -> list[Draft]:
    found = []
    for path in paths:
        try:
            found.append(Draft(place=str(path), text=path.read_text(encoding="utf-8", errors="surrogateescape")))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise VaultError(f"cannot read {path}", why=error.strerror or "") from error
    return found


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole; schedulers want to read it as others: 0644, and no secret is in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise VaultError(f"cannot write {path}", why=error.strerror or "") from error


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise VaultError(f"cannot remove {path}", why=error.strerror or "") from error
