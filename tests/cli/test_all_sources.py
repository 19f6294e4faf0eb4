"""`backup --all`: every source of the configuration, one after the other, in one repository."""

from __future__ import annotations

import json
import shutil

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES

CONFIGURATION = """
[source.one]
directories = { files = "one" }
[source.two]
directories = { files = "two" }
[source.three]
directories = { files = "three" }
"""


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "pgvault.toml").write_text(CONFIGURATION)
    for name in ("one", "two", "three"):
        (pgvault_ready.home / name).mkdir()
        (pgvault_ready.home / name / "same").write_text("the same content\n" * 5000)
    return pgvault_ready


def test_every_source_gets_a_snapshot_and_shares_what_is_the_same(project: Command) -> None:
    done = project("backup", "--all", "--json")
    assert done.code == 0, done.err
    *lines, last = [json.loads(line) for line in done.out.splitlines() if '"type":"result"' in line]
    for line in lines:
        jsonschema.validate(line, SHAPES["backup"])
    assert [line["source"] for line in lines] == ["one", "three", "two"]
    jsonschema.validate(last, SHAPES["backup --all"])
    assert [one["snapshot"] for one in last["sources"]] == [line["snapshot"] for line in lines]
    assert lines[0]["new_bytes"] > 0
    assert all(line["new_bytes"] < lines[0]["new_bytes"] for line in lines[1:])
    assert "3 of 3 sources saved" in project("backup", "--all").out
    listed = project("snapshots", "--source", "two", "--json").json()["snapshots"]
    assert [(one["source"], one["sequence"]) for one in listed] == [("two", 1), ("two", 2)]


def test_what_status_says_to_type_of_each_source_says_which(project: Command) -> None:
    assert project("backup", "--all").code == 0
    told = project("status").out
    for source in ("one", "two", "three"):
        (snapshot,) = project("snapshots", "--source", source, "--json").json()["snapshots"]
        assert f"last drill: never; next: pgvault drill {snapshot['id'][:12]}\n" in told
    assert project("drill", snapshot["id"][:12]).code == 0
    assert "never; next: pgvault verify --all\n" in told
    assert project("verify", "--all").code == 0


def test_source_that_fails_stops_no_other_and_the_gravest_code_is_returned(project: Command) -> None:
    shutil.rmtree(project.home / "one")
    with (project.home / "pgvault.toml").open("a") as file:
        file.write('[source.away]\ndatabase = "postgresql://nobody@127.0.0.1:1/nothing"\n[source.none]\n')
    done = project("backup", "--all", "--json")
    last = done.json()
    codes = {one["source"]: one["exit_code"] for one in last["sources"]}
    assert codes == {"one": 2, "two": 0, "three": 0, "away": 6, "none": 2}
    assert done.code == 6
    errors = [json.loads(line) for line in done.out.splitlines() if '"type":"error"' in line]
    assert {one["source"]: one["exit_code"] for one in errors} == {"one": 2, "away": 6, "none": 2}
    told = project("backup", "--all")
    assert told.code == 6
    assert "away: " in told.err
    assert "2 of 5 sources saved" in told.out


def test_what_went_away_of_one_source_is_said_of_that_source(project: Command) -> None:
    first = project("backup", "--all", "--json").json()["sources"]
    lost = next(one["snapshot"] for one in first if one["source"] == "two")
    (project.repository / "snapshots" / lost).unlink()
    done = project("backup", "--all", "--json")
    assert done.code == 4
    assert {one["source"]: one["exit_code"] for one in done.json()["sources"]} == {"one": 0, "two": 4, "three": 0}


@pytest.mark.parametrize(
    "option",
    [("-d", "app"), ("--dir", "a=one"), ("--source", "one"), ("-t", "t"), ("--accept-rollback",), ("--server-moved",)],
)
def test_what_is_about_one_source_is_refused(project: Command, option: tuple[str, ...]) -> None:
    done = project("backup", "--all", *option)
    assert done.code == 2
    assert option[0] in done.err


def test_all_of_none_is_refused(pgvault_ready: Command) -> None:
    done = pgvault_ready("backup", "--all")
    assert done.code == 2
    assert "[source.NAME]" in done.err


def test_source_that_is_nearly_configured_is_suggested(project: Command) -> None:
    done = project("backup", "--source", "thre")
    assert done.code == 2
    assert "did you mean --source three?" in done.err
    (project.home / "pgvault.toml").write_text("[sources.one]\n")
    done = project("backup")
    assert done.code == 2
    assert "did you mean 'source'?" in done.err


def test_database_of_the_environment_is_not_taken_once_for_each(project: Command) -> None:
    done = project("backup", "--all", PGHOST="127.0.0.1", PGPORT="1", PGDATABASE="nothing")
    assert done.code == 0, done.err
