"""A server, a database and a repository for `tests/kills.py`, and what must hold in it after whatever was done to a command."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.cli.command import PASSPHRASE, Command
from tests.crash_place import Lost
from tests.crash_world import finished, remove
from tests.fix_postgres import Cluster, server
from tests.small_repository import CLOCK, contents, damage, quick_keys
from vault.ids import SnapshotId
from vault.ops.repository import keys
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore, create_local

KEPT: Final = 6
SCHEMA: Final = """
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, price numeric, kind text);
INSERT INTO items (price, kind) SELECT n / 7.0, 'k' || n % 5 FROM generate_series(1, 3000) n;
CREATE TABLE notes (id int PRIMARY KEY, note text);
INSERT INTO notes SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 300) n;
CREATE INDEX ON items (kind);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON notes USING (true);
CREATE FUNCTION total() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(price) FROM public.items';
SELECT lo_from_bytea(4242, decode(repeat('6d', 50000), 'hex'));
"""


@dataclass(kw_only=True)
class World:
    """`saved`: what each snapshot holds; those of a killed backup are learned when they are first seen."""

    cluster: Cluster
    database: str
    pgvault: Command
    repo: Open
    choice: random.Random
    days: int = 0
    saved: dict[SnapshotId, Mapping[str, bytes]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def dsn(self) -> str:
        return self.cluster.dsn(self.database)

    @property
    def files(self) -> Path:
        return self.pgvault.home / "files"

    @property
    def temporary(self) -> Path:
        return self.pgvault.home / "tmp"

    def backup(self, dsn: str = "") -> list[str]:
        """Of one source, by whatever address."""
        return [
            "backup",
            "-d",
            dsn or self.dsn,
            "--source",
            "shop",
            "--dir",
            f"files={self.files}",
            "--allow-cleartext",
        ]

    def restore(self, dsn: str, *more: str) -> list[str]:
        return ["restore", "latest", "-d", dsn, "--yes", "--allow-cleartext", *more]


@contextmanager
def world(directory: Path, *, seed: int, major: int = 18) -> Iterator[World]:
    """A server, a database, a repository with one snapshot of it."""
    with ExitStack() as stack:
        cluster = stack.enter_context(server(major))
        for name in ("files", "tmp"):
            (directory / name).mkdir()
        pgvault = Command(home=directory, environment={"TMPDIR": str(directory / "tmp")})
        create_local(pgvault.repository)
        store = LocalStore(pgvault.repository, os.urandom)
        with quick_keys():
            keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
        database = cluster.createdb()
        with cluster.connect(database) as connection:
            connection.execute(SCHEMA.encode())
        repo = Closed(store).open(PASSPHRASE)
        made = World(cluster=cluster, database=database, pgvault=pgvault, repo=repo, choice=random.Random(seed))
        change(made)
        require_success(made, made.backup())
        is_whole(made)
        yield made


def change(here: World) -> None:
    """Another day."""
    here.days += 1
    with here.cluster.connect(here.database) as connection:
        connection.execute("INSERT INTO items (price, kind) SELECT n, 'new' FROM generate_series(1, 20) n")
        connection.execute("UPDATE notes SET note = 'day ' || %s WHERE id = %s", (here.days, 1 + here.days % 300))
    (here.files / f"{here.days % 20}").write_bytes(here.choice.randbytes(3000))


def live(here: World, database: str) -> dict[str, bytes]:
    """Sorted rows of each table, and the large object."""
    found = {}
    with here.cluster.connect(database) as connection:
        for table in ("items", "notes"):
            with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
                found[f"table public.{table}"] = b"".join(sorted(b"".join(copy).splitlines(keepends=True)))
        large = connection.execute("SELECT lo_get(4242)").fetchone()
        assert large is not None
        found["large object 4242"] = bytes(large[0])
    return found


def project(here: World) -> dict[str, bytes]:
    return live(here, here.database) | {f"files/{path.name}": path.read_bytes() for path in here.files.iterdir()}


def comparable(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of what a snapshot holds that which `project` tells too."""
    ours = {name: text for name, text in found.items() if name.split()[0] in ("table", "large") or name[:6] == "files/"}
    return {
        name: b"".join(sorted(text.splitlines(keepends=True))) if name.startswith("table") else text
        for name, text in ours.items()
    }


def is_whole(here: World, *, read_data: bool = False) -> None:
    """Raises  Lost"""
    indexed = here.repo.indexed(None)
    there = {snapshot for snapshot, _ in here.repo.snapshots()}
    if lost := here.saved.keys() - there:
        raise Lost(f"gone: {[snapshot.hex()[:12] for snapshot in lost]}")
    for snapshot in there:
        found = comparable(contents(indexed, snapshot))
        if found != here.saved.setdefault(snapshot, project(here) if snapshot not in here.saved else {}):
            raise Lost(f"{snapshot.hex()[:12]} reads otherwise than the database was")
    if faults := damage(indexed) if read_data else damage(indexed, read_data=None):
        raise Lost(f"damage: {faults}")


def require_success(here: World, arguments: list[str]) -> None:
    """Raises  Lost"""
    done = here.pgvault(*arguments)
    if done.code != 0:
        raise Lost(f"{arguments[0]} after it: exit {done.code}: {done.err[-2000:]}")


def forget_old(here: World) -> None:
    """In this process: what is tried is the command that is killed."""
    for snapshot, _ in here.repo.snapshots()[:-KEPT]:
        remove(here.repo, snapshot)
        here.saved.pop(snapshot, None)


def latest(here: World) -> SnapshotId:
    return here.repo.snapshots()[-1][0]


def tidy(here: World) -> None:
    """Raises  AssertionError: something is left when nobody works any more"""
    finished(here.repo)
