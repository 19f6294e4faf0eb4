"""What a reader who is no superuser does not get is refused or named, object by object."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import database, jobs, open_on, read_all
from vault.errors import PermissionMissing, SourceError
from vault.model import Missing, State

pytestmark = pytest.mark.postgres

PASSWORDS = "passwords of roles"
SPARSE = """
SELECT lo_create(5001), lo_create(5003);
SELECT lo_from_bytea(5002, convert_to(repeat('0123456789', 70000), 'UTF8'));
SELECT lo_put(5003, 600001, 'end');
INSERT INTO pg_largeobject VALUES (5003, 0, 'short page');
"""
FOREIGN = """
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER far FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE remote (id integer) SERVER far;
REVOKE ALL ON remote FROM PUBLIC;
CREATE USER MAPPING FOR gap_reader SERVER far OPTIONS (password 'of mine');
CREATE USER MAPPING FOR postgres SERVER far OPTIONS (password 'of another');
CREATE USER MAPPING FOR PUBLIC SERVER far;
"""
SUBSCRIBED = "CREATE SUBSCRIPTION news CONNECTION 'host=far password=s3cret' PUBLICATION p WITH (connect = false)"

Reader = Callable[[str], str]


@pytest.fixture
def reader(postgres: Cluster) -> Iterator[Reader]:
    """Turns a database's name into a connection string of a role that bypasses row-level security and owns nothing."""
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE gap_reader LOGIN BYPASSRLS")
        yield lambda name: postgres.dsn(name).replace("user=postgres", "user=gap_reader")
        connection.execute("DROP ROLE gap_reader")


def gaps(dsn: str) -> dict[str, Missing]:
    with open_on(dsn, allow_gaps=True) as capture:
        found = {gap.item: gap for gap in capture.missing}
        capture.schema()
        assert capture.finish() == ()
    assert all(gap.why and gap.fix for gap in found.values())
    return found


def contents(dsn: str, *, allow_gaps: bool = False) -> dict[int, bytes]:
    with open_on(dsn, allow_gaps=allow_gaps) as capture:
        return {large.item.oid: b"".join(large.blocks()) for large in capture.large_objects()}


def test_large_objects_that_nobody_may_read_are_refused_or_named(postgres: Cluster, reader: Reader) -> None:
    with database(postgres, SPARSE, "GRANT SELECT ON LARGE OBJECT 5001 TO gap_reader") as name:
        with pytest.raises(PermissionMissing, match="1 large objects cannot be read: large objects of postgres"):
            open_on(reader(name))
        found = gaps(reader(name))
        assert found.keys() == {"large objects of postgres", PASSWORDS}
        assert found["large objects of postgres"].state is State.NOT_PERMITTED
        assert "2 of them, from oid 5002 on" in found["large objects of postgres"].why
        assert contents(reader(name), allow_gaps=True) == {5001: b""}
        drop_owned(postgres, name)


def test_a_member_of_pg_read_all_data_gets_large_objects_from_their_pages(postgres: Cluster, reader: Reader) -> None:
    with database(postgres, SPARSE) as name:
        with postgres.connect() as connection:
            connection.execute("GRANT pg_read_all_data TO gap_reader")
        found = contents(reader(name))
        assert found == contents(postgres.dsn(name))
        assert found[5001] == b""
        assert found[5002] == b"0123456789" * 70000
        assert found[5003] == b"short page".ljust(600001, b"\0") + b"end"


def test_a_sequence_without_select_is_refused_or_named(postgres: Cluster, reader: Reader) -> None:
    made = "CREATE TABLE t (id serial); INSERT INTO t DEFAULT VALUES; GRANT SELECT ON t TO gap_reader"
    with database(postgres, made) as name:
        with pytest.raises(PermissionMissing, match=r'1 sequences cannot be read: sequence "public"\."t_id_seq"'):
            open_on(reader(name))
        assert gaps(reader(name)).keys() == {'sequence "public"."t_id_seq"', PASSWORDS}
        with open_on(reader(name), allow_gaps=True) as capture:
            assert list(capture.sequences()) == []
            assert "t_id_seq" in {entry.tag for entry in capture.schema().entries}
        drop_owned(postgres, name)


def test_a_foreign_table_needs_no_right_and_its_rows_are_a_gap(postgres: Cluster, reader: Reader) -> None:
    with database(postgres, FOREIGN) as name:
        with open_on(reader(name)) as capture:
            assert {gap.item: gap.state for gap in capture.missing}['"public"."remote"'] is State.NOT_EXPORTABLE
            assert "remote" in {entry.tag for entry in capture.schema().entries}
        drop_owned(postgres, name)


def test_options_of_user_mappings_that_are_hidden_are_named(postgres: Cluster, reader: Reader) -> None:
    with database(postgres, FOREIGN) as name:
        mapping = 'options of the user mapping of "{}" on server "far"'
        hidden = {mapping.format("gap_reader"), mapping.format("postgres"), mapping.format("public")}
        found = gaps(reader(name))
        assert found.keys() == {'"public"."remote"', PASSWORDS, *hidden}
        assert all("there may be none" in found[item].why for item in hidden)
        with postgres.connect(name) as connection:
            connection.execute("GRANT USAGE ON FOREIGN SERVER far TO gap_reader; GRANT pg_read_all_data TO gap_reader")
        assert gaps(reader(name)).keys() == {'"public"."remote"', mapping.format("postgres")}
        assert gaps(postgres.dsn(name)).keys() == {'"public"."remote"'}
        drop_owned(postgres, name)


