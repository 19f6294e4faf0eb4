"""A program of its own: deliver one HTTP request, described on its standard input, and end within its time whatever the other side does.

    {"url", "method", "headers": {...}, "body": TEXT, "deadline_s": F, "attempts": N, "pause_s": F}
    -> {"status": 200} or {"why": "..."} on standard output

It is started by its path with the standard library alone. A name server that does not answer cannot be interrupted within a program,
so an alarm ends this one. Redirects are not followed and no proxy is asked: a URL that is half a secret goes where it says, and
nowhere else. What it prints never holds the URL. TLS is verified against the system's certificates.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import sys
import time
from base64 import b64encode
from typing import Any
from urllib.parse import unquote, urlsplit

_ANSWER_BYTES_MAX = 64 * 1024
_DESCRIBED_WITHIN_S = 10.0


def main() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process
    signal.setitimer(signal.ITIMER_REAL, _DESCRIBED_WITHIN_S)
    request = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_REAL, request["deadline_s"])
    sys.stdout.write(json.dumps(deliver(request)))


def deliver(request: dict[str, Any]) -> dict[str, Any]:
    """Try until it is delivered, or a try more would be of no use."""
    answer: dict[str, Any] = {}
    for attempt in range(request["attempts"]):
        if attempt:
            time.sleep(request["pause_s"])
        answer = _try(request)
        if answer.get("status", 500) < 500:
            break
    return answer


def _try(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"status": _send(request)}
    except ssl.SSLCertVerificationError as error:
        return {"why": f"its certificate is not accepted: {error.verify_message}"}
    except ssl.SSLError as error:
        return {"why": f"TLS failed: {error.reason or type(error).__name__}"}
    except socket.gaierror as error:
        return {"why": f"its name is not known: {error.strerror}"}
    except OSError as error:
        return {"why": error.strerror or type(error).__name__}
    except http.client.HTTPException as error:
        return {"why": f"it answered no HTTP ({type(error).__name__})"}


def _send(request: dict[str, Any]) -> int:
    """The status of the answer, whose body is read and dropped."""
    parts = urlsplit(request["url"])
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=request["deadline_s"])
    headers = dict(request["headers"])
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(request["method"], target, request["body"].encode(), headers)
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES_MAX)
        return answer.status
    finally:
        connection.close()


if __name__ == "__main__":
    main()
