"""Backups that others hear of, as `[signals]` says: around one snapshot, or around a run over several sources.

Where nothing is configured nothing is imported and nothing happens. The exit code of a backup is never changed by whom it was told.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.cli.exit_codes import GOOD
from vault.cli.failures import told
from vault.errors import VaultError

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.app.signals.outcome import Outcome
    from vault.app.signals.send import Signals
    from vault.cli.taken import Taken

_TAIL_BYTES: Final = 16 * 1024


class Signalled:
    """A run that is told of. Its exit code is `code` if something set it, else that of what it ended with."""

    def __init__(self, settings: Settings, signals: Signals | None) -> None:
        self._settings = settings
        self._signals = signals
        self.code: int | None = None
        self.log: Path | None = None

    def one(self, source: str, save: Callable[[], Taken]) -> Taken:
        """Save a source, and tell how that ended. Raises  as `save`"""
        if self._signals is None:
            return save()
        from vault.app import wiring

        clock = wiring.SystemClock()
        began_ms = clock.now_ms()
        try:
            saved = save()
        except BaseException as failure:
            self._tell(source, _failed(source, failure), began_ms=began_ms, now_ms=clock.now_ms())
            raise
        if saved.snapshot is None:
            self.heard(source, int(saved.code), f"nothing to do: {saved.skipped}")
            return saved
        text = f"snapshot {saved.snapshot[:12]} saved" + (f": {saved.why}" if saved.why else "")
        self._tell(
            source,
            _outcome(source, int(saved.code), text=text, line=saved.line),
            began_ms=began_ms,
            now_ms=clock.now_ms(),
        )
        return saved

    def heard(self, source: str, code: int, text: str) -> None:
        """What became of a source that a process of its own saved and told of."""
        if self._signals is not None:
            self._signals.add(_outcome(source, code, text=text, line={}))

    def finish(self, code: int) -> None:
        if self._signals is not None:
            self._signals.finish(exit_code=code, tail=_tail(self.log))

    def _tell(self, source: str, outcome: Outcome, *, began_ms: int, now_ms: int) -> None:
        from vault.app import wiring
        from vault.app.signals.prometheus import Measured

        assert self._signals is not None
        try:
            place, max_age_ms = wiring.repository_place(self._settings), self._max_age_ms(source)
        except VaultError:
            place, max_age_ms = "", None
        counts = {name: _number(outcome.line.get(name)) for name in ("rows", "source_bytes", "new_bytes")}
        measured = Measured(
            ended_s=now_ms / 1000,
            duration_s=max(0, now_ms - began_ms) / 1000,
            exit_code=outcome.exit_code,
            good=outcome.exit_code in GOOD,
            max_age_s=None if max_age_ms is None else max_age_ms / 1000,
            **counts,
        )
        self._signals.ended(outcome, measured, repository=place)

    def _max_age_ms(self, source: str) -> int | None:
        """As configured, else by the schedule that is installed from here."""
        from vault.app import wiring
        from vault.app.schedule import known
        from vault.app.state import StateDirectory

        configured, folder = self._settings.schedule.max_age_ms, self._settings.state_dir
        if configured is not None or folder is None:
            return configured
        schedule = known.load(StateDirectory(folder)).of(source, wiring.repository_place(self._settings))
        return None if schedule is None else schedule.overdue_after_ms()


@contextmanager
def signalled(
    settings: Settings, name: str, *, tell: Callable[[str], None], with_ping: bool = True
) -> Iterator[Signalled]:
    """`name`: of the run, where a ping's URL wants one; `tell` hears what could not be told; without a ping it is part of a run."""
    signals = _signals(settings, name, tell=tell, with_ping=with_ping)
    run = Signalled(settings, signals)
    if signals is not None:
        signals.start()
    try:
        yield run
    except BaseException as failure:
        if signals is not None and not signals.outcomes:
            run.heard(name, int(told(failure).exit_code), _words(failure))
        run.finish(int(told(failure).exit_code))
        raise
    run.finish(0 if run.code is None else run.code)


def tell_of_refusal(
    settings: Settings | None, name: str, error: VaultError, *, tell: Callable[[str], None], log: Path | None = None
) -> None:
    """Of a run that could not begin, as of one that failed; waits for what is on its way, a few seconds at most. Never raises."""
    if settings is None:
        return

    def refuse() -> Taken:
        raise error

    with suppress(VaultError), signalled(settings, name, tell=tell) as heard:
        heard.log = log
        heard.one(name, refuse)


def _signals(settings: Settings, name: str, *, tell: Callable[[str], None], with_ping: bool) -> Signals | None:
    configured = settings.signals
    if configured == type(configured)():
        return None
    from dataclasses import replace

    from vault import __version__
    from vault.app import wiring
    from vault.app.signals.send import Sender, Signals

    return Signals(
        configured if with_ping else replace(configured, ping_url=None, ping_url_file=None),
        settings.environment,
        sender=Sender(name=name, host=socket.gethostname(), program=f"pgvault {__version__}"),
        entropy=wiring.system_entropy,
        tell=tell,
    )


def _failed(source: str, failure: BaseException) -> Outcome:
    from vault.cli import jsonout

    why = told(failure)
    line = jsonout.error(failure, why.exit_code) if isinstance(failure, VaultError) else {}
    return _outcome(source, int(why.exit_code), text=_words(failure), line=line)


def _words(failure: BaseException) -> str:
    why = told(failure)
    return f"{why.message}: {why.why}" if why.why else why.message


def _outcome(source: str, code: int, *, text: str, line: Mapping[str, object]) -> Outcome:
    from vault.app.conninfo import redacted
    from vault.app.signals.outcome import Outcome

    return Outcome(source=source, exit_code=code, text=redacted(text), line=line)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _tail(log: Path | None) -> str:
    """The end of a log; nothing of one that cannot be read."""
    if log is None:
        return ""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
