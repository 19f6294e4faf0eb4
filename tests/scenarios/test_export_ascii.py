"""A database in SQL_ASCII, whose text is whatever bytes its clients sent: each export has those bytes, or says that it cannot."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster
from tests.scenarios.test_capture_encodings import ASCII, run

pytestmark = pytest.mark.postgres
SCHEMA = "CREATE TABLE words (id int PRIMARY KEY, said text, as_json jsonb); INSERT INTO words VALUES (1, 'plain', '{\"a\": 1}'), (2, 'größe', NULL)"
LATIN = b"INSERT INTO words VALUES (3, '=caf\xe9', NULL)"
ROWS = [(1, b"plain"), (2, "größe".encode()), (3, b"=caf\xe9")]
READ = b"SELECT id, said FROM words ORDER BY id"


@dataclass(frozen=True, slots=True)
class Saved:
    command: Command
    cluster: Cluster

    def rows(self, name: str) -> list[tuple[int, bytes]]:
        with self.cluster.connect(name) as connection:
            connection.execute("SET client_encoding = 'SQL_ASCII'")
            result = connection.pgconn.exec_(READ)
            return [(int(result.get_value(at, 0) or 0), result.get_value(at, 1) or b"") for at in range(result.ntuples)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Saved]:
    command = Command(home=tmp_path_factory.mktemp("ascii"))
    name = postgres.createdb(options=ASCII)
    for statements in (SCHEMA.encode(), LATIN):
        run(postgres, name, statements)
    assert command("init", "--no-recovery-kit").code == 0
    done = command("backup", "-d", postgres.dsn(name))
    assert done.code == 0, done.err
    yield Saved(command, postgres)
    postgres.dropdb(name)


def test_archive_and_script_bring_the_bytes_into_such_a_database(saved: Saved, tmp_path: Path) -> None:
    programs = {"pgdump": ["pg_restore"], "sql": ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]}
    for form, (program, *words) in programs.items():
        path, target = tmp_path / form, saved.cluster.createdb(options=ASCII)
        done = saved.command("export", "latest", "--format", form, "-o", str(path))
        assert done.code == 0, done.err
        command = [str(saved.cluster.bin / program), "-d", saved.cluster.dsn(target), *words, str(path)]
        subprocess.run(command, check=True, capture_output=True)
        assert saved.rows(target) == ROWS, form
        saved.cluster.dropdb(target)


def test_what_has_bytes_has_these_and_what_has_text_alone_says_so(saved: Saved, tmp_path: Path) -> None:
    for form in ("parquet", "sqlite", "csv"):
        done = saved.command("export", "latest", "--format", form, "-o", str(tmp_path / form))
        assert done.code == 0, (form, done.err)
    (part,) = (tmp_path / "parquet").rglob("*.parquet")
    table = pq.read_table(part)
    assert list(zip(table["id"].to_pylist(), table["said"].to_pylist(), strict=True)) == ROWS
    connection = sqlite3.connect(tmp_path / "sqlite")
    connection.text_factory = bytes
    assert connection.execute("SELECT id, said FROM words ORDER BY id").fetchall() == ROWS
    connection.close()
    (written,) = (tmp_path / "csv").rglob("*.csv")
    assert written.read_bytes().splitlines()[1:] == [b'1,plain,"{""a"": 1}"', "2,größe,".encode(), b"3,=caf\xe9,"]
    refused = saved.command("export", "latest", "--format", "jsonl", "-o", str(tmp_path / "jsonl"))
    assert (refused.code, "not valid UTF-8" in refused.err, "--format parquet" in refused.err) == (2, True, True)
    assert not (tmp_path / "jsonl").exists()


def test_csv_for_a_spreadsheet_holds_no_formula(saved: Saved, tmp_path: Path) -> None:
    done = saved.command("export", "latest", "--format", "csv", "--csv-safe", "-o", str(tmp_path / "csv"))
    assert done.code == 0, done.err
    (written,) = (tmp_path / "csv").rglob("*.csv")
    assert written.read_bytes().splitlines()[-1] == b'3,"\'=caf\xe9",'
    for form in ("jsonl", "sql"):
        refused = saved.command("export", "latest", "--format", form, "--csv-safe", "-o", str(tmp_path / form))
        assert (refused.code, "--csv-safe" in refused.err) == (2, True)


def test_the_layout_holds_the_bytes(saved: Saved, tmp_path: Path) -> None:
    done = saved.command("export", "latest", "--format", "layout", "-o", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert b"3,=caf\xe9," in (tmp_path / "out" / "data_records" / "public.words.csv").read_bytes()
