"""Where a stress run over HTTP takes place: two buckets of a real server behind a proxy that disturbs, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.sources import ROOT
from tests.bucket_servers import SERVERS
from tests.bucket_stores import store_in
from tests.stress_work import FIRST, SECOND, Place


@dataclass(slots=True, kw_only=True)
class Disturbed:
    """`place` is behind the proxy, `direct` the same without it. `told` is filled at the end: requests, and how they fared."""

    place: Place
    direct: Place
    told: dict[str, int] = field(default_factory=dict)


@contextmanager
def in_buckets(root: Path, kind: str, *, seed: int, share: float, delay_s: float) -> Iterator[Disturbed]:
    with SERVERS[kind]() as server:
        urls = {name: f"{server.new_bucket()}/of/stress" for name in (FIRST, SECOND)}
        words = (server.endpoint, "--seed", str(seed), "--share", str(share), "--delay", str(delay_s))
        with subprocess.Popen(
            [sys.executable, "-m", "tests.faulty_proxy", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as proxy:
            assert proxy.stdout is not None
            behind = server.at(proxy.stdout.readline().strip())
            disturbed = Disturbed(
                place=Place(root=root, store_of=lambda name: store_in(behind, urls[name])),
                direct=Place(root=root, store_of=lambda name: store_in(server, urls[name])),
            )
            yield disturbed
            said, _ = proxy.communicate()
            disturbed.told.update(json.loads(said))


def in_child(work: Callable[[], None]) -> None:
    """The client library has threads, which no fork survives: who forks later must not have used it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError("the work of a child failed")
