"""PostgreSQL 13 to 18: the zoo of each comes back whole, by us and by stock programs, in its own major and in later ones."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pytest

from tests.fix_postgres import SUPPORTED, Cluster, Majors, binaries_of
from tests.fix_views import ViewRepository
from tests.fix_zoo import NEWEST, PROGRAMS, Zoo, Zoos, capture_of, empty, fill, pg_restore
from tests.restore_support import restored, snapshot_of
from vault.model import CatalogFacts
from vault.ops.compare.databases import compare
from vault.ops.compare.facts import Difference
from vault.source.postgres.connection.programs import Programs

pytestmark = pytest.mark.postgres


def differences(zoo: Zoo, cluster: Cluster, db: str, programs: Programs = PROGRAMS) -> list[Difference]:
    """Without those of roles that came to the zoo's cluster after its snapshot, of a test that shares it."""
    with capture_of(zoo.cluster, zoo.db, programs)() as source, capture_of(cluster, db, programs)() as target:
        found = compare(source, target, key=os.urandom(32))
    return [one for one in found if roles_about(one) <= zoo.roles]


def roles_about(one: Difference) -> set[str]:
    """None for a setting of all roles."""
    about = one.about
    return set(about.names) - {""} if about is not None and about.kind in ("role", "role membership") else set()


SET_BY_SERVER: Final = re.compile(r"(?<= SET )\(pg_attver=\d+(?:, )?")
"""An option of every column that only the server sets, another one on each."""


def schema_of(cluster: Cluster, db: str) -> list[str]:
    command = [
        str(NEWEST.require("pg_dump", major=18, local=True).path),
        "-s",
        "--restrict-key=x",
        "-d",
        cluster.dsn(db),
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line for line in SET_BY_SERVER.sub("(", said).splitlines() if not line.endswith(" SET ();")]


def test_zoo_restored_into_its_own_major_equals_its_source(any_zoo: Zoo) -> None:
    with empty(any_zoo.cluster) as ours:
        assert restored(any_zoo.snapshot, any_zoo.cluster.dsn(ours)).failed == {}
        assert differences(any_zoo, any_zoo.cluster, ours) == []
        assert schema_of(any_zoo.cluster, ours) == schema_of(any_zoo.cluster, any_zoo.db)


@pytest.mark.parametrize("way", ["pipe", "jobs"])
def test_pg_restore_of_the_same_major_restores_the_exported_archive(any_zoo: Zoo, way: str) -> None:
    program = any_zoo.program("pg_restore")
    with empty(any_zoo.cluster) as stock:
        into = ("-d", any_zoo.cluster.dsn(stock))
        if way == "pipe":
            assert pg_restore(program, *into, stdin=any_zoo.dump.read_bytes()) == ""
        else:
            assert pg_restore(program, "-j4", *into, str(any_zoo.dump)) == ""
        assert differences(any_zoo, any_zoo.cluster, stock) == []


