"""One small file out of a repository of many snapshots: wall time of `pgvault cat`, and the bytes read from the store.

    python -m benchmarks.cat [--snapshots N] [--rounds N]

Each day changes some of 400 files of 2-40 KB. Bytes are counted by a store that wraps the local one; index, manifest, keys and nodes are
told apart from the file's own chunks.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PASSPHRASE, PGVAULT
from vault.ports import ObjectStore, StoredFile
from vault.repo.state import Closed
from vault.store.local import LocalStore

_FILES = 400


class CountingStore:
    """Counts bytes read, by the directory of the name."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.read: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def network(self) -> str:
        return self._inner.network

    def put(self, name: str, data: bytes) -> None:
        self._inner.put(name, data)

    def get(self, name: str) -> bytes:
        data = self._inner.get(name)
        self.read[name.split("/")[0]] += len(data)
        return data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.read[name.split("/")[0]] += length
        return self._inner.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._inner.list(prefix)

    def delete(self, *names: str) -> None:
        self._inner.delete(*names)

    def barrier(self) -> None:
        self._inner.barrier()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        source, repository = Path(scratch) / "functions", Path(scratch) / "repository"
        environment = {**ENVIRONMENT, "PGVAULT_CACHE_DIR": str(Path(scratch) / "cache")}
        _build(source, repository, environment, options.snapshots)
        command = f"{PGVAULT} -r {repository} cat latest:edge_functions/f007/index.ts"
        warm = measure.medians(options.rounds, lambda: measure.run(command, env=environment))
        cold = measure.medians(
            options.rounds,
            lambda: measure.run(
                command, env={**environment, "PGVAULT_CACHE_DIR": f"{scratch}/none{os.urandom(4).hex()}"}
            ),
        )
        read, stored = _bytes_read(repository)
    print(
        f"cat warm {measure.spread([run.wall_s for run in warm])} s, cold cache {measure.spread([run.wall_s for run in cold])} s"
    )
    print(f"read {dict(read)}; the file's chunks are stored in {stored} bytes")
    results = {
        "snapshots": options.snapshots,
        "warm_s": [run.wall_s for run in warm],
        "cold_s": [run.wall_s for run in cold],
        "read_bytes": dict(read),
        "file_stored_bytes": stored,
    }
    print(measure.record("cat", f"python -m benchmarks.cat --snapshots {options.snapshots}", results))


def _build(source: Path, repository: Path, environment: dict[str, str], snapshots: int) -> None:
    draw = random.Random(7)
    for number in range(_FILES):
        (source / f"f{number:03}").mkdir(parents=True)
        (source / f"f{number:03}" / "index.ts").write_bytes(draw.randbytes(draw.randrange(1000, 20000)).hex().encode())
    done = measure.run(f"{PGVAULT} -r {repository} init --no-recovery-kit", env=environment)
    assert done.code == 0, done.output
    for _ in range(snapshots):
        for number in draw.sample(range(_FILES), 5):
            (source / f"f{number:03}" / "index.ts").write_bytes(draw.randbytes(5000).hex().encode())
        done = measure.run(f"{PGVAULT} -r {repository} backup -q --dir edge_functions={source}", env=environment)
        assert done.code == 0, done.output


def _bytes_read(repository: Path) -> tuple[Counter[str], int]:
    store = CountingStore(LocalStore(repository, os.urandom))
    opened = Closed(store).open(PASSPHRASE["PGVAULT_PASSWORD"])
    snapshot = opened.indexed(None).snapshot(opened.resolve("latest"))
    item = snapshot.file("edge_functions", b"f007/index.ts")
    nodes = store.read["packs"]
    for _ in snapshot.file_blocks(item):
        pass
    stored = store.read["packs"] - nodes
    store.read["packs: nodes"], store.read["packs: file"] = nodes, stored
    del store.read["packs"]
    return store.read, stored


if __name__ == "__main__":
    main()
