"""A patch turns the rows of one snapshot into those of another on a real server: both ways, twice, whatever refers to what."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series
from tests.unit.ops.diff.compared import KEY
from vault.ids import SnapshotId
from vault.ops.diff.scratch import Scratch
from vault.ops.diff.summary import Comparison
from vault.repo.snapshot import Snapshot

BEFORE = """
CREATE TYPE pair AS (a int, b text);
CREATE TABLE parents (id int PRIMARY KEY, name text UNIQUE, amount numeric);
CREATE TABLE children (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE, note text);
CREATE TABLE touched (id int PRIMARY KEY, at text);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.touched SELECT count(*), 'fired' FROM public.touched; RETURN NULL; END $$;
CREATE TRIGGER touches AFTER INSERT OR UPDATE OR DELETE ON parents FOR EACH STATEMENT EXECUTE FUNCTION touch();
CREATE TABLE loose (a int, b text);
CREATE TABLE "Odd ""$$ name" ("a'b" int PRIMARY KEY, "select" text, pgvault_new text);
CREATE TABLE kinds (k numeric PRIMARY KEY, f float8, t timestamptz, l int[], p pair, j json, b bytea, c char(5), i inet, n text);
CREATE TABLE parts (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE parts_b (note text, region text NOT NULL, id int NOT NULL);
ALTER TABLE parts ATTACH PARTITION parts_b FOR VALUES IN ('b');
CREATE TABLE late (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY IMMEDIATE);
CREATE TABLE above (id int PRIMARY KEY, note text);
CREATE TABLE below (more int) INHERITS (above);
CREATE TABLE computed (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
INSERT INTO parents SELECT n, 'name ' || n, n * 1.5 FROM generate_series(1, 300) n;
INSERT INTO children (parent, note) SELECT 1 + n % 300, 'child ' || n FROM generate_series(1, 900) n;
INSERT INTO loose SELECT n % 7, 'x' FROM generate_series(1, 70) n;
INSERT INTO loose VALUES (NULL, NULL), (NULL, ''), (1, E'tab\\tand\\nline\\\\.');
INSERT INTO "Odd ""$$ name" VALUES (1, ':name', '$$'), (2, NULL, E'\\\\.');
INSERT INTO kinds VALUES
    (1.0, 'NaN', 'infinity', '{1,NULL,3}', '(1,"a,b")', '{"a": [1,  2]}', '\\xdeadbeef', 'ab', '10.0.0.1', NULL),
    (2, '-0', '-infinity', '[0:1]={1,2}', NULL, 'null', '', '', '::1/64', ''),
    (3, 'Infinity', '4713-01-01 BC', '{}', '(,)', NULL, NULL, NULL, NULL, 'nothing');
INSERT INTO parts SELECT n, CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END, 'p' || n FROM generate_series(1, 40) n;
INSERT INTO late VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO above VALUES (1, 'above'); INSERT INTO below VALUES (1, 'below', 5), (2, 'below', 6);
INSERT INTO computed (id, n) VALUES (1, 1), (2, 2);
"""
CHANGES = """
SET session_replication_role = replica;
ALTER TABLE parents DROP CONSTRAINT parents_name_key;
UPDATE parents SET name = CASE id WHEN 1 THEN 'name 2' ELSE 'name 1' END WHERE id IN (1, 2);
ALTER TABLE parents ADD CONSTRAINT parents_name_key UNIQUE (name);
DELETE FROM children WHERE parent BETWEEN 10 AND 20; DELETE FROM parents WHERE id BETWEEN 10 AND 20;
INSERT INTO parents VALUES (1000, 'new', 'NaN');
INSERT INTO children (parent, note) VALUES (1000, 'of the new one');
UPDATE children SET note = 'changed' WHERE id % 100 = 0;
UPDATE children SET parent = 5 WHERE id % 150 = 0 AND parent NOT BETWEEN 10 AND 20;
DELETE FROM loose WHERE ctid IN (SELECT ctid FROM loose WHERE a = 3 LIMIT 4);
INSERT INTO loose SELECT 5, 'x' FROM generate_series(1, 3);
INSERT INTO loose VALUES (NULL, NULL), (99, 'y');
UPDATE loose SET b = 'z' WHERE a = 6;
UPDATE "Odd ""$$ name" SET "select" = E'a\\tb' WHERE "a'b" = 1; INSERT INTO "Odd ""$$ name" VALUES (3, '', '');
UPDATE kinds SET k = 1.00 WHERE k = 1; UPDATE kinds SET f = '0', l = '{1,2}' WHERE k = 2; UPDATE kinds SET c = 'x', p = '(2,)' WHERE k = 3;
UPDATE parts SET region = 'b' WHERE id = 2; UPDATE parts SET note = 'other' WHERE id IN (4, 5); DELETE FROM parts WHERE id = 7;
UPDATE late SET place = 4 - id;
UPDATE above SET note = 'changed' WHERE id = 1; DELETE FROM ONLY above; DELETE FROM below WHERE id = 2;
UPDATE computed SET n = 10 WHERE id = 1;
SET session_replication_role = origin;
"""
TABLES = (
    "parents",
    "children",
    "touched",
    "loose",
    '"Odd ""$$ name"',
    "kinds",
    "parts",
    "late",
    "above",
    "below",
    "computed",
)


@pytest.fixture
def database(postgres: Cluster) -> Iterator[tuple[Cluster, str]]:
    name = postgres.createdb()
    yield postgres, name
    postgres.dropdb(name)


def state(cluster: Cluster, database: str) -> dict[str, list[str]]:
    with cluster.connect(database) as connection:
        connection.execute("SET extra_float_digits = 3")
        found = {}
        for table in TABLES:
            only = "" if table == "parts" else "ONLY"
            rows = connection.execute(f"SELECT t.*::text FROM {only} {table} AS t ORDER BY 1".encode())
            found[table] = [str(row) for row in rows.fetchall()]
        return found


def patch_of(before: Snapshot, after: Snapshot, scratch: Path) -> tuple[bytes, Comparison]:
    comparison = Comparison(before, after, tables=None, scratch=Scratch(scratch), key=KEY)
    return b"".join(comparison.patch(lambda changes: changes.counts())), comparison


def run_patch(
    cluster: Cluster, database: str, patch: bytes, tmp_path: Path, *, role: str = ""
) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "patch.sql"
    file.write_bytes(patch)
    command = [str(cluster.bin / "psql"), "-X", "-q", "-d", cluster.dsn(database)]
    command += ["-c", f"SET ROLE {role}"] if role else []
    return subprocess.run([*command, "-f", str(file)], capture_output=True, text=True, timeout=120, check=False)


def snapshots(series: Series, *ids: SnapshotId) -> list[Snapshot]:
    indexed = series.open.indexed(None)
    return [indexed.snapshot(one) for one in ids]


def test_patch_turns_each_state_into_the_other_and_does_nothing_twice(
    database: tuple[Cluster, str], tmp_path: Path
) -> None:
    cluster, name = database
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as connection:
        connection.execute(BEFORE.encode())
    states, ids = [state(cluster, name)], [series.take().report.id]
    with cluster.connect(name) as connection:
        connection.execute(CHANGES.encode())
        connection.execute(f"ALTER DATABASE {name} SET array_nulls = off")  # the patch has NULL in arrays
    states.append(state(cluster, name))
    ids.append(series.take().report.id)
    assert all(states[0][table] != states[1][table] for table in TABLES if table != "touched")
    was, now = snapshots(series, *ids)
    back, comparison = patch_of(now, was, tmp_path)
    assert not comparison.not_compared()
    forth, _ = patch_of(was, now, tmp_path)
    for patch, wanted in ((back, states[0]), (forth, states[1]), (back, states[0])):
        done = run_patch(cluster, name, patch, tmp_path)
        assert done.returncode == 0, done.stderr
        assert state(cluster, name) == wanted
        again = run_patch(cluster, name, patch, tmp_path)
        assert again.returncode == 0, again.stderr
        assert again.stderr.count("applied already") == len(TABLES) - 1
        assert state(cluster, name) == wanted


def test_patch_changes_nothing_where_a_row_is_not_as_it_was(database: tuple[Cluster, str], tmp_path: Path) -> None:
    cluster, name = database
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as connection:
        connection.execute(BEFORE.encode())
        ids = [series.take().report.id]
        connection.execute(CHANGES.encode())
        ids.append(series.take().report.id)
        was, now = snapshots(series, *ids)
        patch, _ = patch_of(now, was, tmp_path)
        for statement in (
            "UPDATE parts SET note = 'somebody else' WHERE id = 4",
            "UPDATE parts SET note = 'other' WHERE id = 4; INSERT INTO loose VALUES (99, 'y')",
            "DELETE FROM loose WHERE ctid IN (SELECT ctid FROM loose WHERE a = 99 LIMIT 1); INSERT INTO parts VALUES (7, 'b', 'again')",
        ):
            connection.execute(statement.encode())
            there = state(cluster, name)
            done = run_patch(cluster, name, patch, tmp_path)
            assert done.returncode == 3
            assert "is not as the patch expects it" in done.stderr
            assert state(cluster, name) == there


def test_patch_refuses_to_set_off_what_it_may_not_switch_off(database: tuple[Cluster, str], tmp_path: Path) -> None:
    cluster, name = database
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as connection:
        connection.execute(BEFORE.encode())
        ids = [series.take().report.id]
        connection.execute("DELETE FROM parents WHERE id = 7; UPDATE kinds SET n = 'x' WHERE k = 2")
        ids.append(series.take().report.id)
        was, now = snapshots(series, *ids)
        patch, _ = patch_of(now, was, tmp_path)
        role = f"limited_{name}"
        connection.execute(f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}".encode())
        try:
            done = run_patch(cluster, name, patch, tmp_path, role=role)
            assert done.returncode == 3
            assert "would set off" in done.stderr, done.stderr
            assert "trigger touches of public.parents" in done.stderr
            assert "foreign key children_parent_fkey of public.children" in done.stderr
            connection.execute("ALTER TABLE parents ENABLE ALWAYS TRIGGER touches")
            done = run_patch(cluster, name, patch, tmp_path)
            assert "trigger touches of public.parents" in done.stderr
            assert "foreign key" not in done.stderr
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_patch_leaves_no_row_that_refers_to_nothing(database: tuple[Cluster, str], tmp_path: Path) -> None:
    cluster, name = database
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as connection:
        connection.execute(BEFORE.encode())
        ids = [series.take().report.id]
        connection.execute("INSERT INTO parents VALUES (2000, 'late', 1)")
        ids.append(series.take().report.id)
        was, now = snapshots(series, *ids)
        patch, _ = patch_of(now, was, tmp_path)
        connection.execute("INSERT INTO children (parent, note) VALUES (2000, 'since')")
        done = run_patch(cluster, name, patch, tmp_path)
        assert done.returncode == 3
        assert "rows of children would refer to rows of parents" in done.stderr.replace("public.", "")
        assert connection.execute("SELECT count(*) FROM parents WHERE id = 2000").fetchone() == (1,)


def test_patch_refuses_to_replace_rows_whose_other_columns_it_does_not_know(
    database: tuple[Cluster, str], tmp_path: Path
) -> None:
    cluster, name = database
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as connection:
        connection.execute(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, note text); INSERT INTO t VALUES (1, 'a', 'n')"
        )
        ids = [series.take().report.id]
        connection.execute("ALTER TABLE t ADD more text DEFAULT 'kept'; UPDATE t SET note = 'm'")
        ids.append(series.take().report.id)
        connection.execute("UPDATE t SET code = 'b'")
        ids.append(series.take().report.id)
        first, second, third = snapshots(series, *ids)
        patch, comparison = patch_of(first, second, tmp_path)
        assert "what is new, more" in comparison.not_compared()[0].why
        patch, _ = patch_of(third, first, tmp_path)
        done = run_patch(cluster, name, patch, tmp_path)
        assert done.returncode == 3
        assert "would lose what is in more" in done.stderr
        connection.execute("UPDATE t SET code = 'a'")
        patch, _ = patch_of(second, first, tmp_path)
        assert run_patch(cluster, name, patch, tmp_path).returncode == 0
        assert connection.execute("SELECT * FROM t").fetchall() == [(1, "a", "n", "kept")]


def test_names_cannot_be_sql(database: tuple[Cluster, str], tmp_path: Path) -> None:
    """Nothing that a name holds ends a literal, a quoted name, a body or a line of COPY."""
    cluster, name = database
    series = Series(cluster.dsn(name))
    hostile = "x'); $$ drop table victim; -- \n\\! touch owned"
    with cluster.connect(name) as connection:
        table = psycopg.sql.Identifier(hostile)
        connection.execute(
            psycopg.sql.SQL("CREATE TABLE victim (); CREATE TABLE {0} ({0} text PRIMARY KEY)").format(table)
        )
        ids = [series.take().report.id]
        connection.execute(psycopg.sql.SQL("INSERT INTO {} VALUES (%s)").format(table), [hostile])
        ids.append(series.take().report.id)
        was, now = snapshots(series, *ids)
        done = run_patch(cluster, name, patch_of(now, was, tmp_path)[0], tmp_path)
        assert done.returncode == 0, done.stderr
        assert connection.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM victim").fetchone() == (0,)


ORDERED = """
CREATE TABLE z_parents (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE a_children (id int PRIMARY KEY, parent int REFERENCES z_parents, above int REFERENCES a_children);
CREATE TABLE b_leaves (child int REFERENCES a_children, note text);
INSERT INTO z_parents SELECT n, 'name ' || n FROM generate_series(1, 9) n;
INSERT INTO a_children SELECT n, n, NULLIF(n - 1, 0) FROM generate_series(1, 9) n;
INSERT INTO b_leaves SELECT n, 'leaf' FROM generate_series(1, 9) n;
"""
ORDERED_CHANGES = (
    "INSERT INTO z_parents VALUES (10, 'ten'); INSERT INTO a_children VALUES (10, 10, 9); INSERT INTO b_leaves VALUES (10, 'new')",
    """DELETE FROM b_leaves WHERE child = 9; DELETE FROM a_children WHERE id = 9; DELETE FROM z_parents WHERE id = 9;
    INSERT INTO z_parents VALUES (11, 'name 9')""",
    "UPDATE a_children SET parent = 2 WHERE parent = 1; DELETE FROM z_parents WHERE id = 1",
)


@pytest.mark.parametrize("change", ORDERED_CHANGES, ids=["children come", "a name is taken over", "parents are joined"])
def test_foreign_keys_that_cannot_be_switched_off_hold_in_both_directions(
    database: tuple[Cluster, str], tmp_path: Path, change: str
) -> None:
    """Whatever the tables are called."""
    cluster, name = database
    series = Series(cluster.dsn(name))
    role = f"limited_{name}"
    with cluster.connect(name) as connection:
        connection.execute(ORDERED.encode())
        connection.execute(f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}".encode())

        def rows() -> list[tuple[Any, ...]]:
            every = "SELECT t::text FROM z_parents t UNION ALL SELECT t::text FROM a_children t UNION ALL SELECT t::text FROM b_leaves t"
            return connection.execute(f"{every} ORDER BY 1".encode()).fetchall()

        try:
            ids, states = [series.take().report.id], [rows()]
            connection.execute(change.encode())
            ids.append(series.take().report.id)
            states.append(rows())
            was, now = snapshots(series, *ids)
            for patch, wanted in (
                (patch_of(now, was, tmp_path)[0], states[0]),
                (patch_of(was, now, tmp_path)[0], states[1]),
            ):
                done = run_patch(cluster, name, patch, tmp_path, role=role)
                assert done.returncode == 0, done.stderr
                assert rows() == wanted
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
