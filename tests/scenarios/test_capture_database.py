"""One database with a bit of everything is captured whole: definitions, rows, sequences, large objects, roles, facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.fix_zoo import part
from tests.scenarios.capture_support import copy_text, database, jobs, open_on, read_all
from vault.errors import UsageError
from vault.model import Address, Identity, Section, State, TableName, read_address
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

ODD = TableName(schema='Sch ema"x', name='tab\nle "ü"')


@pytest.fixture(scope="module", params=[15, 18])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(f"pg{request.param}")
    return found


@pytest.fixture(scope="module")
def zoo(cluster: Cluster) -> Iterator[str]:
    with database(cluster, part("roles"), part("names")) as name:
        yield name


@pytest.fixture(scope="module")
def capture(cluster: Cluster, zoo: str) -> Iterator[PostgresCapture]:
    with open_on(cluster.dsn(zoo)) as opened:
        yield opened


def test_every_definition_has_an_identity_of_its_own(capture: PostgresCapture) -> None:
    dump = capture.schema()
    assert len({entry.identity for entry in dump.entries}) == len(dump.entries) == len(dump.needs)
    descs = Counter(entry.identity.desc for entry in dump.entries)
    for desc in (
        "TABLE ATTACH",
        "INDEX ATTACH",
        "EVENT TRIGGER",
        "PUBLICATION TABLE",
        "USER MAPPING",
        "RULE",
        "AGGREGATE",
    ):
        assert descs[desc], desc
    assert descs["OPERATOR"] == descs["TRIGGER"] == descs["POLICY"] == descs["DEFAULT ACL"] == 2
    assert not {"BLOB", "BLOBS", "TABLE DATA", "SEQUENCE SET"} & descs.keys()
    assert all(entry.section != Section.DATA for entry in dump.entries)


def test_entries_without_a_catalog_id_are_named_by_their_subject(capture: PostgresCapture) -> None:
    found = {entry.identity for entry in capture.schema().entries}
    assert Identity(desc="COMMENT", kind="table", names=("odd", "plain"), sub="COLUMN plain.amount") in found
    assert Identity(desc="ACL", kind="table", names=("odd", "counted"), sub="COLUMN counted.n") in found
    assert Identity(desc="ROW SECURITY", kind="table", names=("odd", "plain"), sub="plain") in found
    assert Identity(desc="ENCODING", kind="", names=()) in found


def test_needs_are_ascending_positions_of_entries(capture: PostgresCapture) -> None:
    dump = capture.schema()
    for needs in dump.needs:
        assert list(needs) == sorted(set(needs))
        assert all(0 <= need < len(dump.entries) for need in needs)
    trigger = next(place for place, entry in enumerate(dump.entries) if entry.identity.desc == "TRIGGER")
    assert any(dump.entries[need].identity.desc == "TABLE" for need in dump.needs[trigger])


def test_functions_carry_their_whole_definition(capture: PostgresCapture) -> None:
    functions = {
        (entry.identity.desc, entry.identity.names[-1]): entry.function_definition
        for entry in capture.schema().entries
        if entry.identity.desc in {"FUNCTION", "PROCEDURE", "AGGREGATE"}
    }
    assert "-- keeps this line" in functions["PROCEDURE", "nop"]
    assert functions["FUNCTION", "add"].startswith("CREATE OR REPLACE FUNCTION odd.add(")
    assert functions["AGGREGATE", "total"] == ""


@pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])
def test_rows_are_those_of_copy(cluster: Cluster, zoo: str, large_table_bytes: int) -> None:
    with open_on(cluster.dsn(zoo), large_table_bytes=large_table_bytes) as capture:
        reader = capture.reader()
        found = read_all(reader, jobs(capture.tables, blocks=2))
        reader.close()
        with cluster.connect(zoo) as connection:
            connection.execute("SET search_path = ''; SET timezone = 'UTC'")
            for table in capture.tables:
                expected = copy_text(connection, table)
                assert found[table.name] == (expected.count(b"\n"), expected), table.name
        assert capture.finish() == ()
    assert found[ODD][0] == 4
    assert found[TableName(schema="odd", name="nothing")] == (2, b"\n\n")
    assert found[TableName(schema="odd", name="parent")][0] == 1
    assert TableName(schema="odd", name="events") not in found


def test_tables_say_what_their_rows_depend_on(capture: PostgresCapture) -> None:
    tables = {table.name.name: table for table in capture.tables}
    assert [column.name for column in tables["plain"].columns] == ["id", "mood", "pair", "amount", "tags", "extra"]
    assert tables["plain"].key_columns == ("id",)
    assert len(tables["plain"].fingerprint) == 32
    assert tables["named_by_role"].fingerprint == b""
    assert tables["hashed_0"].load_via_root == TableName(schema="odd", name="hashed")
    assert tables["events_2025"].load_via_root is None
    assert all(table.ranges for table in capture.tables)


def test_what_has_no_rows_here_is_named(capture: PostgresCapture) -> None:
    assert [(missing.item, missing.state) for missing in capture.missing] == [('"odd"."far"', State.NOT_EXPORTABLE)]


def test_sequences_and_large_objects_are_read(capture: PostgresCapture) -> None:
    values = {item.name.name: (item.last_value, item.is_called) for item in capture.sequences()}
    assert values == {"Counter": (5, True), "plain_id_seq": (500, True)}
    objects = {found.item.oid: (found.item, b"".join(found.blocks())) for found in capture.large_objects()}
    assert objects[70001][1] == b"small"
    assert objects[70002][1] == b"\x00\xff\x10" * 300000
    assert objects[70003][1] == b""
    assert objects[70002][0].comment == "a picture"
    acl = objects[70001][0].acl
    assert acl is not None
    assert any(item.startswith("zoo_reader=r/") for item in acl)


def test_roles_come_with_memberships_and_settings(capture: PostgresCapture) -> None:
    roles = capture.roles()
    named = {role.name: role for role in roles.roles}
    assert named["zoo Writer"].can_login
    assert named["zoo Writer"].verifier
    assert named["zoo_reader"].comment == "reads"
    assert any(one.role == "zoo_reader" and one.member == "zoo Writer" and one.admin for one in roles.memberships)
    assert any(one.role == "zoo_reader" and one.name == "search_path" and not one.here for one in roles.settings)
    assert roles.verifiers_read


def test_facts_name_owners_acls_and_dependencies(capture: PostgresCapture) -> None:
    facts = capture.catalog()
    owners = {str(address): (owner, acl) for address, owner, acl in facts.acls}
    assert owners["table odd.child"][0] == "zoo Writer"
    assert any("zoo_reader=r*" in item for item in owners["table odd.plain"][1] or ())
    assert (read_address("function odd.stamp()"), read_address("schema odd"), "n") in facts.edges
    assert ("odd", "plain", "only own", ("zoo Writer", "zoo_reader")) in facts.policies
    assert facts.database["encoding"] == "UTF8"
    assert ("odd", "stamp", "", True, False) in facts.functions
    texts = [str(address) for edge in facts.edges for address in edge[:2]]
    assert not any("pg_toast" in name or "RI_ConstraintTrigger" in name for name in texts)
    assert len(facts.acls) == len(owners)


NAMED = """
SELECT DISTINCT o.type || ' ' || o.identity, a.type, a.object_names, a.object_args
  FROM (SELECT classid, objid, objsubid FROM pg_depend UNION SELECT refclassid, refobjid, refobjsubid FROM pg_depend
        UNION SELECT 'pg_proc'::regclass, oid, 0 FROM pg_proc UNION SELECT 'pg_operator'::regclass, oid, 0 FROM pg_operator
        UNION SELECT 'pg_type'::regclass, oid, 0 FROM pg_type UNION SELECT 'pg_opclass'::regclass, oid, 0 FROM pg_opclass) x,
       LATERAL pg_identify_object(classid, objid, objsubid) o, LATERAL pg_identify_object_as_address(classid, objid, objsubid) a
 WHERE classid > 0 AND o.identity IS NOT NULL AND a.type IS NOT NULL
