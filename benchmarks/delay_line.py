"""A line to a server on loopback that is long: every byte arrives so much later, in both directions together, however many there are.

    python -m benchmarks.delay_line --to PORT --delay-ms 50 --log FILE

A process of its own, so that it takes no time of what is measured. Prints its port; writes a line for each HTTP request that passes.
Bandwidth is not limited: bytes wait, and do not queue.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 1 << 18
_REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (\S+) HTTP/1\.1\r\n")


class Line:
    """What `log` tells of the requests since it was last asked."""

    def __init__(self, port: int, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._log = log
        self._read = 0

    def requests(self) -> list[str]:
        lines = self._log.read_text().splitlines()
        new, self._read = lines[self._read :], len(lines)
        return new


@contextmanager
def delay_line(port: int, *, delay_ms: int, directory: Path) -> Iterator[Line]:
    log = directory / f"requests-{port}-{delay_ms}"
    log.touch()
    words = [sys.executable, "-m", "benchmarks.delay_line", "--to", str(port), "--delay-ms", str(delay_ms)]
    child = subprocess.Popen([*words, "--log", str(log)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield Line(int(child.stdout.readline()), log)
    finally:
        child.terminate()
        child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay-ms", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.to, options.delay_ms / 1000, options.log))


async def _serve(port: int, delay_s: float, log: Path) -> None:
    with log.open("ab", buffering=0) as requests:

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port, limit=4 * _CHUNK)

            def note(data: bytes) -> None:
                if request := _REQUEST.match(data):
                    requests.write(request[1] + b" " + request[2] + b"\n")

            await asyncio.gather(_late(reader, back, delay_s, note), _late(there, writer, 0.0, lambda _: None))

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=4 * _CHUNK)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, note: object) -> None:
    """Pass bytes on, each `delay_s` after it came."""
    assert callable(note)
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        while data := await reader.read(_CHUNK):
            note(data)
            waiting.put_nowait((loop.time() + delay_s, data))
        waiting.put_nowait((loop.time() + delay_s, b""))

    async def give() -> None:
        while True:
            due_s, data = await waiting.get()
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    try:
        await asyncio.gather(take(), give())
    except (ConnectionError, OSError):
        writer.close()


if __name__ == "__main__":
    main()
