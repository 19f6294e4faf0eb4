"""A PostgreSQL server for a benchmark, with the data set loaded, and the commands of the peers."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import load_events
from tests.fix_postgres import Cluster, server

DATABASE = "bench"
SETTINGS = {"fsync": "off", "shared_buffers": "512MB", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}
PASSPHRASE = {
    f"{tool}_{word}": "benchmark"
    for tool, word in {"PGVAULT": "PASSWORD", "RESTIC": "PASSWORD", "RUSTIC": "PASSWORD", "BORG": "PASSPHRASE"}.items()
}
ENVIRONMENT = {**PASSPHRASE, "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "PYTHONPATH": os.getcwd()}
PGVAULT = f"{shlex.quote(sys.executable)} -m vault"


@dataclass(frozen=True, slots=True)
class Bench:
    cluster: Cluster
    dsn: str

    def program(self, name: str) -> str:
        return shlex.quote(str(self.cluster.bin / name))

    @property
    def dump(self) -> str:
        """The floor: a command that writes every row to standard output."""
        return f"{self.program('pg_dump')} -Fc -Z0 {shlex.quote(self.dsn)}"


@contextmanager
def loaded(scale: float = 1.0, *, major: int = 15) -> Iterator[Bench]:
    with server(major, settings=SETTINGS) as cluster:
        cluster.createdb(DATABASE)
        with cluster.connect(DATABASE) as connection:
            load_events(connection, scale=scale)
        yield Bench(cluster, cluster.dsn(DATABASE))


@contextmanager
def one_row(megabytes: int, *, major: int = 15) -> Iterator[Bench]:
    """A table whose one row has so much text, which compresses to a hundredth."""
    with server(major, settings=SETTINGS) as cluster:
        cluster.createdb(DATABASE)
        with cluster.connect(DATABASE) as connection:
            connection.execute("CREATE TABLE long (id integer, body text)")
            connection.execute(
                "INSERT INTO long SELECT 1, repeat(repeat('long row ', 111111) || E'\\n', %s)", [megabytes]
            )
        yield Bench(cluster, cluster.dsn(DATABASE))


def environment(place: Path) -> dict[str, str]:
    """Variables of a tool whose caches belong to `place`, so that copying the directory copies all that the tool knows."""
    return {
        **ENVIRONMENT,
        "PGVAULT_CACHE_DIR": str(place / "cache"),
        "RESTIC_CACHE_DIR": str(place / "cache"),
        "RUSTIC_CACHE_DIR": str(place / "cache"),
        "BORG_BASE_DIR": str(place / "cache"),
    }


def fresh(kind: str, directory: Path) -> str:
    """The command that makes an empty repository of a peer in `directory`."""
    path = shlex.quote(str(directory))
    return {
        "pgvault": f"{PGVAULT} -r {path} init --no-recovery-kit",
        "restic": f"restic -q -r {path} init",
        "rustic": f"rustic --log-level warn -r {path} init",
        "borg": f"mkdir -p {shlex.quote(str(directory.parent))}; borg init -e repokey-blake2 {path}",
    }[kind]


def backup(kind: str, directory: Path, bench: Bench, name: str = "day") -> str:
    """The command of a peer that stores the whole database in `directory`.

    rustic needs `--force`: it takes what comes from a pipe for unchanged since the snapshot before, and reads nothing.
    """
    path = shlex.quote(str(directory))
    return {
        "pgvault": f"{PGVAULT} -r {path} backup -q -d {shlex.quote(bench.dsn)}",
        "restic": f"{bench.dump} | restic -q -r {path} backup --stdin --stdin-filename dump",
        "rustic": f"{bench.dump} | rustic --log-level warn -r {path} backup --force --stdin-filename dump -",
        "borg": f"{bench.dump} | borg create --compression zstd,3 {path}::{name} -",
    }[kind]
