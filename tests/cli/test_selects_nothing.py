"""A name that matches nothing is said with what there is: an error where it was typed, a warning where it is configured."""

from __future__ import annotations

import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster


@pytest.fixture
def saved(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "lib").mkdir()
    assert pgvault_ready("--source", "shop", "backup", "--dir", "lib=lib").code == 0
    return pgvault_ready


@pytest.mark.parametrize(
    "command", [("snapshots",), ("show", "latest"), ("ls", "latest"), ("restore", "latest", "--dir", "lib=x")]
)
def test_a_source_without_snapshots_is_an_error_that_names_the_others(saved: Command, command: tuple[str, ...]) -> None:
    done = saved("--source", "shpo", *command)
    assert done.code == 2
    assert "shop" in done.err


def test_a_directory_that_is_not_there_is_said_with_those_that_are(saved: Command) -> None:
    done = saved("restore", "latest", "--dir", "libs=x", "--yes")
    assert done.code == 2
    assert "lib" in done.err.splitlines()[1]


def test_only_edge_functions_without_a_directory_is_an_error(saved: Command) -> None:
    done = saved("restore", "latest", "-d", "nowhere", "--only", "edge_functions", "--yes")
    assert done.code == 2
    assert "--dir edge_functions=TARGET" in done.err


@pytest.mark.postgres
def test_what_the_configuration_names_in_vain_is_a_warning(pgvault_ready: Command, pg18: Cluster) -> None:
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute("create table app_roles (id int)")
    (pgvault_ready.home / "pgvault.toml").write_text(
        '[source.app]\naccepted_gaps = ["files of storage.object"]\n[source.app.components]\nrole_tables = ["public.app_role"]\n'
    )
    done = pgvault_ready("backup", "-d", pg18.dsn(name))
    assert done.code == 0
    assert "files of storage.object" in done.err
    assert "public.app_roles" in done.err


@pytest.mark.postgres
@pytest.mark.parametrize("flags", [("-t", "public.kept", "-t", "public.typo"), ("-n", "public", "-n", "typo")])
def test_a_pattern_that_matches_nothing_is_an_error_with_what_there_is(
    pgvault_ready: Command, pg18: Cluster, flags: tuple[str, ...]
) -> None:
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute("create table kept (id int)")
    done = pgvault_ready("backup", "-d", pg18.dsn(name), *flags)
    assert done.code == 2
    assert "typo matches nothing" in done.err
    assert "public" in done.err.splitlines()[1]


TYPOS = {
    "exclude_schemas": ("-N", "typo"),
    "exclude_tables": ("-T", "public.typo"),
    "exclude_table_data": ("--exclude-table-data", "public.typo"),
}
FOUND = ("app", "app.logs", "public.kept")
"""A second pattern of each, which does leave something out."""


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["flags", "configuration"])
def test_a_pattern_that_leaves_nothing_out_is_a_warning_with_what_there_is(
    pgvault_ready: Command, pg18: Cluster, way: str
) -> None:
    """What it should have kept out is in the snapshot: nothing is lost, and a nightly backup is not missing."""
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute("create schema app; create table kept (id int); create table app.logs (id int)")
    listed = "".join(
        f'{key} = ["{pattern}", "{found}"]\n' for (key, (_, pattern)), found in zip(TYPOS.items(), FOUND, strict=True)
    )
    (pgvault_ready.home / "pgvault.toml").write_text("[source.app]\n" + (listed if way == "configuration" else ""))
    typed = [
        word
        for (flag, pattern), found in zip(TYPOS.values(), FOUND, strict=True)
        for word in (flag, pattern, flag, found)
    ]
    done = pgvault_ready("backup", "-d", pg18.dsn(name), *(typed if way == "flags" else ()))
    assert done.code == 0, done.err
    told = [line for line in done.err.splitlines() if "leaves nothing out" in line]
    assert len(told) == 3, done.err
    for flag, pattern in TYPOS.values():
        (line,) = (one for one in told if f"{flag} {pattern} leaves" in one)
        assert "app" in line.partition(";")[2] if flag != "--exclude-table-data" else "public.kept" in line


@pytest.mark.postgres
def test_a_partitioned_table_holds_no_rows_to_leave_out(pgvault_ready: Command, pg18: Cluster) -> None:
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute(
            "create table parted (id int) partition by range (id); create table part partition of parted default"
        )
    done = pgvault_ready("backup", "-d", pg18.dsn(name), "--exclude-table-data", "parted")
    assert done.code == 0
    assert (
        "--exclude-table-data parted leaves nothing out; tables of the selection that hold rows: public.part"
        in done.err
    )


def test_a_directory_under_nearly_a_known_name_is_told(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "f" / "hello").mkdir(parents=True)
    done = pgvault_ready("backup", "--dir", "functions=f", "--dir", "lib=f")
    assert done.code == 0
    told = [line for line in done.err.splitlines() if "--dir" in line]
    assert len(told) == 1
    assert "edge_functions, migrations, storage" in told[0]
    assert "functions" in told[0].partition("edge_functions")[0]
    assert "--dir" not in pgvault_ready("backup", "--dir", "edge_functions=f", "--dir", "functions=f").err


@pytest.mark.postgres
def test_the_first_backup_of_a_database_without_tables_asks_whether_it_is_the_one(
    pgvault_ready: Command, pg18: Cluster
) -> None:
    name = pg18.createdb()
    first, second = (pgvault_ready("backup", "-d", pg18.dsn(name)) for _ in range(2))
    assert first.code == second.code == 0
    assert f"database {name} has no tables" in first.err
    assert "no tables" not in second.err, "who wanted it so is not asked every night"


@pytest.mark.postgres
def test_a_database_whose_tables_are_left_out_is_not_told_as_one_without(pgvault_ready: Command, pg18: Cluster) -> None:
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute("create table kept (id int)")
    done = pgvault_ready("backup", "-d", pg18.dsn(name), "-T", "kept")
    assert done.code == 0, done.err
    assert "no tables" not in done.err
