"""HTTP requests that are sent beside the work, and never hold it up: each by a child process that is dead after its time.

What went wrong is told in words with the host alone: URLs of pings and webhooks are half secrets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vault.app.signals import deliver
from vault.errors import UsageError

DEADLINE_S: Final = 5.0
"""For all attempts of one request together, from looking up the name to the last byte of the answer."""
ATTEMPTS: Final = 3
PAUSE_S: Final = 0.5
_GRACE_S: Final = 1.0
_INHERITED: Final = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """`what`: of the configuration, for messages. `url` is never shown."""

    what: str
    url: str = field(repr=False)
    body: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_url(self.url, what=self.what)

    @property
    def host(self) -> str:
        return host_of(self.url)


def refuse_url(url: str, *, what: str) -> None:
    """Raises  UsageError: no http or https URL; it is not repeated"""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or any(char <= " " or char > "~" for char in url):
        raise UsageError(f"{what}: no http or https URL", why="it is not repeated here: such URLs are half secrets")


def host_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}{f':{parts.port}' if parts.port else ''}"


class Sending:
    """A request on its way. `outcome` waits for it, at most its time."""

    def __init__(self, request: HttpRequest, environment: Mapping[str, str], *, deadline_s: float = DEADLINE_S) -> None:
        self._request = request
        self._deadline_s = deadline_s
        self._failed = ""
        self._until = time.monotonic() + deadline_s + _GRACE_S
        self._process: subprocess.Popen[bytes] | None = None
        described = {
            "url": request.url,
            "method": "POST",
            "headers": {"User-Agent": "pgvault", **request.headers},
            "body": request.body,
            "deadline_s": deadline_s,
            "attempts": ATTEMPTS,
            "pause_s": PAUSE_S,
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(deliver.__file__).resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: environment[name] for name in _INHERITED if name in environment},
                start_new_session=True,
            )
            pipe, self._process.stdin = self._process.stdin, None
            assert pipe is not None
            with pipe:
                pipe.write(json.dumps(described).encode())
        except OSError as error:
            self._failed = f"it could not be sent: {error.strerror}"

    def outcome(self, *, within_s: float | None = None) -> str:
        """Empty if it was taken, else what went wrong, for people. Once. Never raises.

        within_s  give it up after so long; None: when its time is over, counted from when it was sent
        """
        why = self._failed or self._why(within_s)
        return f"{self._request.what}: {self._request.host}: {why}" if why else ""

    def _why(self, within_s: float | None) -> str:
        assert self._process is not None
        left_s = max(0.0, self._until - time.monotonic())
        try:
            out, _ = self._process.communicate(timeout=left_s if within_s is None else min(left_s, within_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            out = b""
        return _judged(out, self._deadline_s)


def _judged(out: bytes, deadline_s: float) -> str:
    """What the child printed, as words; nothing, if its alarm ended it."""
    try:
        answer = json.loads(out)
    except ValueError:
        return f"no answer within {deadline_s:g} s"
    status = answer.get("status")
    if status is None:
        return str(answer.get("why"))
    if 200 <= status < 300:
        return ""
    return f"it answered {status}" + ("; redirects are not followed" if 300 <= status < 400 else "")