def test_pg_restore_of_every_major_lists_the_exported_archive(any_zoo: Zoo) -> None:
    for major in SUPPORTED:
        binaries = binaries_of(major)
        if binaries is None or not (binaries / "pg_restore").exists():
            continue
        command = [str(binaries / "pg_restore"), "-l", str(any_zoo.dump)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Dump Version: 1.14-0" in listed
        assert listed.count(" TABLE DATA ") == len(list(any_zoo.snapshot.tables()))


@pytest.mark.parametrize(("major", "pg_dump"), [(13, 13), (13, 18), (16, 16), (17, 17)], ids=str)
def test_zoo_comes_back_whichever_pg_dump_described_it(zoos: Zoos, major: int, pg_dump: int) -> None:
    zoo = zoos[major]
    with empty(zoo.cluster) as ours:
        failed = restored(zoo.taken_by(pg_dump), zoo.cluster.dsn(ours)).failed
        assert {name for name in failed if "SUBSCRIPTION" not in name} == set()
        assert bool(failed) == (major < 16 <= pg_dump)
        found = differences(zoo, zoo.cluster, ours)
        assert [one for one in found if "subscription" not in one.name.lower()] == []
        assert bool(found) == bool(failed)


def test_pg_dump_of_15_is_taken_for_older_servers() -> None:
    places = [str(place) for major in SUPPORTED if (place := binaries_of(major)) and (place / "pg_dump").exists()]
    programs = Programs(system_places=places)
    taken = {major: programs.require("pg_dump", major=major, local=False).major for major in (13, 14, 15, 16, 17, 18)}
    assert taken == {13: 15, 14: 15, 15: 15, 16: 18, 17: 18, 18: 18}


def test_who_could_create_in_public_still_can_and_nobody_else(majors: Majors, pg18: Cluster) -> None:
    """pg_dump 13 does not tell what was initdb's then and is no longer."""
    binaries = binaries_of(13)
    if binaries is None or not (binaries / "pg_dump").exists():
        pytest.skip("pg_dump 13 is not installed")
    can = "SELECT has_schema_privilege('pg_monitor', 'public', 'CREATE')"
    for script, expected in (("", True), ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", False)):
        with empty(majors[13]) as source, empty(pg18) as ours:
            fill(majors[13], source, [script])
            taken = ViewRepository().take(capture=capture_of(majors[13], source, Programs(directory=binaries)))
            assert restored(taken, pg18.dsn(ours)).failed == {}
            with pg18.connect(ours) as connection:
                assert connection.execute(can).fetchone() == (expected,)


ICU: Final = """
    CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE t (a text COLLATE folded UNIQUE); INSERT INTO t VALUES ('a'), ('b')
"""


@pytest.mark.parametrize(("before", "after"), [(13, 13), (13, 17), (17, 17)], ids=str)
def test_collation_of_icu_comes_back(majors: Majors, before: int, after: int) -> None:
    """Not part of the zoo: the server of 18 has no ICU."""
    with empty(majors[before]) as source, empty(majors[after]) as ours:
        fill(majors[before], source, [ICU])
        assert restored(snapshot_of(majors[before].dsn(source)), majors[after].dsn(ours)).failed == {}
        with majors[after].connect(ours) as connection:
            assert connection.execute("SELECT a FROM t WHERE a = 'A'").fetchall() == [("a",)]


NEWS: Final = "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)"
PLAIN: Final = (
    "CREATE TABLE u (a int PRIMARY KEY, b text NOT NULL); INSERT INTO u VALUES (1, 'x'); GRANT ALL ON u TO PUBLIC"
)


def test_older_major_gets_what_it_knows_and_a_warning(pg15: Cluster, pg18: Cluster) -> None:
    for script, failed in ((PLAIN, set()), (f"{PLAIN}; {NEWS}", {"TABLE t", "CONSTRAINT t t_pkey"})):
        with empty(pg18) as source, empty(pg15) as ours:
            fill(pg18, source, [script])
            done = restored(snapshot_of(pg18.dsn(source)), pg15.dsn(ours))
            assert done.failed.keys() == failed
            assert "the target is PostgreSQL 15, the snapshot comes from 18" in done.shown
            with pg15.connect(ours) as connection:
                assert connection.execute("SELECT a, b FROM u").fetchall() == [(1, "x")]


def test_not_null_whose_name_is_taken_gets_another_as_with_pg_restore(pg18: Cluster) -> None:
    """18 names them, pg_dump tells only names that are not the usual ones, and LIKE takes the usual one of another table."""
    names = "SELECT array_agg(conname::text ORDER BY conname) FROM pg_constraint WHERE contype = 'n' AND oid >= 16384"
    dump, load = pg18.bin / "pg_dump", pg18.bin / "pg_restore"
    with empty(pg18) as source, empty(pg18) as ours, empty(pg18) as stock:
        fill(pg18, source, ["CREATE TABLE b (d date NOT NULL); CREATE TABLE a (LIKE b)"])
        archive = subprocess.run([str(dump), "-Fc", "-d", pg18.dsn(source)], check=True, capture_output=True).stdout
        assert pg_restore(load, "-d", pg18.dsn(stock), stdin=archive) == ""
        assert restored(snapshot_of(pg18.dsn(source)), pg18.dsn(ours)).failed == {}
        for db in (ours, stock):
            with pg18.connect(db) as connection:
                assert connection.execute(names.encode()).fetchone() == (["b_d_not_null", "b_d_not_null1"],)


EXCLUDED: Final = """
    CREATE TABLE r (k int4range, d int4range, EXCLUDE USING gist (k WITH =, d WITH &&)) PARTITION BY RANGE (k);
    CREATE TABLE r_1 PARTITION OF r FOR VALUES FROM ('[0,1)') TO ('[9,10)'); INSERT INTO r VALUES ('[1,2)', '[1,5)')
"""


def test_what_17_cannot_attach_is_reported(majors: Majors) -> None:
    """Its ALTER INDEX ... ATTACH PARTITION takes two equal exclusion constraints for different; 18 does not."""
    with empty(majors[17]) as source, empty(majors[17]) as ours:
        fill(majors[17], source, [EXCLUDED])
        assert restored(snapshot_of(majors[17].dsn(source)), majors[17].dsn(ours)).failed.keys() == {
            "INDEX ATTACH r_1_k_d_excl"
        }


# --- version moves -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """`zoo` of an older major in database `db` of a newer server."""

    zoo: Zoo
    cluster: Cluster
    db: str

    def crosses(self, major: int) -> bool:
        return self.zoo.major < major <= self.cluster.major

    @cached_property
    def facts(self) -> tuple[CatalogFacts, CatalogFacts]:
        with capture_of(self.zoo.cluster, self.zoo.db)() as source, capture_of(self.cluster, self.db)() as target:
            return source.catalog(), target.catalog()

    @cached_property
    def sequences(self) -> frozenset[str]:
        return frozenset(
            str(address).removeprefix("sequence ") for address, _, _ in self.facts[0].acls if address.kind == "sequence"
        )


def text_of_views(move: Move, one: Difference) -> bool:
    """Servers before 16 qualify every column of a view's text, later ones those that need it."""
    return (
        move.crosses(16)
        and one.kind == "entry"
        and one.name.startswith(("VIEW ", "MATERIALIZED VIEW "))
        and one.what == "differs in definition"
    )


def multiranges(move: Move, one: Difference) -> bool:
    """Before 14 a range type has no multirange: its definition names none, and its constructors are not there."""
    if move.crosses(14) and one.kind == "entry":
        return one.name in ("TYPE app.fr", "TYPE odd.spread") and one.what == "differs in definition"
    return (
        move.crosses(14)
        and one.kind == "privileges"
        and "_multirange" in one.name
        and one.what == "not in the snapshot"
    )


def privileges_of_multiranges(move: Move, one: Difference) -> bool:
    """Since 17 they are those of the range type."""
    return move.crosses(17) and one.name in ("type kinds.spans", "ACL kinds.spans TYPE spans")


def types_of_sequences(move: Move, one: Difference) -> bool:
    """Before 14 a sequence has a row type."""
    return (
        move.crosses(14)
        and one.what == "missing"
        and one.kind == "privileges"
        and one.name.removeprefix("type ") in move.sequences
    )


def defaults_of_subscriptions(move: Move, one: Difference) -> bool:
    """pg_dump before 16 does not say run_as_owner, before 18 not streaming: the target's defaults hold."""
    return one.kind == "entry" and one.name in ("SUBSCRIPTION sub", "SUBSCRIPTION off") and move.crosses(16)


def maintain_of_owners(move: Move, one: Difference) -> bool:
    """Since 17 an owner may lose MAINTAIN, so pg_dump spells out what owners keep; the privileges themselves are compared."""
    return (
        move.crosses(17) and one.kind == "entry" and one.name.startswith("ACL ") and one.what == "differs in definition"
    )


def order_of_policy_roles(move: Move, one: Difference) -> bool:
    """pg_dump lists them as they lie in pg_authid; as a set they are compared beside it."""
    return one.kind == "entry" and one.name == "POLICY odd.plain.only own" and one.what == "differs in definition"


NORMALISATIONS: Final[tuple[Callable[[Move, Difference], bool], ...]] = (
    text_of_views,
    multiranges,
    privileges_of_multiranges,
    types_of_sequences,
    defaults_of_subscriptions,
    maintain_of_owners,
    order_of_policy_roles,
)


WIDENED_BY_PG_RESTORE: Final = """
    REVOKE MAINTAIN ON kinds.logged, kinds.keyed FROM zoo_other, "zoo Writer", zoo_anon;
    ALTER DEFAULT PRIVILEGES REVOKE MAINTAIN ON TABLES FROM zoo_reader;
"""
"""GRANT ALL of before 17 gives MAINTAIN when pg_restore runs it on 17; ours takes that back."""


def of_newer_extension(one: Difference) -> bool:
    """pg_restore takes the version of an extension that the target prefers, which has other members; ours the recorded one."""
    return one.kind == "extension" or (one.kind == "privileges" and " public." in one.name and "hstore" in one.name)


@pytest.mark.spec("RST-12")
@pytest.mark.parametrize(
    ("before", "after"), [(13, 15), (13, 18), (14, 16), (15, 17), (15, 18), (16, 18), (17, 18)], ids=str
)
def test_zoo_moves_to_a_later_major(zoos: Zoos, majors: Majors, before: int, after: int) -> None:
    zoo, cluster = zoos[before], majors[after]
    with empty(cluster) as ours, empty(cluster) as stock:
        assert restored(zoo.snapshot, cluster.dsn(ours)).failed == {}
        move = Move(zoo, cluster, ours)
        found = differences(zoo, cluster, ours, NEWEST)
        assert [one for one in found if not any(same(move, one) for same in NORMALISATIONS)] == []
        assert (
            pg_restore(zoos[after].program("pg_restore"), "-d", cluster.dsn(stock), stdin=zoo.dump.read_bytes()) == ""
        )
        if move.crosses(17):
            fill(cluster, stock, [WIDENED_BY_PG_RESTORE])
        with capture_of(cluster, stock)() as first, capture_of(cluster, ours)() as second:
            assert [one for one in compare(first, second, key=os.urandom(32)) if not of_newer_extension(one)] == []


def test_rows_are_read_in_ranges_where_the_server_can(any_zoo: Zoo) -> None:
    """Before 14 there are no scans of a range of blocks; rows of another access method have no blocks that mean anything.

    `big` has an index over a function of somebody who is no superuser, so that no statement of ours plans it [CODE-1].
    """
    with capture_of(any_zoo.cluster, any_zoo.db)() as capture:
        whole = {table.name.name for table in capture.tables if not table.ranges}
        everything = {table.name.name for table in capture.tables}
    others = {"big", "elsewhere"} if any_zoo.major < 17 else {"accessed_1", "big", "elsewhere"}
    assert whole == (everything if any_zoo.major == 13 else others)
