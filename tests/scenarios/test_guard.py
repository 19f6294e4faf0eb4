"""What the guard says of a real server's changes: each kind of ruin, and what people do every day (spec 60-snapshot)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series
from tests.scenarios.capture_support import database
from tests.small_repository import CLOCK
from vault.ops.guard.ack import acknowledge, waiting

pytestmark = pytest.mark.postgres

_PROJECT = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int PRIMARY KEY, body text);
INSERT INTO shop.orders SELECT n, 'order ' || n FROM generate_series(1, 200) n;
CREATE TABLE notes (id int PRIMARY KEY, owner text, body text);
INSERT INTO notes SELECT n, 'x', repeat(md5(n::text), 1000) FROM generate_series(1, 100) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notes FOR SELECT USING (owner = current_user);
CREATE POLICY "all of ON it" ON notes FOR UPDATE USING (true);
CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO events SELECT n, date '2026-01-01' + n % 90 FROM generate_series(1, 900) n;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $1';
CREATE TYPE span AS RANGE (subtype = int4);
CREATE VIEW recent AS SELECT 1 AS one;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touched();
GRANT SELECT ON shop.orders, notes TO PUBLIC;
CREATE FUNCTION secret() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION secret(), hidden() FROM PUBLIC;
CREATE POLICY filed ON notes FOR ALL USING (owner = current_user) WITH CHECK (true);
CREATE VIEW written AS SELECT 2 AS two;
CREATE TRIGGER instead INSTEAD OF INSERT ON written FOR EACH ROW EXECUTE FUNCTION touched();
CREATE VIEW "seen AS it is" AS SELECT 5 AS five;
CREATE VIEW put AS SELECT 3 AS three;
GRANT SELECT ON put TO PUBLIC;
CREATE TRIGGER instead INSTEAD OF INSERT ON put FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TABLE split AS SELECT n AS id FROM generate_series(1, 100) n;
CREATE SCHEMA api;
CREATE FUNCTION api.answer() RETURNS int LANGUAGE sql AS 'SELECT 42';
CREATE VIEW api.seen AS SELECT 4 AS four;
CREATE SEQUENCE numbers;
GRANT USAGE ON SEQUENCE numbers TO PUBLIC;
SELECT lo_from_bytea(0, 'content') FROM generate_series(1, 3);
"""


@dataclass(frozen=True)
class Project:
    cluster: Cluster
    db: str
    series: Series

    def after(self, statements: str) -> list[tuple[str, str]]:
        """What a backup finds after the statements, each of which somebody then answers for."""
        with self.cluster.connect(self.db) as connection:
            connection.execute(statements.encode())
        report = self.series.take().report
        repo = self.series.open
        acknowledge(repo, waiting(repo, None), reason="a test", host="", clock=CLOCK, entropy=os.urandom)
        return [(one.code, one.subject) for one in report.findings]


@pytest.fixture
def made(postgres: Cluster) -> Iterator[Project]:
    with database(postgres, _PROJECT) as db:
        made = Project(cluster=postgres, db=db, series=Series(postgres.dsn(db)))
        assert made.after("") == []
        yield made


def test_each_kind_of_ruin_is_told_by_its_code(made: Project) -> None:
    cases = {
        "DELETE FROM shop.orders WHERE id > 50": [("rows_lost", "shop.orders")],
        "TRUNCATE shop.orders": [("table_emptied", "shop.orders")],
        "UPDATE notes SET body = ''": [("content_lost", "public.notes")],
        "ALTER POLICY own ON notes USING (true)": [("policy_opened", "own on public.notes")],
        "ALTER POLICY filed ON notes USING (true)": [("policy_opened", "filed on public.notes")],
        "GRANT EXECUTE ON FUNCTION secret() TO PUBLIC": [("grants_gone", "function public.secret")],
        "DROP FUNCTION hidden(); CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 2'; "
        "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION other() FROM PUBLIC": [
            ("grants_gone", "function public.hidden")
        ],
        "CREATE TABLE api.moved (id int)": [],
        "ALTER TABLE api.moved SET SCHEMA public; DROP SCHEMA api CASCADE": [
            ("function_gone", "api.answer"),
            ("view_gone", "api.seen"),
        ],
        "DROP VIEW written": [("view_gone", "public.written")],
        "REVOKE ALL ON notes FROM PUBLIC; CREATE TABLE also (); GRANT SELECT ON also TO PUBLIC": [
            ("grants_gone", "table public.notes")
        ],
        "DROP TRIGGER touch ON notes": [("trigger_gone", "touch on public.notes")],
        "DROP VIEW recent": [("view_gone", "public.recent")],
        "DROP POLICY own ON notes": [("policy_gone", "own on public.notes")],
        "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY": [("row_security_not_forced", "public.notes")],
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY": [("row_security_off", "public.notes")],
        "DROP FUNCTION twice(int); DROP FUNCTION twice(text)": [("function_gone", "public.twice")],
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata": [("large_objects_lost", "")],
        "DROP TABLE events_2, events_3": [("rows_lost", "public.events")],
        "DROP TABLE split; CREATE TABLE split (id int) PARTITION BY RANGE (id)": [("table_emptied", "public.split")],
        "DROP TABLE events_1": [("table_emptied", "public.events")],
        "CREATE TABLE events_5 PARTITION OF events FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')": [],
        "DROP TABLE events": [("table_gone", "public.events")],
        "DROP SCHEMA shop CASCADE": [("schema_gone", "shop")],
        "DROP TABLE notes": [("database_empty", "")],
    }
    for statements, expected in cases.items():
        assert made.after(statements) == expected, statements


