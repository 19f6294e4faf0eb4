"""Whose code the commands run: of a database full of somebody else's, those that look and those that bring back something else run nothing.

What a whole restore runs, where the same things are made and filled, is the list of the chapter on foreign code, which is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.architecture.sources import ROOT
from tests.cli.command import Command
from tests.fix_postgres import Cluster, Majors
from tests.hostile_code import PLACES, ROWS, acted, hostile_database, owner

pytestmark = pytest.mark.postgres
CHAPTER = ROOT / "spec" / "86-foreign-code.md"
LISTED = re.compile(r"^\| (?P<place>[^|]+?) \| (?P<whole>runs|-) \|", re.MULTILINE)


@pytest.fixture
def cluster(request: pytest.FixtureRequest, majors: Majors) -> Iterator[Cluster]:
    found = majors[request.param]
    with owner(found):
        yield found


on_two = pytest.mark.parametrize("cluster", [15, 18], indirect=True)
on_three = pytest.mark.parametrize("cluster", [14, 16, 18], indirect=True)
"""13 has neither statistics of expressions nor functions whose body is no string."""


def said_to_run() -> dict[str, bool]:
    """Place -> whether a whole restore runs it, as the chapter says."""
    text = CHAPTER.read_text(encoding="utf-8").partition("## What a restore runs")[2].partition("\n## ")[0]
    return {found["place"]: found["whole"] == "runs" for found in LISTED.finditer(text)}


@on_two
def test_looking_runs_nothing_of_anybody_else(pgvault_ready: Command, cluster: Cluster) -> None:
    with hostile_database(cluster) as name:
        dsn = cluster.dsn(name)
        looks = {
            "backup": ("backup", "-d", dsn),
            "a second backup": ("backup", "-d", dsn, "-j", "2"),
            "a full one": ("backup", "-d", dsn, "--full"),
            "doctor": ("doctor", "-d", dsn),
            "status": ("status",),
            "verify against": ("verify", "--against", "-d", dsn),
            "dry run": ("restore", "latest", "-d", dsn, "--into-source", "--only", "data", "--dry-run"),
            "dry run that replaces": ("restore", "latest", "-d", dsn, "--into-source", "-c", "--dry-run"),
        }
        for what, words in looks.items():
            done = pgvault_ready(*words)
            assert done.code in (0, 3), (what, done.out, done.err)
            assert acted(cluster) == set(), what
        shown = pgvault_ready("show", "latest", "--json").json()
        rows = {table["name"]: table["rows"] for table in shown["tables"]}
        assert len([count for name, count in rows.items() if name.endswith(".t") and count == ROWS]) == len(PLACES)


@on_two
@pytest.mark.spec("CODE-9")
def test_bringing_back_one_table_runs_nothing_of_the_others(pgvault_ready: Command, cluster: Cluster) -> None:
    with hostile_database(cluster) as name:
        dsn = cluster.dsn(name)
        assert pgvault_ready("backup", "-d", dsn).code == 0
        into = ("-d", dsn, "--into-source", "--yes", "--only", "public.orders", "--only", "public.customers")
        for damage, words in (
            ("DELETE FROM public.orders WHERE id <= 40", ()),
            ("UPDATE public.customers SET name = 'x'", ("-a", "-c")),
            ("DROP TABLE public.orders", ()),
        ):
            with cluster.connect(name) as connection:
                connection.execute("SET search_path = pg_catalog")
                connection.execute(damage.encode())
            acted(cluster)
            done = pgvault_ready("restore", "latest", *into, *words)
            assert done.code in (0, 9), done.err + done.out
            assert acted(cluster) == set(), damage
        with cluster.connect(name) as connection:
            query = (
                "SELECT (SELECT count(*) FROM public.orders), (SELECT count(*) FROM public.customers WHERE name <> 'x')"
            )
            connection.execute("SET search_path = pg_catalog")
            assert connection.execute(query).fetchall() == [(100, 10)]


@on_three
@pytest.mark.spec("CODE-8")
def test_what_a_whole_restore_runs_is_what_the_chapter_lists(pgvault_ready: Command, cluster: Cluster) -> None:
    with hostile_database(cluster, shadowed=False) as name:
        assert pgvault_ready("backup", "-d", cluster.dsn(name)).code == 0
        assert acted(cluster) == set()
        target = cluster.createdb()
        try:
            done = pgvault_ready("restore", "latest", "-d", cluster.dsn(target), "--yes")
            ran = acted(cluster)
            assert done.code in (0, 9), done.err + done.out
        finally:
            cluster.dropdb(target)
    listed = said_to_run()
    assert listed.keys() == PLACES.keys()
    assert ran == {place for place, runs in listed.items() if runs}
