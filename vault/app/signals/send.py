"""Tell whoever is configured that a backup starts and how it ended. Nothing here raises into a backup or holds it up for long."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.app.settings.signals import SignalSettings
from vault.app.signals import outcome as texts
from vault.app.signals import prometheus
from vault.app.signals.outcome import Outcome
from vault.app.signals.post import HttpRequest, Sending, refuse_url
from vault.errors import UsageError, VaultError
from vault.ports import Entropy

_FROM_ENVIRONMENT: Final = re.compile(r"env\((\w+)\)")
_FILE_BYTES_MAX: Final = 8 * 1024
_START_PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL as configured, under `key`: itself, `env(NAME)`, or in a file."""

    key: str
    url: str | None = None
    file: Path | None = None

    def read(self, environment: Mapping[str, str]) -> str:
        """The URL. Raises  UsageError: there is none"""
        if self.file is not None:
            text = self._from_file(self.file)
        else:
            match = _FROM_ENVIRONMENT.fullmatch(self.url or "")
            text = (self.url or "") if match is None else environment.get(match[1], "")
            if not text:
                raise UsageError(
                    f"{self.key}: no URL",
                    why=f"the variable {match[1] if match else ''} is not set",
                    hint=f"set it, or put the URL into a file and name that in {self.key}_file",
                )
        refuse_url(text.replace("{source}", "x"), what=self.key)
        return text

    def _from_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return file.read(_FILE_BYTES_MAX).decode("utf-8", "replace").strip()
        except OSError as error:
            raise UsageError(f"{self.key}_file: cannot read {path}", why=error.strerror or "") from error


def ping_endpoint(settings: SignalSettings) -> Endpoint | None:
    return _endpoint("signals.ping_url", settings.ping_url, settings.ping_url_file)


def webhook_endpoint(settings: SignalSettings) -> Endpoint | None:
    return _endpoint("signals.webhook_url", settings.webhook_url, settings.webhook_url_file)


def _endpoint(key: str, url: str | None, file: str | None) -> Endpoint | None:
    return Endpoint(key=key, url=url, file=None if file is None else Path(file)) if url or file else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who tells. `name`: of the run, for the ping's URL: the source, or what stands for several; `program`: with its version"""

    name: str
    host: str
    program: str


class Signals:
    """Of one run over one or several sources: `start`, `ended` for each source, `finish`. `tell` hears what could not be told."""

    def __init__(
        self,
        settings: SignalSettings,
        environment: Mapping[str, str],
        *,
        sender: Sender,
        entropy: Entropy,
        tell: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._sender = sender
        self._tell = tell
        self._run = str(uuid.UUID(bytes=entropy(16), version=4))
        self._starting: Sending | None = None
        self._sending: list[Sending] = []
        self.outcomes: list[Outcome] = []

    def start(self) -> None:
        """Nobody waits for its answer."""
        self._starting = self._ping("start", "")

    def add(self, ended: Outcome) -> None:
        """What the last ping says of one source."""
        self.outcomes.append(ended)

    def ended(self, ended: Outcome, measured: prometheus.Measured, *, repository: str) -> None:
        """One source's backup ended. Nobody waits for an answer."""
        self.add(ended)
        if (endpoint := webhook_endpoint(self._settings)) is not None:
            body = texts.webhook_text(ended, run=self._run, host=self._sender.host, program=self._sender.program)
            if (sent := self._send(endpoint, lambda url: url, body, {"Content-Type": "application/json"})) is not None:
                self._sending.append(sent)
        if (path := self._settings.prometheus_file) is not None:
            try:
                prometheus.write(Path(path), prometheus.label(repository, ended.source), measured)
            except VaultError as error:
                self._tell(f"{error.message}: {error.why}")

    def finish(self, *, exit_code: int, tail: str = "") -> None:
        """The run is over. Waits for what is on its way, a few seconds at most.

        tail  the end of the log, for a ping of failure
        """
        if self._starting is not None:
            # A start that comes after the end would look like a run that never ends.
            self._report(self._starting.outcome(within_s=_START_PATIENCE_S))
        word = "" if exit_code == 0 else "fail"
        body = texts.ping_text(self.outcomes, exit_code=exit_code, tail=tail)
        if (sent := self._ping(word, body)) is not None:
            self._sending.append(sent)
        for sent in self._sending:
            self._report(sent.outcome())

    def _ping(self, word: str, body: str) -> Sending | None:
        endpoint = ping_endpoint(self._settings)
        if endpoint is None:
            return None
        return self._send(
            endpoint, lambda url: texts.ping_url(url, source=self._sender.name, word=word, run=self._run), body, {}
        )

    def _send(
        self, endpoint: Endpoint, full: Callable[[str], str], body: str, headers: Mapping[str, str]
    ) -> Sending | None:
        try:
            request = HttpRequest(
                what=endpoint.key, url=full(endpoint.read(self._environment)), body=body, headers=headers
            )
        except VaultError as error:
            self._report(f"{error.message}{f': {error.why}' if error.why else ''}")
            return None
        return Sending(request, self._environment)

    def _report(self, why: str) -> None:
        if why:
            self._tell(f"warning: {why}")
