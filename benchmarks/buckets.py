"""A repository in a bucket, every request 50 ms away: what a day, a first backup, a restore, an upload and one file cost.

    python -m benchmarks.buckets [--scale S] [--rounds N] [--delay-ms MS] [--upload-mb MB] [--snapshots N]

One versitygw on loopback behind one delay line serves pgvault and restic alike. Data: `events`; a directory of 400 small files for one
file out of many snapshots; files of 16 MiB for the upload, which the store's own client puts as well, six at a time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import measure
from benchmarks.delay_line import Line, delay_line
from benchmarks.measure import Figures
from benchmarks.servers import ENVIRONMENT, PGVAULT, Bench, loaded
from tests.bucket_servers import BucketServer, versitygw
from vault.limits import MIB
from vault.ports import ObjectStore

_PACK_BYTES = 16 * MIB
_FILES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """The server behind the line. `scratch`: for caches and repositories of this run."""

    server: BucketServer
    line: Line
    scratch: Path

    def new_place(self) -> str:
        return f"{self.server.new_bucket()}/repository"

    def environment(self, cache: str) -> dict[str, str]:
        """Variables of pgvault and restic, with a cache of that name."""
        place = self.scratch / cache
        return {
            **ENVIRONMENT,
            **self.server.at(self.line.endpoint).environment,
            "AWS_DEFAULT_REGION": self.server.environment["AWS_REGION"],
            "PGVAULT_CACHE_DIR": str(place),
            "PGVAULT_STATE_DIR": str(place / "state"),
            "RESTIC_CACHE_DIR": str(place / "restic"),
        }

    def restic(self, place: str) -> str:
        """What restic calls the place."""
        return shlex.quote(f"s3:{self.line.endpoint}/{place.removeprefix('s3://')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=int, default=50)
    parser.add_argument("--upload-mb", type=int, default=1024)
    parser.add_argument("--snapshots", type=int, default=100)
    options = parser.parse_args()
    results: dict[str, object] = {"scale": options.scale, "delay_ms": options.delay_ms}
    with _far(options.delay_ms) as far:
        with loaded(options.scale) as bench:
            results["first_backup"], places = _first_backups(far, bench, options.rounds)
            results["unchanged_day"] = _days(far, bench, places["pgvault"], options.rounds)
            results["restore"] = _restores(far, bench, places, options.rounds)
        results["upload"] = _uploads(far, options.upload_mb, options.rounds)
        results["cat"] = _cat(far, options.snapshots)
    words = f"--scale {options.scale} --rounds {options.rounds} --delay-ms {options.delay_ms}"
    words += f" --upload-mb {options.upload_mb} --snapshots {options.snapshots}"
    print(measure.record("buckets", f"python -m benchmarks.buckets {words}", results))


@contextmanager
def _far(delay_ms: int) -> Iterator[Far]:
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as directory, versitygw() as server:
        port = urlsplit(server.endpoint).port
        assert port is not None
        with delay_line(port, delay_ms=delay_ms, directory=Path(directory)) as line:
            yield Far(server=server, line=line, scratch=Path(directory))


def _run(command: str, env: Mapping[str, str], *, memory: bool = False) -> Figures:
    done = measure.run(command, env=env, memory=memory)
    assert done.code == 0, f"{command}: {done.output}"
    return done


def _told(requests: Sequence[str]) -> dict[str, int]:
    """Requests by method and directory of the repository; a listing by what it lists."""
    return dict(Counter(f"{line.split(' ')[0]} {_kind(line)}" for line in requests).most_common())


def _kind(line: str) -> str:
    path = line.split(" ")[1]
    if "list-type" in path or "delete" in path:
        return "(list)" if "list-type" in path else "(delete many)"
    parts = path.split("?")[0].split("/")
    return parts[3] if len(parts) > 3 else ""


def _first_backups(far: Far, bench: Bench, rounds: int) -> tuple[dict[str, object], dict[str, str]]:
    walls: dict[str, list[float]] = {"pgvault": [], "restic": []}
    peak, places, told = 0, dict[str, str](), dict[str, int]()
    for number in range(rounds):
        for name, times in walls.items():
            place = far.new_place()
            env = far.environment(f"first-{name}-{number}")
            if name == "pgvault":
                _run(f"{PGVAULT} -r {place} init --no-recovery-kit", env)
                command = f"{PGVAULT} -r {place} backup -q -d {shlex.quote(bench.dsn)}"
            else:
                _run(f"restic -q -r {far.restic(place)} init", env)
                command = f"{bench.dump} | restic -q -r {far.restic(place)} backup --stdin --stdin-filename dump"
            far.line.requests()
            figures = _run(command, env, memory=name == "pgvault" and number == 0)
            peak = max(peak, figures.peak_bytes)
            told = told if name == "restic" or number else _told(far.line.requests())
            times.append(figures.wall_s)
            places[name] = place
    for name, times in walls.items():
        print(f"first backup {name:8} {measure.spread(times)} s")
    print(f"first backup: peak {peak / 1e6:.0f} MB, {sum(told.values())} requests {told}")
    return {"wall_s": walls, "peak_bytes": peak, "requests": told}, places


def _days(far: Far, bench: Bench, place: str, rounds: int) -> dict[str, object]:
    """An unchanged day in the bucket, warm and with an empty cache, beside one in a local repository."""
    local = far.scratch / "local"
    dsn = shlex.quote(bench.dsn)
    near = {**ENVIRONMENT, "PGVAULT_CACHE_DIR": str(far.scratch / "local-cache")}
    near["PGVAULT_STATE_DIR"] = str(far.scratch / "local-state")
    _run(f"{PGVAULT} -r {local} init --no-recovery-kit", near)
    commands = {
        "local": (f"{PGVAULT} -r {local} backup -q -d {dsn}", near),
        "bucket": (f"{PGVAULT} -r {place} backup -q -d {dsn}", far.environment("days")),
    }
    for command, env in (*commands.values(), *commands.values()):
        _run(command, env)
    walls: dict[str, list[float]] = {"local": [], "bucket": [], "bucket, cold": []}
    requests: list[str] = []
    for _ in range(max(5, rounds)):
        for name, (command, env) in commands.items():
            far.line.requests()
            walls[name].append(_run(command, env).wall_s)
            requests = far.line.requests() if name == "bucket" else requests

    for number in range(max(3, rounds)):  # afterwards: to the other caches each is a snapshot that they do not know
        far.line.requests()
        walls["bucket, cold"].append(_run(commands["bucket"][0], far.environment(f"cold-{number}")).wall_s)
    cold = far.line.requests()
    for name, times in walls.items():
        print(f"unchanged day {name:12} {measure.spread(times)} s")
    print(f"unchanged day: {len(requests)} requests {_told(requests)}; cold {len(cold)} {_told(cold)}")
    return {"wall_s": walls, "requests": _told(requests), "cold_requests": _told(cold)}


def _restores(far: Far, bench: Bench, places: Mapping[str, str], rounds: int) -> dict[str, object]:
    """Into an empty database; restic's dump by the way that is quicker: to a file, then pg_restore -j2."""
    walls: dict[str, list[float]] = {"pgvault": [], "restic": []}
    peak, told = 0, dict[str, int]()
    dump = far.scratch / "dump"
    for number in range(rounds):
        for name, times in walls.items():
            target = bench.cluster.createdb(f"target_{name}")
            dsn = shlex.quote(bench.cluster.dsn(target))
            restic = f"restic -q -r {far.restic(places['restic'])} dump latest dump > {dump}"
            command = {
                "pgvault": f"{PGVAULT} -r {places['pgvault']} restore latest -q --yes -j2 -d {dsn}",
                "restic": f"{restic} && {bench.program('pg_restore')} -j2 -d {dsn} {dump}",
            }[name]
            far.line.requests()
            figures = _run(command, far.environment(f"restore-{name}-{number}"), memory=name == "pgvault")
            peak = max(peak, figures.peak_bytes)
            told = told if name == "restic" else _told(far.line.requests())
            times.append(figures.wall_s)
            bench.cluster.dropdb(target)
            dump.unlink(missing_ok=True)
    for name, times in walls.items():
        print(f"restore {name:8} {measure.spread(times)} s")
    print(f"restore: peak {peak / 1e6:.0f} MB, {sum(told.values())} requests {told}")
    return {"wall_s": walls, "peak_bytes": peak, "requests": told}


