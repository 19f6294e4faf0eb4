"""The demo project in real servers: its inventory, and that it is always the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tests.fix_postgres import Cluster
from vault.demo import project
from vault.demo.rows import DAMAGE, day_sql
from vault.ops.project.counts import count_edge_functions, count_migrations
from vault.ops.project.summary import count_target
from vault.source.postgres.connection.connect import Session


@pytest.fixture(scope="module", params=[15, 18])
def demo(request: pytest.FixtureRequest) -> tuple[Cluster, str]:
    cluster: Cluster = request.getfixturevalue(f"pg{request.param}")
    db = cluster.createdb()
    with cluster.connect(db) as connection:
        for script in project.database_sql():
            connection.execute(script.encode())
    return cluster, db


def digest(cluster: Cluster, db: str) -> str:
    found = hashlib.sha256()
    with cluster.connect(db) as connection:
        connection.execute("SET timezone = UTC")
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('public', 'auth', 'supabase_migrations') ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(
                f"COPY (SELECT * FROM {table} t ORDER BY t::text) TO STDOUT".encode()
            ) as rows:
                for block in rows:
                    found.update(block)
    return found.hexdigest()


@pytest.mark.postgres
def test_the_project_has_the_inventory_of_a_real_project(demo: tuple[Cluster, str]) -> None:
    cluster, db = demo
    files = {
        "migrations": count_migrations(name.encode() for name in project.migrations()),
        "edge_functions": count_edge_functions(name.encode() for name in project.edge_functions()),
    }
    with cluster.connect(db) as connection:
        counts = count_target(Session(connection), files=files)
        assert replace(counts, records=0) == project.INVENTORY
        assert counts.records > 20_000
        history = connection.execute("SELECT count(*) FROM supabase_migrations.schema_migrations").fetchone()
        assert history == (24,)


@pytest.mark.postgres
def test_keys_are_encrypted_by_the_trigger_and_can_be_decrypted(demo: tuple[Cluster, str]) -> None:
    cluster, db = demo
    with cluster.connect(db) as connection:
        found = connection.execute(
            "SELECT bool_and(public.is_encrypted(api_key)), min(public.decrypt_api_key(api_key))"
            " FROM public.ai_providers_unified WHERE api_key IS NOT NULL"
        ).fetchone()
        assert found == (True, "ak-alpha-0123456789abcdef")
        masked = connection.execute("SELECT count(*) FROM public.ai_providers_masked WHERE key_is_encrypted").fetchone()
        assert masked == (2,)


@pytest.mark.postgres
def test_the_project_is_always_the_same(demo: tuple[Cluster, str]) -> None:
    cluster, db = demo
    other = cluster.createdb()
    with cluster.connect(other) as connection:
        for script in project.database_sql():
            connection.execute(script.encode())
    assert digest(cluster, db) == digest(cluster, other)


@pytest.mark.postgres
def test_days_and_damage_change_what_they_say(demo: tuple[Cluster, str]) -> None:
    cluster, _ = demo
    db = cluster.createdb()
    with cluster.connect(db) as connection:
        for script in project.database_sql():
            connection.execute(script.encode())
        seen = [digest(cluster, db)]
        for day in (2, 3, 4, 5):
            connection.execute(day_sql(day).encode())
            seen.append(digest(cluster, db))
        assert len(set(seen)) == 5
        for _, statement in DAMAGE:
            connection.execute(statement.encode())
        assert connection.execute("SELECT count(*) FROM auth.users").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM pg_policy").fetchone() == (87,)


def test_migrations_are_in_the_order_of_their_names() -> None:
    names = list(project.migrations())
    assert names == sorted(names)
    assert len({name[:14] for name in names}) == 24


def test_the_toy_cipher_says_that_it_is_one() -> None:
    assert b"DEMO ONLY" in project.migrations()["20251024000024_encryption_system.sql"]
