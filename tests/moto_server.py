"""moto's server, its own program and its own words, which answers one request after the other.

    python tests/moto_server.py -H 127.0.0.1 -p 5000

Amazon decides If-None-Match when it writes. moto looks whether the name is taken, then writes, each request in a thread of its
own, so that two who race for one name could both be told that they have it.
"""

from __future__ import annotations

import io
import threading
from typing import Any

from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

_answer: Any = DomainDispatcherApplication.__call__
_ONE = threading.Lock()


def answer_alone(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
    if length := environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))  # nobody waits for a slow client
    with _ONE:
        return _answer(application, environ, start_response)


if __name__ == "__main__":
    DomainDispatcherApplication.__call__ = answer_alone  # type: ignore[assignment, method-assign]
    server.main()