"""
LOOKED_UP = {
    *("table", "view", "materialized view", "foreign table", "sequence", "index", "table column", "view column"),
    *("table constraint", "domain constraint", "default value", "trigger", "policy", "rule", "publication relation"),
    *("function", "procedure", "aggregate", "operator", "operator class", "type", "schema", "extension", "language"),
}


def test_a_name_is_read_as_the_address_that_the_server_gives(cluster: Cluster, zoo: str) -> None:
    with cluster.connect(zoo) as connection:
        rows = connection.execute(NAMED).fetchall()
    assert {kind for _, kind, _, _ in rows} > LOOKED_UP
    addresses = {
        printed: Address(kind=kind, names=tuple(names), args=tuple(args))
        for printed, kind, names, args in rows
        if kind in LOOKED_UP
    }
    assert {printed: read_address(printed) for printed in addresses} == addresses


def test_two_captures_of_an_unchanged_database_are_equal(cluster: Cluster, zoo: str, capture: PostgresCapture) -> None:
    with open_on(cluster.dsn(zoo)) as again:
        assert again.schema() == capture.schema()
        assert again.catalog() == capture.catalog()
        assert again.roles() == capture.roles()
        assert again.tables == capture.tables
        assert again.server.system_id == capture.server.system_id
        assert again.finish() == ()
        assert again.server.flush_lsn >= again.server.insert_lsn >= again.server.insert_lsn_before


def test_selection_follows_the_patterns_of_pg_dump(cluster: Cluster, zoo: str) -> None:
    with open_on(cluster.dsn(zoo), tables=["odd.events*"], exclude_tables=["odd.*_rest"]) as capture:
        assert [table.name.name for table in capture.tables] == ["events_2025"]
        tables = {entry.identity.names for entry in capture.schema().entries if entry.identity.desc == "TABLE"}
        assert tables == {("odd", "events"), ("odd", "events_2025")}
        assert list(capture.large_objects()) == []
    with open_on(cluster.dsn(zoo), schemas=['"Sch ema""x"']) as capture:
        assert [table.name for table in capture.tables] == [ODD]
        assert list(capture.sequences()) == []
    with pytest.raises(UsageError, match="matches nothing"):
        open_on(cluster.dsn(zoo), tables=["odd.Plain_not_there"])


@pytest.mark.parametrize(("extents", "through_psql"), [(1, False), (40, True)])
def test_psql_is_started_for_many_extents_of_a_large_table_only(
    cluster: Cluster, extents: int, through_psql: bool
) -> None:
    """Small tables come first, so that the reader cannot tell from its first jobs."""
    small = [f"CREATE TABLE {name} AS SELECT 1 AS i" for name in "abc"]
    large = "CREATE TABLE d AS SELECT i, md5(i::text) AS note FROM generate_series(1, 40000) AS i"
    with database(cluster, *small, large) as name, open_on(cluster.dsn(name), large_table_bytes=256 << 10) as capture:
        reader = capture.reader()
        planned = list(jobs(capture.tables, blocks=8))[: 3 + extents]
        assert sum(result.rows for result in reader.read(iter(planned)) if [*result.blocks()]) > extents * 900
        with cluster.connect(name) as connection:
            found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT ''_.m%'")
            assert (found.fetchone() == (1,)) is through_psql
        reader.close()


def test_rows_and_definitions_keep_the_encoding_of_the_server(cluster: Cluster) -> None:
    options = "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    with database(
        cluster, 'CREATE TABLE "grün" ("ß" text)', "INSERT INTO \"grün\" VALUES ('é')", options=options
    ) as name:
        for size in (0, 1 << 40):
            with open_on(cluster.dsn(name), large_table_bytes=size) as capture:
                found = read_all(capture.reader(), jobs(capture.tables))
                assert found == {TableName(schema="public", name="grün"): (1, b"\xe9\n")}
                assert any('"ß" text' in entry.definition for entry in capture.schema().entries)
                assert capture.server.encoding == "LATIN1"


@pytest.mark.parametrize("name", ['with "quotes" and spaces', "üñï\ncode", "it's = a\\b", "dbname=postgres"])
def test_names_of_databases_need_no_care(cluster: Cluster, name: str) -> None:
    cluster.createdb(name)
    try:
        with cluster.connect(name) as connection:
            connection.execute("CREATE TABLE here (a integer); INSERT INTO here VALUES (1)")
        with open_on(cluster.dsn(name), large_table_bytes=0) as capture:
            assert capture.server.database == name
            assert [rows for rows, _ in read_all(capture.reader(), jobs(capture.tables)).values()] == [1]
            assert any(entry.tag == "here" for entry in capture.schema().entries)
    finally:
        cluster.dropdb(name)
