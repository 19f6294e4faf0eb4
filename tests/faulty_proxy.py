"""A proxy on loopback in front of any server of buckets that does what networks and overloaded servers do, and counts requests.

    with FaultyProxy(server.endpoint, by_seed(7, share=0.05), delay_s=0.05) as proxy:
        behind = server.at(proxy.endpoint)
        ...
        proxy.counts()[("PUT", "packs")]

    python -m tests.faulty_proxy http://127.0.0.1:9000 --seed 7 --share 0.05     prints its own endpoint; ends with its input

A plan says of each request how it fares. `by_seed` decides from the seed, the request and how often it was made before, so that
threads and processes that run differently meet the same faults; `on` names single requests.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.http_front import Connection, Cut, Forward, Front, Message, answer

FOLDERS: Final = frozenset(
    (
        "keys",
        "packs",
        "snapshots",
        "leases",
        "sweeps",
        "forgotten",
        "checks",
        "pins",
        "findings",
        "acks",
        "drills",
        "index",
    )
)
PIECE_BYTES: Final = 1 << 16
ASKED_KEPT: Final = 100_000
SLOW_DOWN: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Fate(Enum):
    """What becomes of a request. `LATE`: it took effect, and the client hears otherwise or nothing."""

    PASS = "pass"
    REFUSED = "503 without effect"
    LATE_REFUSED = "503 after the effect"
    CUT = "cut without effect"
    LATE_CUT = "cut after the effect"
    TRUNCATED = "half of the answer, then cut"
    SHORTENED = "half of the body as if it were whole"
    HELD = "no answer, for `held_s`, then cut"
    NOT_IMPLEMENTED = "501 without effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as a plan sees it. `kind`: folder of the repository, `config`, or `other`; of a listing with `list ` before it,
    of a deletion of many `delete many`. `before`: how often the same request was made before."""

    method: str
    kind: str
    target: str
    conditional: bool
    before: int


Plan = Callable[[Asked], Fate]
PASSING: Final = (Fate.REFUSED, Fate.LATE_REFUSED, Fate.CUT, Fate.LATE_CUT, Fate.TRUNCATED)
"""What a client that tries again gets over."""


def undisturbed(asked: Asked) -> Fate:
    return Fate.PASS


def by_seed(seed: int, *, share: float, fates: Sequence[Fate] = PASSING, in_a_row: int = 2) -> Plan:
    """A fault for a `share` of the requests, for the same one at most `in_a_row` times."""

    def plan(asked: Asked) -> Fate:
        choice = random.Random(f"{seed} {asked.method} {asked.target} {asked.before}")
        faulty = choice.random() < share and asked.before % (in_a_row + 1) < in_a_row
        return choice.choice(fates) if faulty else Fate.PASS

    return plan


def on(fate: Fate, *, method: str = "", kind: str = "", first: int = 1, times: int = 1) -> Plan:
    """`fate` for requests of that method and kind, from the `first` on (1 is the first) for so many."""
    counted, lock = [0], threading.Lock()

    def plan(asked: Asked) -> Fate:
        if method not in ("", asked.method) or kind not in ("", asked.kind):
            return Fate.PASS
        with lock:
            counted[0] += 1
            return fate if first <= counted[0] < first + times else Fate.PASS

    return plan