def test_what_a_trigger_ran_is_told_in_one_line(made: Project) -> None:
    with made.cluster.connect(made.db) as connection:
        connection.execute("DROP TRIGGER touch ON notes")
    (told,) = made.series.take().report.findings
    assert told.text == "the table is there; it ran FUNCTION public.touched()"


def test_what_people_do_every_day_is_no_ruin(made: Project) -> None:
    for statements in (
        "DELETE FROM shop.orders WHERE id <= 90; INSERT INTO notes VALUES (101, 'y', 'z')",
        "DROP FUNCTION twice(int); CREATE FUNCTION twice(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2 * $1'",
        "ALTER POLICY own ON notes RENAME TO mine",
        'ALTER POLICY "all of ON it" ON notes RENAME TO "everything"',
        'ALTER VIEW "seen AS it is" RENAME TO "seen AS one"',
        "ALTER TRIGGER touch ON notes RENAME TO touch_it",
        "ALTER VIEW recent RENAME TO latest",
        "ALTER VIEW put RENAME TO laid; ALTER SEQUENCE numbers RENAME TO figures",
        "ALTER FUNCTION hidden() RENAME TO covered",
        "ALTER FUNCTION covered() SET SCHEMA shop",
        "ALTER SCHEMA api RENAME TO rest",
        "ALTER FUNCTION shop.covered() SET SCHEMA public; ALTER FUNCTION covered() RENAME TO hidden",
        "DROP TYPE span; DROP FUNCTION hidden(); CREATE FUNCTION hidden(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE VIEW latest AS SELECT 2 AS one",
        "GRANT INSERT ON notes TO PUBLIC",
        "ALTER POLICY mine ON notes USING (owner = 'x')",
        "DROP TABLE events_1; CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
        "ALTER TABLE events DETACH PARTITION events_2",
        "ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        "ALTER TABLE shop.orders RENAME TO archive; CREATE TABLE shop.orders (id int)",
        "ALTER TABLE notes SET SCHEMA shop",
        "ALTER SCHEMA shop RENAME TO store",
        "ALTER TABLE events RENAME TO log",
        "VACUUM FULL store.notes",
        "ALTER TABLE store.notes ADD COLUMN extra int DEFAULT 5, ALTER COLUMN id TYPE bigint",
        "DROP TABLE store.archive; CREATE TABLE store.archive AS SELECT n FROM generate_series(1, 110) n; GRANT SELECT ON store.archive TO PUBLIC",
    ):
        assert made.after(statements) == [], statements


def test_a_role_that_is_raised_is_told(made: Project) -> None:
    names = [f"guard_{made.db}_{letter}".lower() for letter in "abcd"]
    a, b, c, d = names
    try:
        assert made.after("".join(f"CREATE ROLE {name} LOGIN;" for name in names)) == []
        assert made.after(f"GRANT {a} TO {b}; ALTER ROLE {c} CREATEDB") == []
        assert made.after(f"ALTER ROLE {a} BYPASSRLS") == [("role_raised", a), ("role_raised", b)]
        assert made.after(f"GRANT pg_read_all_data TO {c}; ALTER ROLE {d} SUPERUSER") == [
            ("role_raised", c),
            ("role_raised", d),
        ]
        assert made.after(f"ALTER ROLE {d} NOSUPERUSER; REVOKE pg_read_all_data FROM {c}") == []
    finally:
        with made.cluster.connect() as connection:
            for name in names:
                connection.execute(f"DROP ROLE IF EXISTS {name}".encode())
