"""The fingerprint of a table changes whenever the text of its rows could, and stands for nothing when it cannot know."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from vault.source.postgres.connection.connect import connect
from vault.source.postgres.connection.resolve import resolve
from vault.source.postgres.rows.table_fingerprint import fingerprints

pytestmark = pytest.mark.postgres

SETUP = """
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE TYPE pair AS (x integer, y mood);
CREATE DOMAIN small AS pair;
CREATE TABLE row_type (q timestamptz);
CREATE TABLE t (i integer, m mood, ms mood[], p pair, d small, r row_type, n numeric(5, 2));
CREATE TABLE plain (i integer, j jsonb, k text[]);
CREATE TABLE role_name (a aclitem);
CREATE TYPE holds_class AS (c regclass);
CREATE TABLE catalog_rows (c pg_class[]);
CREATE TYPE own; CREATE FUNCTION own_in(cstring) RETURNS own LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION own_out(own) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE own (INPUT = own_in, OUTPUT = own_out, LIKE = text); CREATE TABLE unknown_output (o own[]);
CREATE TABLE class_name (h holds_class[]);
"""


def printed(cluster: Cluster, database: str) -> dict[str, bytes]:
    session = connect(resolve(cluster.dsn(database), {}, allow_cleartext=False))
    oids: dict[str, int] = dict(
        session.rows(
            "SELECT relname::text, oid::int8 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
            doing="listing",
        )
    )
    found = fingerprints(session, sorted(oids.values()))
    session.close()
    return {name: found[oid] for name, oid in oids.items()}


@pytest.mark.spec("REUSE-3")
@pytest.mark.parametrize(
    ("statement", "changes"),
    [
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'z'", True),
        (
            "ALTER TYPE mood RENAME VALUE 'a' TO 'x'; ALTER TYPE mood RENAME VALUE 'b' TO 'a'; ALTER TYPE mood RENAME VALUE 'x' TO 'b'",
            True,
        ),
        ("ALTER TYPE mood ADD VALUE 'c'", True),
        ("ALTER TYPE pair ADD ATTRIBUTE z integer", True),
        ("ALTER TYPE pair RENAME ATTRIBUTE x TO xx", True),
        ("ALTER TABLE row_type ADD COLUMN more integer", True),
        ("ALTER TABLE t ADD COLUMN more integer DEFAULT 7", True),
        ("ALTER TABLE t DROP COLUMN i", True),
        ("ALTER TABLE t ALTER n TYPE numeric(6, 2)", True),
        ("INSERT INTO t (i) VALUES (1); ANALYZE t; CREATE INDEX ON t (i); COMMENT ON TABLE t IS 'x'", False),
        (
            "ALTER TYPE mood OWNER TO postgres; GRANT USAGE ON TYPE mood TO PUBLIC; ALTER TABLE plain ADD COLUMN z mood",
            False,
        ),
    ],
)
def test_what_a_column_leads_to_is_part_of_it(postgres: Cluster, statement: str, changes: bool) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SETUP)
        before = printed(postgres, name)
        for part in statement.split("; "):
            connection.execute(part)
    after = printed(postgres, name)
    assert (before["t"] != after["t"]) is changes
    assert len(before["t"]) == len(before["plain"]) == 32
    assert before["role_name"] == before["class_name"] == before["catalog_rows"] == b""
    assert before["unknown_output"] == b"", "nobody vouches for its output function, and its library may change"
    postgres.dropdb(name)
