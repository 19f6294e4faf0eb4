"""A restoring connection to a server on this machine may sort large indexes in memory, and is never given less than it had."""

from __future__ import annotations

import os

import psycopg
import pytest

from tests.fix_postgres import Cluster
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.target.database import connect_target
from vault.source.postgres.target.index_memory import index_kib


def of_a_session(cluster: Cluster, database: str) -> int:
    """KiB that a restoring session may take for one index."""
    target = connect_target(cluster.dsn(database), os.environ, programs=Programs(search_path="", embedded=None))
    try:
        session = target.session("UTF8")
        with psycopg.connect(cluster.dsn(database), autocommit=True) as observer:
            observer.execute("CREATE TABLE seen (kib int8)")
            session.run(
                [
                    "INSERT INTO public.seen SELECT pg_catalog.pg_size_bytes(current_setting('maintenance_work_mem')) / 1024"
                ]
            )
            (kib,) = observer.execute("SELECT kib FROM seen").fetchone() or (0,)
        session.close()
        return int(kib)
    finally:
        target.close()


@pytest.mark.postgres
def test_index_memory_is_raised_for_a_server_on_this_machine(pg15: Cluster) -> None:
    free = index_kib()
    assert free is not None
    kib = of_a_session(pg15, pg15.createdb())
    assert 64 * 1024 <= kib <= max(1024 * 1024, 64 * 1024)
    assert kib > 64 * 1024 or free < 128 * 1024


@pytest.mark.postgres
def test_index_memory_is_never_lowered(pg15: Cluster) -> None:
    database = pg15.createdb()
    with pg15.connect() as connection:
        connection.execute(f"ALTER DATABASE \"{database}\" SET maintenance_work_mem = '1500MB'")
    assert of_a_session(pg15, database) == 1500 * 1024
