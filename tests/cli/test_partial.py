"""A snapshot of a part never looks whole, wherever it is shown."""

from __future__ import annotations

import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("way", ["flag", "configuration"])
@pytest.mark.parametrize(("flag", "key"), [("-T", "exclude_tables"), ("--exclude-table-data", "exclude_table_data")])
def test_a_part_is_marked_in_lists_plan_and_manifest(
    pgvault_ready: Command, pg18: Cluster, way: str, flag: str, key: str
) -> None:
    name = pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute("create table kept (id int); create table left_out (id int)")
    (pgvault_ready.home / "pgvault.toml").write_text(
        f'[source.app]\n{key} = ["public.left_out"]\n' if way == "configuration" else "[source.app]\n"
    )
    flags = (flag, "public.left_out") if way == "flag" else ()
    done = pgvault_ready("backup", "-d", pg18.dsn(name), *flags)
    assert done.code == 0, done.err
    (listed,) = pgvault_ready("snapshots", "--json").json()["snapshots"]
    assert listed["partial"] is True
    assert "PARTIAL" in pgvault_ready("snapshots").out
    into = ("-d", pg18.dsn(pg18.createdb()), "--dry-run")
    for text in (
        pgvault_ready("show", "latest").out,
        pgvault_ready("restore", "latest", *into).out,
        pgvault_ready("cat", "latest:BACKUP_MANIFEST.md").out,
        done.out,
    ):
        assert f"{flag} public.left_out" in text
    assert pgvault_ready("restore", "latest", *into, "--json").json()["plan"]["partial"] is True


def test_a_whole_snapshot_is_not(pgvault_ready: Command, pg18: Cluster) -> None:
    assert pgvault_ready("backup", "-d", pg18.dsn(pg18.createdb())).code == 0
    (listed,) = pgvault_ready("snapshots", "--json").json()["snapshots"]
    assert listed["partial"] is False
    assert "PARTIAL" not in pgvault_ready("snapshots").out