def test_subscriptions_are_for_superusers_and_a_gap_for_others(postgres: Cluster, reader: Reader) -> None:
    with database(postgres, SUBSCRIBED) as name:
        try:
            assert gaps(reader(name)).keys() == {'subscription "news"', PASSWORDS}
            assert gaps(postgres.dsn(name)) == {}
            with open_on(postgres.dsn(name)) as capture:
                assert "password=s3cret" in next(
                    entry.definition for entry in capture.schema().entries if entry.identity.desc == "SUBSCRIPTION"
                )
        finally:
            with postgres.connect(name) as connection:
                connection.execute("ALTER SUBSCRIPTION news SET (slot_name = NONE)")
                connection.execute("DROP SUBSCRIPTION news")


def drop_owned(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as connection:
        connection.execute("DROP OWNED BY gap_reader")


def test_passwords_of_roles_come_only_with_the_right_to_read_them(postgres: Cluster, reader: Reader) -> None:
    with postgres.connect() as connection:
        connection.execute("ALTER ROLE gap_reader PASSWORD 'told to nobody'")
    with database(postgres) as name:
        assert gaps(reader(name)).keys() == {PASSWORDS}
        assert verifier(reader(name)) is None
        with postgres.connect() as connection:
            connection.execute("GRANT pg_read_all_data TO gap_reader")
        assert gaps(reader(name)) == {}
        assert (verifier(reader(name)) or "").startswith("SCRAM-SHA-256$")


def verifier(dsn: str) -> str | None:
    with open_on(dsn) as capture:
        return {role.name: role.verifier for role in capture.roles().roles}["gap_reader"]


def test_the_owner_of_a_table_with_forced_row_security_reads_all_of_it_or_nothing(postgres: Cluster) -> None:
    made = (
        "CREATE ROLE forced LOGIN; CREATE TABLE f AS SELECT 1 AS a; ALTER TABLE f OWNER TO forced;"
        "ALTER TABLE f ENABLE ROW LEVEL SECURITY; ALTER TABLE f FORCE ROW LEVEL SECURITY"
    )
    with database(postgres, made) as name:
        dsn = postgres.dsn(name).replace("user=postgres", "user=forced")
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM f").fetchone() == (0,)
        with pytest.raises(PermissionMissing, match="may not see all rows"):
            open_on(dsn)
        with postgres.connect() as connection:
            connection.execute("ALTER ROLE forced BYPASSRLS")
        with open_on(dsn) as capture:
            reader = capture.reader()
            assert [rows for rows, _ in read_all(reader, jobs(capture.tables)).values()] == [1]
        with postgres.connect(name) as connection:
            connection.execute("DROP TABLE f; DROP ROLE forced")


def test_a_predefined_role_that_was_made_a_member_is_captured(postgres: Cluster) -> None:
    with database(postgres, "CREATE ROLE own_group; GRANT own_group TO pg_monitor") as name:
        with open_on(postgres.dsn(name)) as capture:
            pairs = {(one.role, one.member) for one in capture.roles().memberships}
        with postgres.connect() as connection:
            connection.execute("DROP ROLE own_group")
    assert ("own_group", "pg_monitor") in pairs
    assert not any(role.startswith("pg_") and member.startswith("pg_") for role, member in pairs)


def test_what_needs_no_right_is_defined_though_its_schema_is_closed(postgres: Cluster, reader: Reader) -> None:
    made = (
        "CREATE SCHEMA shut; CREATE VIEW shut.v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW shut.m AS SELECT 1 AS a;"
        "CREATE TYPE shut.e AS ENUM ('a'); CREATE FUNCTION shut.f() RETURNS shut.e LANGUAGE sql AS 'SELECT ''a''::shut.e';"
        "CREATE AGGREGATE shut.g(integer) (sfunc = int4pl, stype = integer)"
    )
    with database(postgres, made) as name:
        assert gaps(reader(name)).keys() == {PASSWORDS}
        sides = []
        for dsn in (reader(name), postgres.dsn(name)):
            with open_on(dsn) as capture:
                sides.append((capture.schema(), capture.catalog()))
        assert sides[0] == sides[1]
        assert {"v", "m", "e", "f()", "g(integer)"} <= {entry.tag for entry in sides[0][0].entries}


def test_what_pg_dump_warns_of_and_leaves_out_is_named(postgres: Cluster) -> None:
    broken = "CREATE TYPE bent AS ENUM ('a'); SET allow_system_table_mods = on; UPDATE pg_type SET typtype = 'x' WHERE typname = 'bent'"
    with database(postgres, broken) as name:
        found = gaps(postgres.dsn(name))
        assert [gap.state for gap in found.values()] == [State.NOT_EXPORTABLE]
        assert "definition that pg_dump warned of: " in next(iter(found))
        assert '"bent"' in next(iter(found))


def test_tables_that_need_each_other_are_no_gap(postgres: Cluster) -> None:
    circle = (
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; ALTER TABLE a ADD own int REFERENCES a"
    )
    with database(postgres, circle) as name:
        assert gaps(postgres.dsn(name)) == {}


def test_a_reading_session_expands_no_view(postgres: Cluster) -> None:
    made = (
        "CREATE FUNCTION bad() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'code of a stranger ran'; END $$;"
        "CREATE VIEW trap AS SELECT bad()"
    )
    with database(postgres, made) as name, open_on(postgres.dsn(name)) as capture:
        session = capture.reader()._direct.session  # type: ignore[attr-defined]
        with pytest.raises(SourceError) as refused:
            session.rows("SELECT * FROM public.trap", doing="reading a view")
        assert "stranger" not in refused.value.why
        assert "non-system view" in refused.value.why
