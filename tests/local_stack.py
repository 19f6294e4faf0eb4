"""A Supabase project with a database as `supabase start` leaves it: on a port of 127.0.0.1, with the password that all have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fix_postgres import Cluster, server
from tests.tls_server import SERVER_PORT, Forwarder

_MAJOR = 15
_HBA = "local all all trust\nhost all all all scram-sha-256\n"


@contextmanager
def local_database(statements: str = "") -> Iterator[tuple[Cluster, int]]:
    """A server of its own, and the port of 127.0.0.1 that leads to it."""
    choose = random.SystemRandom()
    address = f"127.{choose.randint(2, 254)}.{choose.randint(0, 254)}.{choose.randint(1, 254)}"
    with server(_MAJOR, settings={"listen_addresses": address}) as cluster, cluster.connect() as connection:
        connection.execute("ALTER ROLE postgres PASSWORD 'postgres'")
        found = connection.execute("SHOW data_directory").fetchone()
        assert found is not None
        (Path(found[0]) / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
        if statements:
            connection.execute(statements.encode())
        with Forwarder("127.0.0.1", (address, SERVER_PORT)) as forwarder:
            yield cluster, forwarder.port


def make_project(root: Path, port: int, *, major: int = _MAJOR, name: str = "lilac") -> None:
    """`supabase/` with a configuration, two migrations and one edge function; again, to change the configuration."""
    folder = root / "supabase"
    (folder / "migrations").mkdir(parents=True, exist_ok=True)
    (folder / "functions" / "hello").mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(
        f'project_id = "{name}"\n\n[api]\nport = 54321\n\n[db]\nport = {port}\nmajor_version = {major}\n'
    )
    for number in (1, 2):
        (folder / "migrations" / f"2025010100000{number}_step.sql").write_text(f"-- step {number}\n")
    (folder / "functions" / "hello" / "index.ts").write_text("export default () => 1\n")
