"""Rows of a real server become data for other engines, and what these read is the same COPY text again, byte for byte."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.bucket_directories import objects_of
from tests.bucket_servers import BucketServer
from tests.cli.command import Command
from tests.dataset_reader import float_text, json_rows, parquet_rows, sqlite_rows
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres
SQL = (Path(__file__).parents[1] / "sql" / "datasets.sql").read_text(encoding="utf-8")
ONE_OF = "public.everything"


@dataclass(frozen=True, slots=True)
class Saved:
    command: Command
    types: dict[str, dict[str, str]]

    def copy(self, table: str) -> bytes:
        done = self.command("table", "latest", table, "--format", "copy", "-o", "copy.tmp")
        assert done.code == 0, done.err
        place = self.command.home / "copy.tmp"
        text = place.read_bytes()
        place.unlink()
        return text

    def export(self, form: str, place: Path, *more: str) -> dict[str, Any]:
        done = self.command("export", "latest", "--format", form, "-o", str(place), "--json", *more)
        assert done.code == 0, done.err
        return done.json()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, pg15: Cluster) -> Iterator[Saved]:
    command = Command(home=tmp_path_factory.mktemp("datasets"))
    database = pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(SQL.encode())
        rows = connection.execute(
            "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attnum > 0 AND attrelid IN ('everything'::regclass, 'one'::regclass) ORDER BY attrelid, attnum"
        ).fetchall()
    types: dict[str, dict[str, str]] = {}
    for table, name, kind in rows:
        types.setdefault(f"public.{table}", {})[name] = kind
    assert command("init", "--no-recovery-kit").code == 0
    done = command("backup", "-d", pg15.dsn(database))
    assert done.code == 0, done.err
    yield Saved(command, types)
    pg15.dropdb(database)


@pytest.fixture(scope="module")
def lake(saved: Saved, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lake") / "out"
    told = saved.export("parquet", place)
    assert (told["tables"], told["files"]) == (8, 9)
    return place


def files(lake: Path, table: str) -> list[Path]:
    return sorted((lake / table).rglob("*.parquet"))


@pytest.mark.parametrize("table", [ONE_OF, "public.one", "public.no_rows"])
def test_parquet_gives_back_copy_text(saved: Saved, lake: Path, table: str) -> None:
    found = b"".join(parquet_rows(files(lake, table)))
    assert found.split(b"\n") == saved.copy(table).split(b"\n")


def test_types_are_those_of_the_declaration(lake: Path) -> None:
    (place,) = files(lake, ONE_OF)
    schema = pq.read_schema(place)
    assert schema.field("n5").type == pa.decimal128(5, 2)
    assert schema.field("pr").type == pa.decimal128(10, 2)
    assert schema.field("tz").type == pa.timestamp("us", tz="UTC")
    assert schema.field("ad").type == pa.list_(pa.timestamp("us", tz="UTC"))
    assert schema.field("by").type == pa.binary()
    assert schema.field("dn").type == pa.list_(pa.int32())
    for text in ("n", "n39", "m", "t", "u", "iv", "abx", "e", "co", "ip"):
        assert schema.field(text).type == pa.string(), text
    assert "JSON" in str(pq.ParquetFile(place).schema.column(schema.get_field_index("jb")).logical_type)


def test_empty_and_null_lists_differ_and_what_does_not_fit_is_exact(lake: Path) -> None:
    table = pq.read_table(files(lake, ONE_OF)[0], columns=["ai", "_exact"], partitioning=None).to_pylist()
    assert [row["ai"] for row in table[:4]] == [None, [], [1, None, -3], None]
    exact = dict(table[3]["_exact"])
    assert exact["ai"] == "[0:1]={1,2}"
    assert exact["d"] == "5874897-12-31"
    assert dict(table[1]["_exact"])["n5"] == "NaN"
    assert table[0]["_exact"] is None


def test_names_are_told_apart(saved: Saved, lake: Path, tmp_path: Path) -> None:
    (place,) = files(lake, "public.Names~" + next(lake.glob("public.Names~*")).name.partition("~")[2])
    assert place.parent.name.startswith("snapshot_2=")
    names = pq.read_schema(place).names
    assert names == ["ID", "id_2", "Id_3", "snapshot", "_EXACT", "a=b", 'q"u', "_exact_2"]
    told = saved.export("sqlite", tmp_path / "x.sqlite", "-t", 'public."Names"', "-t", "names")
    assert any("column id is called id_2" in note for note in told["notes"])


def test_a_table_without_columns_has_its_rows(lake: Path) -> None:
    assert sum(pq.ParquetFile(place).metadata.num_rows for place in files(lake, "public.nothing")) == 2
    assert [path.name for path in lake.glob("other*")] == ["other.we%2Eird%2Fname"]


def test_generated_columns_have_their_values(lake: Path) -> None:
    rows = pq.read_table(files(lake, "public.computed")[0], partitioning=None).to_pylist()
    assert [row["twice"] for row in rows] == [2 * row["a"] for row in rows]


def test_what_is_written_is_the_owners_alone(lake: Path) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in lake.rglob("*") if path.is_file()} == {0o600}
    assert [path.name for path in lake.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("table", [ONE_OF, "public.one"])
def test_sqlite_gives_back_copy_text(saved: Saved, tmp_path: Path, table: str) -> None:
    place = tmp_path / "out.sqlite"
    saved.export("sqlite", place, "-t", table)
    found = b"".join(sqlite_rows(place, table.removeprefix("public.")))
    assert found.split(b"\n") == saved.copy(table).split(b"\n")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with sqlite3.connect(place) as connection:
        kinds = (
            connection.execute("SELECT typeof(f8), typeof(i4), typeof(by), typeof(n) FROM everything WHERE id = 2")
            if table == ONE_OF
            else None
        )
        assert kinds is None or kinds.fetchone() == ("real", "integer", "blob", "text")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("table", [ONE_OF, "public.one"])
def test_jsonl_gives_back_copy_text(saved: Saved, tmp_path: Path, table: str) -> None:
    saved.export("jsonl", tmp_path / "out", "-t", table)
    lines = (tmp_path / "out" / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
    assert b"".join(json_rows(lines, saved.types[table])).split(b"\n") == saved.copy(table).split(b"\n")


def test_json_null_is_a_value_and_null_is_none(saved: Saved, tmp_path: Path) -> None:
    saved.export("jsonl", tmp_path / "out", "-t", ONE_OF, "--safe-integers")
    rows = [
        json.loads(line) for line in (tmp_path / "out" / f"{ONE_OF}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert "jb" not in rows[0]
    assert rows[1]["jb"] is None
    assert (rows[1]["id"], rows[1]["o"], rows[1]["i4"]) == ("1", 4294967295, 2147483647)


def test_the_parts_of_several_machines_are_the_whole(saved: Saved, lake: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    told = [saved.export("parquet", place, "--split", f"{part}/2") for part in (1, 2)]
    assert sum(one["rows"] for one in told) == 10 + 2 + 1 + 6 + 2 + 100 + 1
    for table in (ONE_OF, "public.no_rows", "public.computed"):
        assert sorted(parquet_rows(files(place, table))) == sorted(parquet_rows(files(lake, table)))
    assert len(list((place / "_pgvault").glob("*.part-*-of-2.json"))) == 2


def test_another_snapshot_comes_into_the_same_place_and_none_twice(saved: Saved, tmp_path: Path) -> None:
    place = tmp_path / "out"
    saved.export("parquet", place, "-t", "names")
    again = saved.command("export", "latest", "--format", "parquet", "-o", str(place), "-t", "one")
    assert again.code == 8
    assert "holds this snapshot already" in again.err
    assert sorted(path.name for path in place.iterdir()) == ["_pgvault", next(place.glob("public.names*")).name]


@pytest.mark.parametrize("form", ["parquet", "sqlite", "jsonl", "csv"])
def test_nothing_that_is_there_is_touched(saved: Saved, tmp_path: Path, form: str) -> None:
    for place in (tmp_path / "file", tmp_path / "folder"):
        if place.name == "file":
            place.write_text("mine")
        else:
            place.mkdir()
            (place / "x").write_text("mine")
        done = saved.command("export", "latest", "--format", form, "-o", str(place))
        assert done.code == 8, done.err
        assert "exists already" in done.err
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "x").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_bucket_takes_it_whole_and_once(saved: Saved, lake: Path, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    command = Command(home=saved.command.home, environment=s3_server.environment)
    words = ("export", "latest", "--format", "parquet", "-o")
    done = command(*words, f"{url}/lake")
    assert done.code == 0, done.err
    objects = objects_of(s3_server, f"{url}/lake")
    assert sorted(item.key.decode() for item in objects.list()) == sorted(
        str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file()
    )
    for said, place in (("this snapshot already", f"{url}/lake"), ("something else", url)):
        again = command(*words, place)
        assert again.code == 8, again.err
        assert said in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "parquet", "-o", "-"), "one stream"),
        (("--format", "sqlite", "-o", "s3://bucket/x"), "directory of this machine"),
        (("--format", "csv", "--split", "1/2", "-o", "x"), "not written in parts"),
        (("--format", "csv", "--safe-integers", "-o", "x"), "about JSON"),
        (("--format", "tar", "-t", "names", "-o", "x"), "about rows"),
        (("--format", "csv", "-t", "nams", "-o", "x"), "did you mean public."),
    ],
)
def test_what_cannot_be_meant_is_refused(saved: Saved, arguments: tuple[str, ...], said: str) -> None:
    done = saved.command("export", "latest", *arguments)
    assert done.code == 2
    assert said in done.err


def test_floating_point_has_the_servers_digits(pg15: Cluster) -> None:
    doubles = [struct.unpack("<d", os.urandom(8))[0] for _ in range(2000)] + [2.0**n for n in range(-1074, 1024, 7)]
    singles = [struct.unpack("<f", os.urandom(4))[0] for _ in range(1000)] + [2.0**n for n in range(-149, 128)]
    with pg15.connect("postgres") as connection:
        query = "SELECT v::text FROM unnest(%s::float8[]) WITH ORDINALITY AS t (v, at) ORDER BY at"
        assert [row[0] for row in connection.execute(query, [doubles])] == [float_text(one) for one in doubles]
        query = query.replace("float8", "float4")
        assert [row[0] for row in connection.execute(query, [singles])] == [
            float_text(one, single=True) for one in singles
        ]


def test_csv_is_that_of_the_server(saved: Saved, tmp_path: Path) -> None:
    saved.export("csv", tmp_path / "out")
    done = saved.command("table", "latest", ONE_OF)
    assert (tmp_path / "out" / f"{ONE_OF}.csv").read_text(encoding="utf-8") == done.out
    assert len(list((tmp_path / "out").iterdir())) == 8