def _uploads(far: Far, megabytes: int, rounds: int) -> dict[str, object]:
    """The same packs, as a writer sends them, and as the store's client puts them six at a time."""
    from vault.bucket.client import connect
    from vault.bucket.place import parse_place
    from vault.repo.uploads import AT_ONCE_MAX, begin
    from vault.store.object_storage import ObjectStorage

    env = far.environment("uploads")
    packs = _packs(far.scratch / "packs", megabytes * 1_000_000 // _PACK_BYTES)
    walls: dict[str, list[float]] = {"pgvault": [], "plain": []}
    for _ in range(rounds):
        for way, times in walls.items():
            store = ObjectStorage(connect(parse_place(far.new_place()), env))
            started = time.monotonic()
            if way == "plain":
                with ThreadPoolExecutor(AT_ONCE_MAX) as pool:
                    list(pool.map(partial(_put, store), packs))
            else:
                outbox = begin(store, far.scratch / "spool", entropy=os.urandom, clock=_Clock(), tell=print)
                for path in packs:
                    outbox.post(f"packs/{path.name}", path.read_bytes(), lambda: None)
                outbox.drain()
                outbox.close()
            times.append(time.monotonic() - started)
    sent = len(packs) * _PACK_BYTES
    rates = {way: [sent / 1e6 / wall for wall in times] for way, times in walls.items()}
    for way, several in rates.items():
        print(f"upload {way:8} {measure.spread(several)} MB/s")
    return {"bytes": sent, "wall_s": walls}


def _packs(directory: Path, count: int) -> list[Path]:
    """Files of random bytes, each under the name that a pack has."""
    directory.mkdir()
    noise, paths = os.urandom(_PACK_BYTES - 8), list[Path]()
    for number in range(count):
        data = number.to_bytes(8, "big") + noise
        paths.append(directory / hashlib.sha256(data).hexdigest())
        paths[-1].write_bytes(data)
    return paths


def _put(store: ObjectStore, path: Path) -> None:
    store.put(f"packs/{path.name}", path.read_bytes())


class _Clock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def uptime_s(self) -> float:
        return time.monotonic()


def _cat(far: Far, snapshots: int) -> dict[str, object]:
    """One file of the newest of many snapshots, with the cache of who took them, and with none."""
    place, source = far.new_place(), far.scratch / "functions"
    # The many days are taken without the line: they are not what is measured.
    near = {**far.environment("cat"), **far.server.environment}
    draw = random.Random(7)
    for number in range(_FILES):
        (source / f"f{number:03}").mkdir(parents=True)
        (source / f"f{number:03}" / "index.ts").write_bytes(draw.randbytes(draw.randrange(1000, 20000)).hex().encode())
    _run(f"{PGVAULT} -r {place} init --no-recovery-kit", near)
    for _ in range(snapshots):
        for number in draw.sample(range(_FILES), 5):
            (source / f"f{number:03}" / "index.ts").write_bytes(draw.randbytes(5000).hex().encode())
        _run(f"{PGVAULT} -r {place} backup -q --dir edge_functions={source}", near)
    command = f"{PGVAULT} -r {place} cat latest:edge_functions/f007/index.ts > /dev/null"
    results: dict[str, object] = {"snapshots": snapshots}
    for name, caches in (("cold", [f"cat-{number}" for number in range(5)]), ("warm", ["cat"] * 6)):
        times = []
        for cache in caches:
            far.line.requests()
            times.append(_run(command, far.environment(cache)).wall_s)
        told = far.line.requests()
        if name == "warm":
            del times[0]
        print(f"cat {name} {measure.spread(times)} s, {len(told)} requests {_told(told)}")
        results[name] = {"wall_s": times, "requests": _told(told)}
    results["cold_again"] = _bytes_read(far, place)
    return results


def _bytes_read(far: Far, place: str) -> dict[str, int]:
    """By directory, with an empty cache: counted in a store that wraps the bucket."""
    from benchmarks.cat import CountingStore
    from vault.bucket.client import connect
    from vault.bucket.place import parse_place
    from vault.repo.state import Closed
    from vault.store.object_storage import ObjectStorage

    store = CountingStore(ObjectStorage(connect(parse_place(place), far.environment("counted"))))
    opened = Closed(store).open(ENVIRONMENT["PGVAULT_PASSWORD"])
    snapshot = opened.indexed(None).snapshot(opened.resolve("latest"))
    item = snapshot.file("edge_functions", b"f007/index.ts")
    for _ in snapshot.file_blocks(item):
        pass
    print(f"cat reads {dict(store.read)} bytes")
    return dict(store.read)


if __name__ == "__main__":
    main()
