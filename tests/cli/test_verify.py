"""`pgvault verify`: what it prints, what it answers for scripts, and a snapshot against a live database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_database import SCHEMA
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

MORE = """
CREATE SCHEMA hostile;
CREATE TABLE gone (id int);
CREATE TABLE changed (id int PRIMARY KEY, note text);
INSERT INTO changed SELECT n, 'note ' || n FROM generate_series(1, 100) n;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE parted (id int, mood mood) PARTITION BY HASH (mood);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted SELECT n, 'good' FROM generate_series(1, 50) n;
CREATE TABLE columns (id int, kept text);
"""


@pytest.fixture
def saved(pgvault_ready: Command, tmp_path: Path) -> Command:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a").write_bytes(bytes(range(256)) * 40)
    for _ in range(2):
        done = pgvault_ready("backup", "--dir", f"lib={tmp_path / 'lib'}", "-q")
        assert done.code == 0, done.err
    return pgvault_ready


def test_content_that_equals_its_manifest(saved: Command) -> None:
    done = saved("verify", "--all")
    assert done.code == 0, done.out
    assert done.out.startswith("content equals the manifests: 2 snapshots, ")
    told = conforming(saved("verify", "--json").json(), "verify")
    assert [one["verified"] for one in told["snapshots"]] == [True]
    assert (told["files"], told["read_bytes"], told["part"]) == (1, 10_240, None)
    parts = [saved("verify", "--all", "--split", f"{number}/2", "--json").json() for number in (1, 2)]
    assert sorted(one["read_bytes"] for one in parts) == [0, 10_240]
    status = conforming(saved("status", "--json").json(), "status")
    assert status["verify"]["damage"] == []
    assert status["sources"][0]["last_verify"] < status["verify"]["time"], "a part verifies no snapshot"
    assert "last verify" in saved("status").out


def test_damage_is_told_and_shown_by_status_until_it_is_verified_again(saved: Command) -> None:
    pack = max(
        (path for path in (saved.repository / "packs").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    data = bytearray(pack.read_bytes())
    whole = bytes(data)
    data[75] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    done = saved("verify", "--all")
    assert done.code == 4
    assert f"damage: packs/{pack.name}: " in done.out
    told = conforming(saved("verify", "--all", "--json").json(), "verify")
    assert told["damage"][0]["affects"], "the snapshots that it hits"
    status = saved("status")
    assert status.code == 4
    assert "pgvault verify" in status.out
    pack.write_bytes(whole)
    assert saved("verify", "--all").code == 0
    assert saved("status", "--json").json()["verify"]["damage"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("latest", "--all"),
        ("--split", "3/2"),
        ("-d", "postgresql:///x"),
        ("--against", "--all", "-d", "postgresql:///x"),
        ("--against",),
        ("latest~7",),
    ],
)
def test_what_cannot_be_meant_is_refused(saved: Command, arguments: tuple[str, ...]) -> None:
    done = saved("verify", *arguments)
    assert done.code == 2, done.err
    assert done.err


@pytest.mark.postgres
def test_a_live_database_is_compared_table_by_table_without_a_restore(
    pgvault_ready: Command, postgres: Cluster
) -> None:
    db = postgres.createdb()
    dsn = postgres.dsn(db)
    with postgres.connect(db) as connection:
        connection.execute((SCHEMA + MORE).encode())
    assert pgvault_ready("backup", "-d", dsn, "-q").code == 0
    equal = pgvault_ready("verify", "--against", "-d", dsn, "--json")
    told = conforming(equal.json(), "verify --against")
    assert equal.code == 0
    assert (told["same_database"], told["definitions"]) == (True, [])
    assert {one["name"]: one["rows_now"] for one in told["tables"]} == {
        "public.changed": 100,
        "public.columns": 0,
        "public.gone": 0,
        "public.items": 5000,
        'public."Odd ""Name"': 300,
        "public.parted": 50,
    }
    with postgres.connect(db) as connection:
        connection.execute(
            b"DROP TABLE gone; UPDATE changed SET note = 'x' WHERE id = 3; INSERT INTO items (kind) VALUES ('k')"
        )
        connection.execute(b"ALTER TABLE columns ADD COLUMN more int; CREATE TABLE later (id int)")
        connection.execute(b"DELETE FROM parted WHERE id = 1; INSERT INTO parted VALUES (1, 'good')")
    done = pgvault_ready("verify", "latest", "--against", "-d", dsn)
    assert done.code == 4
    assert "differs: table public.changed: 100 rows, some with other values" in done.out
    assert "differs: table public.items: 5001 rows instead of 5000" in done.out
    assert "differs: table public.gone: it is gone" in done.out
    assert "differs: table public.columns: it has other columns" in done.out
    assert "2 of 6 tables still hold exactly the rows" in done.out
    assert "TABLE public.columns: differs in definition" in done.out
    assert "TABLE public.later: not in the snapshot" in done.out
