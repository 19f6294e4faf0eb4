"""`pgvault watch`: scheduled runs by a process that stays, where no timer of the operating system can be had."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import click

from vault.app import state, wiring
from vault.app.schedule.plan import name_of, sources_of, timetable_of
from vault.app.schedule.watching import last_saved_ms
from vault.app.signals.service_manager import ServiceManager
from vault.cli import jsonout
from vault.cli.about import instant
from vault.cli.exit_codes import SAVED, ExitCode
from vault.cli.options import Invocation, command
from vault.errors import Locked, StateUnusable
from vault.model.words import ended
from vault.ops.schedule.turns import next_turn_ms

if TYPE_CHECKING:
    from types import FrameType

    from vault.app.settings import Settings
    from vault.ops.schedule.timetable import Timetable

_STEP_S: Final = 30.0
"""The wall clock is looked at so often: a machine that slept catches up half a minute after it woke."""
_STOP_PATIENCE_S: Final = 20.0


class _StopWatching(BaseException):
    """Somebody asked the service to end."""


@command(
    "watch",
    help="Stay, and do what `schedule run` does whenever it is due.\n\nFor containers, and where no timer can be had; else "
    "`schedule install` survives more. What was missed, because the machine slept or this did not run, is caught up once; a run "
    "that saved nothing is tried again after an hour. Ends on SIGTERM; a backup that runs then goes on by itself. Tells systemd "
    "(Type=notify) when it is ready and what it waits for.",
    examples=["pgvault watch", "pgvault watch --every 6h", "pgvault watch --at 03:10"],
)
@click.option("--at", metavar="TIME", help="03:10, or 'sun 03:10'. Default: [schedule] at, else some time at night.")
@click.option("--every", metavar="D", help="1d, 1w, 12h, 6h, ... Default: [schedule] every, else 1d.")
def watch(invocation: Invocation, at: str | None, every: str | None) -> int:
    from vault.cli.commands.schedule import here_of

    settings = invocation.settings()
    place, here = wiring.repository_place(settings), here_of(settings)
    watching = _Watching(
        invocation=invocation,
        settings=settings,
        timetable=timetable_of(settings, at=at, every=every, here=here),
        words=(*here.program, *_passed_on(invocation)),
        manager=ServiceManager(settings.environment),
        saved_ms=_saved_before(invocation, settings, place),
    )
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _stop)
    with _alone(invocation, settings, name_of(settings, here)):
        try:
            watching.stay()
        except _StopWatching:
            watching.end()
    return ExitCode.OK


@contextmanager
def _alone(invocation: Invocation, settings: Settings, name: str) -> Iterator[None]:
    """Two that watch the same would save everything twice. Raises  Locked: another process does"""
    try:
        directory = state.state_directory(settings)
        directory.make()
        lock = state.take(directory.watch_lock(name))
    except StateUnusable as error:
        invocation.renderer().insist(f"warning: a second watch would not be noticed: {error.message}: {error.why}")
        yield
        return
    if lock is None:
        raise Locked(
            "another pgvault watch does this already",
            why=f"it stays for {name} on this machine",
            hint="end that one first; what it saved: pgvault status",
        )
    try:
        yield
    finally:
        lock.release()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _StopWatching


def _passed_on(invocation: Invocation) -> tuple[str, ...]:
    """What was said of all commands, for the one that does the work."""
    given = (("--repo", invocation.repository), ("--source", invocation.source))
    options = [f"{flag}={value}" for flag, value in given if value]
    flags = ["--json"] * invocation.json + ["-q"] * invocation.quiet + ["-v"] * invocation.verbosity
    return ("schedule", "run", *options, *flags)


def _saved_before(invocation: Invocation, settings: Settings, repository: str) -> int:
    try:
        now_ms = wiring.SystemClock().now_ms()
        return last_saved_ms(state.state_directory(settings), repository, sources_of(settings), now_ms=now_ms)
    except StateUnusable as error:
        invocation.renderer().insist(f"warning: {error.message}: {error.why}; earlier runs are not known")
        return 0


@dataclass(slots=True, kw_only=True)
class _Watching:
    invocation: Invocation
    settings: Settings
    timetable: Timetable
    words: tuple[str, ...]
    manager: ServiceManager
    saved_ms: int
    tried_ms: int = 0
    runs: int = 0
    failed: int = 0

    def stay(self) -> NoReturn:
        clock = wiring.SystemClock()
        self.invocation.renderer().talk(f"watching: {self.timetable}")
        self.manager.ready()
        announced_ms = 0
        while True:
            now_ms = clock.now_ms()
            turn_ms = next_turn_ms(self.timetable, now_ms=now_ms, saved_ms=self.saved_ms, tried_ms=self.tried_ms)
            if turn_ms <= now_ms:
                self._run(now_ms)
                continue
            if turn_ms != announced_ms:
                announced_ms = turn_ms
                self.manager.at_work(f"next backup {instant(turn_ms)}")
                self.invocation.renderer().talk(f"next backup {instant(turn_ms)}")
            self._rest((turn_ms - now_ms) / 1000)

    def end(self) -> None:
        self.manager.stopping()
        if self.invocation.json:
            self.invocation.renderer().json_line(jsonout.result(runs=self.runs, failed=self.failed))
        else:
            self.invocation.renderer().talk("stopped")

    def _run(self, now_ms: int) -> None:
        """By a process of its own: what it takes of memory is given back, and it reads the configuration anew."""
        self.tried_ms = now_ms
        self.runs += 1
        self.manager.at_work("a backup runs")
        # Only this process is the service; the other one's readiness and end are not its.
        hidden = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        environment = {name: value for name, value in self.settings.environment.items() if name not in hidden}
        try:
            process = subprocess.Popen(self.words, env=environment, stdin=subprocess.DEVNULL)
        except OSError as error:  # no memory or no process to be had: the next time there may be
            self._saved_nothing(f"it could not be started: {error.strerror}")
            return
        with process:
            try:
                while process.poll() is None:
                    self._rest(1.0)
            except BaseException:
                _end(process)
                raise
        if process.returncode in SAVED or self._has_saved(now_ms):
            self.saved_ms = now_ms
        else:
            self._saved_nothing(ended(process.returncode))

    def _saved_nothing(self, why: str) -> None:
        self.failed += 1
        self.invocation.renderer().insist(f"warning: the run saved nothing ({why})")

    def _has_saved(self, since_ms: int) -> bool:
        """Whatever the exit code: a check after a good backup may have found damage."""
        return _saved_before(self.invocation, self.settings, wiring.repository_place(self.settings)) >= since_ms

    def _rest(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, _STEP_S, self.manager.heartbeat_s or _STEP_S)))
        self.manager.alive()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()


COMMAND = watch