class FaultyProxy:
    """Stands in front of `behind`. `plan` and `delay_s` may be changed while it runs.

    delay_s      before each request goes on
    bytes_per_s  of each connection, in both directions; 0 is no limit
    """

    def __init__(
        self,
        behind: str,
        plan: Plan = undisturbed,
        *,
        delay_s: float = 0.0,
        bytes_per_s: int = 0,
        held_s: float = 60.0,
    ) -> None:
        self.plan = plan
        self.delay_s = delay_s
        self._bytes_per_s = bytes_per_s
        self._held_s = held_s
        self._front = Front(behind, self._handle)
        self._lock = threading.Lock()
        self._before: Counter[tuple[str, str]] = Counter()
        self._counts: Counter[tuple[str, str]] = Counter()
        self.asked: deque[Asked] = deque(maxlen=ASKED_KEPT)
        self.fates: Counter[Fate] = Counter()

    @property
    def endpoint(self) -> str:
        return self._front.endpoint

    def __enter__(self) -> Self:
        self._front.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._front.__exit__(kind, error, trace)

    def counts(self) -> Counter[tuple[str, str]]:
        """Requests by method and kind since the last `forget`."""
        with self._lock:
            return self._counts.copy()

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()
            self.asked.clear()
            self.fates.clear()

    def _handle(self, request: Message, ask: Forward, client: Connection) -> None:
        fate = self._fate(request)
        self._wait(self.delay_s)
        self._crawl(len(request.body))
        if fate is Fate.CUT:
            raise Cut
        if fate in (Fate.REFUSED, Fate.NOT_IMPLEMENTED):
            said = unavailable() if fate is Fate.REFUSED else answer(501, Content_Type="application/xml")
        else:
            said = ask(request)
        if fate is Fate.LATE_REFUSED:
            said = unavailable()
        elif fate in (Fate.LATE_CUT, Fate.HELD):
            self._wait(self._held_s if fate is Fate.HELD else 0)
            raise Cut
        self._reply(said, fate, client, bodiless=request.method == "HEAD")

    def _reply(self, said: Message, fate: Fate, client: Connection, *, bodiless: bool) -> None:
        body = b"" if bodiless else said.body
        if fate in (Fate.TRUNCATED, Fate.SHORTENED):
            body = body[: len(body) // 2]
        if fate is Fate.SHORTENED and not bodiless:
            said.drop("content-length")
            said.headers.append(("Content-Length", str(len(body))))
        head = said.head()
        client.send(head[:8] if fate is Fate.TRUNCATED and not body else head)
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            self._crawl(len(piece))
            client.send(piece)
        if fate is Fate.TRUNCATED:
            raise Cut

    def _fate(self, request: Message) -> Fate:
        with self._lock:
            key = (request.method, request.target)
            asked = read(request, before=self._before[key])
            self._before[key] += 1
            self._counts[request.method, asked.kind] += 1
            self.asked.append(asked)
        fate = self.plan(asked)
        with self._lock:
            self.fates[fate] += 1
        return fate

    def _crawl(self, size: int) -> None:
        if self._bytes_per_s:
            self._wait(size / self._bytes_per_s)

    def _wait(self, seconds: float) -> None:
        """Ends early with the proxy."""
        if seconds > 0 and self._front.over.wait(seconds):
            raise Cut


def unavailable() -> Message:
    return answer(503, SLOW_DOWN, Content_Type="application/xml")


def read(request: Message, *, before: int) -> Asked:
    address = urlsplit(request.target)
    query = parse_qs(address.query, keep_blank_values=True)
    conditional = any(request.header(name) for name in ("if-none-match", "x-goog-if-generation-match"))
    return Asked(
        method=request.method,
        kind=kind_of(address.path, query),
        target=request.target,
        conditional=conditional,
        before=before,
    )


def kind_of(path: str, query: dict[str, list[str]]) -> str:
    """Of Amazon's, Google's and Azure's requests alike: the folder is the last part of the name that is one of ours."""
    if "delete" in query or "batch" in query.get("comp", ()):
        return "delete many"
    if query.get("comp") == ["list"] or "list-type" in query:
        return ("list " + folder_of(query.get("prefix", [""])[0])).strip()
    return folder_of(unquote(path)) or "other"


def folder_of(name: str) -> str:
    parts = name.split("/")
    folders = [part for part in parts if part in FOLDERS]
    return folders[-1] if folders else "config" if parts[-1] == "config" else ""


def main() -> int:
    """Prints counts of requests and fates as JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("behind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    asked = parser.parse_args()
    with FaultyProxy(asked.behind, by_seed(asked.seed, share=asked.share), delay_s=asked.delay) as proxy:
        print(proxy.endpoint, flush=True)
        sys.stdin.read()
        told = {f"{method} {kind}": count for (method, kind), count in sorted(proxy.counts().items())}
        told |= {fate.value: count for fate, count in proxy.fates.items() if fate is not Fate.PASS}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
