"""What users did to an extension's tables comes back: pg_dump carries none of it. So do indexes that are not valid."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster, Majors
from tests.fix_zoo import capture_of
from tests.restore_support import restored as restored_in_place
from tests.scenarios.extension_support import extension
from tests.scenarios.test_restore_database import ask, database, differences, restored, snapshot_of, text
from vault.model import State
from vault.ops.view.archive.custom_format import archive_blocks
from vault.ops.view.scripts.complete import complete_sql
from vault.repo.snapshot import Snapshot
from vault.source.postgres.connection.throwaway_server import embedded_bin

pytestmark = pytest.mark.postgres


@pytest.fixture
def keeper(postgres: Cluster) -> Iterator[str]:
    with extension(postgres) as name:
        yield name


BY_USER = """
    CREATE TYPE mine AS ENUM ('a'); CREATE TABLE far (id int PRIMARY KEY); INSERT INTO far VALUES (1);
    CREATE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    ALTER TABLE keeper_queue ADD COLUMN owner_name text NOT NULL DEFAULT 'me' COLLATE "C", ADD COLUMN kind mine, ADD COLUMN serial_number int GENERATED ALWAYS AS IDENTITY (INCREMENT 7), ADD COLUMN far_id int DEFAULT double(0);
    ALTER TABLE keeper_queue ADD COLUMN twice int GENERATED ALWAYS AS (double(far_id)) STORED;
    ALTER TABLE keeper_queue ALTER COLUMN owner_name SET STORAGE EXTERNAL, ALTER COLUMN owner_name SET STATISTICS 7, ALTER COLUMN m SET DEFAULT 'new';
    ALTER TYPE keeper_mood ADD VALUE 'middle' AFTER 'low'; ALTER TYPE keeper_mood ADD VALUE 'top';
    ALTER DOMAIN keeper_name ADD CONSTRAINT short CHECK (length(VALUE) < 9); COMMENT ON CONSTRAINT short ON DOMAIN keeper_name IS 'a check';
    ALTER TABLE keeper_conf ALTER COLUMN v TYPE varchar(99); CREATE OR REPLACE VIEW keeper_view AS SELECT 2 AS two, 3 AS three;
    CREATE OR REPLACE FUNCTION keeper_stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.m := coalesce(new.m, ''mine''); RETURN new; END';
    UPDATE keeper_queue SET far_id = 1;
    ALTER TABLE keeper_queue ADD CONSTRAINT fine CHECK (far_id >= 0), ADD CONSTRAINT "un ique" UNIQUE (m, id),
                             ADD CONSTRAINT fk FOREIGN KEY (far_id) REFERENCES far;
    CREATE TABLE child (m text, id bigint, FOREIGN KEY (m, id) REFERENCES keeper_queue (m, id));
    CREATE VIEW seen AS SELECT owner_name, kind FROM keeper_queue;
    CREATE UNIQUE INDEX "by User" ON keeper_queue (owner_name, id) WHERE id > 0; COMMENT ON INDEX "by User" IS 'an index';
    CREATE INDEX ordered ON keeper_queue (owner_name); ALTER TABLE keeper_queue CLUSTER ON ordered;
    CREATE TRIGGER "a b" AFTER UPDATE ON keeper_queue FOR EACH ROW EXECUTE FUNCTION keeper_stamp();
    ALTER TABLE keeper_queue ENABLE ALWAYS TRIGGER "a b"; COMMENT ON TRIGGER "a b" ON keeper_queue IS 'it''s \\ mine';
    ALTER TABLE keeper_queue DISABLE TRIGGER script_trigger;
    CREATE RULE r AS ON DELETE TO keeper_conf WHERE old.k = 'keep' DO INSTEAD NOTHING; ALTER TABLE keeper_conf DISABLE RULE r;
    ALTER TABLE keeper_queue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY "p 1" ON keeper_queue AS RESTRICTIVE FOR UPDATE TO pg_monitor, PUBLIC USING (id > 0) WITH CHECK (id < 99);
    CREATE POLICY p2 ON keeper_queue FOR SELECT USING (true); COMMENT ON POLICY p2 ON keeper_queue IS 'a policy';
    COMMENT ON TABLE keeper_conf IS 'mine now'; COMMENT ON COLUMN keeper_queue.m IS 'a column'; COMMENT ON FUNCTION keeper_stamp() IS 'a function';
    ALTER FUNCTION keeper_stamp() SET search_path TO public, "a b"; ALTER FUNCTION keeper_stamp() SECURITY DEFINER;
    CREATE STATISTICS both_columns ON m, id FROM keeper_queue;
    ALTER STATISTICS both_columns SET STATISTICS 9;
    CREATE PUBLICATION pub FOR TABLE keeper_queue, far;
    INSERT INTO keeper_conf VALUES ('mine', 'y'); INSERT INTO keeper_queue (m, mood, kind, far_id) VALUES ('mine', 'middle', 'a', 1);
"""
PROPERTIES = """
    SELECT string_agg(line, E'\n' ORDER BY line) FROM (
        SELECT concat_ws(' ', 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation, attstorage,
                         attstattarget, attidentity, attgenerated, pg_get_expr(adbin, adrelid))
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid::regclass::text ~ '^(keeper_|far|child|added)' AND NOT attisdropped
        UNION ALL SELECT concat_ws(' ', 'relation', oid::regclass, relrowsecurity, relforcerowsecurity, relkind, reloptions, relpersistence,
                                   (SELECT count(*) FROM pg_depend WHERE objid = c.oid AND deptype = 'e'))
          FROM pg_class c WHERE oid >= 16384 AND relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident) FROM pg_index WHERE indrelid >= 16384
             AND indrelid::regclass::text !~ 'pg_toast'
        UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid), convalidated)
          FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', 'foreign key trigger', tgrelid::regclass, tgfoid::regproc, tgenabled) FROM pg_trigger WHERE tgisinternal
        UNION ALL SELECT concat_ws(' ', 'rule', pg_get_ruledef(oid), ev_enabled) FROM pg_rewrite WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'policy', to_jsonb(p)) FROM pg_policies p
        UNION ALL SELECT concat_ws(' ', 'comment', (pg_identify_object(classoid, objoid, objsubid)).identity, description) FROM pg_description WHERE objoid >= 16384
        UNION ALL SELECT concat_ws(' ', 'enum', enumtypid::regtype, string_agg(enumlabel, ' ' ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid
        UNION ALL SELECT concat_ws(' ', 'function', oid::regprocedure, prosecdef, proconfig, proowner::regrole, prosrc) FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'view', viewname, definition) FROM pg_views WHERE schemaname = 'public'
        UNION ALL SELECT concat_ws(' ', 'published', pubname, tablename) FROM pg_publication_tables
    ) AS found (line)
"""


def properties(cluster: Cluster, db: str) -> list[str]:
    return str(ask(cluster, db, PROPERTIES)).splitlines()


@pytest.fixture(scope="module", params=[13, 14, 15, 16, 17, 18])
def each(request: pytest.FixtureRequest, majors: Majors) -> Cluster:
    return majors[request.param]


@pytest.mark.spec("RST-9")
def test_what_users_did_to_an_extension_comes_back(each: Cluster) -> None:
    with extension(each) as keeper:
        comes_back(each, f"CREATE EXTENSION {keeper}")


def comes_back(postgres: Cluster, script: str) -> None:
    with database(postgres, script) as source, database(postgres) as ours:
        with postgres.connect(source) as connection:
            for statement in BY_USER.split(";\n"):
                connection.execute(text(statement))
        snapshot = snapshot_of(postgres, source)
        report = restored(snapshot, postgres, ours)
        print(*report.failed, sep="\n")
        assert report.failed == ()
        assert properties(postgres, ours) == properties(postgres, source)
        assert differences((postgres, source), (postgres, ours)) == []
        exports_restore(snapshot, postgres, source)


def exports_restore(snapshot: Snapshot, cluster: Cluster, source: str) -> None:
    """The archive by pg_restore, alone and in parallel, and the script by psql, without an error."""
    with database(cluster) as stock, database(cluster) as parallel, database(cluster) as script:
        archive = b"".join(archive_blocks(snapshot))
        command = [str(cluster.bin / "pg_restore"), "-e"]
        subprocess.run([*command, "-d", cluster.dsn(stock)], input=archive, check=True)
        with tempfile.NamedTemporaryFile() as file:
            file.write(archive)
            file.flush()
            subprocess.run([*command, "-j3", "-d", cluster.dsn(parallel), file.name], check=True)
        newest = embedded_bin()
        assert newest is not None
        psql = [str(newest / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", cluster.dsn(script)]
        subprocess.run(psql, input=b"".join(complete_sql(snapshot)), check=True, stdout=subprocess.DEVNULL)
        for name in (stock, parallel, script):
            assert properties(cluster, name) == properties(cluster, source)


SAME_TRANSACTION = """
    BEGIN; CREATE EXTENSION {0}; CREATE INDEX mine ON keeper_queue (m DESC);
    CREATE TRIGGER mine BEFORE DELETE ON keeper_queue FOR EACH ROW EXECUTE FUNCTION keeper_stamp(); COMMIT
"""


def test_what_came_in_the_transaction_of_create_extension_comes_back(postgres: Cluster, keeper: str) -> None:
    with database(postgres, SAME_TRANSACTION.format(keeper)) as source, database(postgres) as ours:
        snapshot = snapshot_of(postgres, source)
        assert restored(snapshot, postgres, ours).failed == ()
        assert properties(postgres, ours) == properties(postgres, source)
        assert differences((postgres, source), (postgres, ours)) == []


def test_what_surely_is_of_the_script_is_no_entry(postgres: Cluster, keeper: str) -> None:
    with database(postgres, f"CREATE EXTENSION {keeper}") as source:
        snapshot = snapshot_of(postgres, source)
        found = {
            item.identity.names[-1]
            for item in snapshot.order()
            if item.identity.desc in ("INDEX", "CONSTRAINT", "COMMENT")
        }
        assert "keeper_queue_pkey" not in found
        assert "keeper_queue" not in found
        assert "keeper_script_m" in found  # after the last member: could be anybody's


ADDED = """
    CREATE EXTENSION {0}; CREATE ROLE keeper_owner;
    CREATE TABLE "q 1" (id bigint GENERATED BY DEFAULT AS IDENTITY (START 5) PRIMARY KEY, "M" text NOT NULL COLLATE "C" DEFAULT 'x') WITH (fillfactor = 70);
    CREATE INDEX ON "q 1" ("M"); ALTER TABLE "q 1" OWNER TO keeper_owner; COMMENT ON TABLE "q 1" IS 'added';
    CREATE SEQUENCE free INCREMENT 3; CREATE UNLOGGED TABLE q_2 (n int DEFAULT nextval('free'), s serial, b int GENERATED ALWAYS AS (n * 2) STORED);
    CREATE FUNCTION extra(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW added_view AS SELECT * FROM "q 1";
    ALTER EXTENSION {0} ADD TABLE "q 1"; ALTER EXTENSION {0} ADD TABLE q_2; ALTER EXTENSION {0} ADD SEQUENCE free; ALTER EXTENSION {0} ADD SEQUENCE q_2_s_seq;
    CREATE TABLE q_3 (s serial, n int); ALTER EXTENSION {0} ADD TABLE q_3; INSERT INTO q_3 (n) VALUES (1), (2);
    ALTER EXTENSION {0} ADD FUNCTION extra(int); ALTER EXTENSION {0} ADD VIEW added_view;
    INSERT INTO "q 1" ("M") VALUES ('a'), ('b'); INSERT INTO q_2 DEFAULT VALUES; DELETE FROM keeper_queue;
"""


def test_tables_that_became_members_come_back_as_members(postgres: Cluster, keeper: str) -> None:
    """As pgmq did with every queue: the extension's script makes none of them."""
    try:
        with database(postgres) as source, database(postgres) as ours:
            with postgres.connect(source) as connection:
                for statement in ADDED.format(keeper).split("; "):
                    connection.execute(text(statement))
            snapshot = snapshot_of(postgres, source)
            report = restored(snapshot, postgres, ours)
            print(*report.failed, sep="\n")
            assert report.failed == ()
            assert properties(postgres, ours) == properties(postgres, source)
            assert differences((postgres, source), (postgres, ours)) == []
            assert ask(postgres, ours, "SELECT count(*) FROM keeper_queue") == 0
            exports_restore(snapshot, postgres, source)
    finally:
        with postgres.connect() as connection:
            connection.execute("DROP ROLE keeper_owner")


REMADE = """
    ALTER EXTENSION {0} DROP TABLE keeper_queue; ALTER EXTENSION {0} ADD TABLE keeper_queue; ALTER EXTENSION {0} DROP TABLE keeper_conf; ALTER EXTENSION {0} ADD TABLE keeper_conf;
    ALTER EXTENSION {0} DROP FUNCTION keeper_stamp(); ALTER EXTENSION {0} ADD FUNCTION keeper_stamp(); ALTER EXTENSION {0} DROP VIEW keeper_view; ALTER EXTENSION {0} ADD VIEW keeper_view;
    UPDATE pg_extension SET extconfig = ARRAY['keeper_conf'::regclass]::oid[], extcondition = ARRAY['WHERE k <> ''default'''] WHERE extname = '{0}';
    ALTER TABLE keeper_queue DISABLE TRIGGER script_trigger
"""


def test_extension_of_which_nothing_can_be_told_comes_back_all_the_same(postgres: Cluster, keeper: str) -> None:
    """As after pg_upgrade, which makes each member by itself: all that is on them could be a user's, and is there already."""
    with database(postgres, f"CREATE EXTENSION {keeper}") as source, database(postgres) as ours:
        with postgres.connect(source) as connection:
            for statement in REMADE.format(keeper).split(";"):
                connection.execute(text(statement))
        snapshot = snapshot_of(postgres, source)
        named = {item.identity.desc for item in snapshot.order()}
        assert named >= {"EXTENSION TABLE", "EXTENSION COLUMN", "CONSTRAINT", "TRIGGER", "EXTENSION ROUTINE"}
        report = restored(snapshot, postgres, ours)
        assert report.failed == ()
        assert properties(postgres, ours) == properties(postgres, source)
        exports_restore(snapshot, postgres, source)


def test_partitioned_table_that_became_a_member_is_named_as_a_gap(postgres: Cluster, keeper: str) -> None:
    script = f"CREATE EXTENSION {keeper}; CREATE TABLE parts (n int) PARTITION BY LIST (n); ALTER EXTENSION {keeper} ADD TABLE parts"
    with database(postgres, script) as source, capture_of(postgres, source)() as capture:
        found = {gap.item: gap.state for gap in capture.missing}
    assert found == {"extension table public.parts": State.NOT_EXPORTABLE}


INVALID = """
    CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1), (2, 1);
    CREATE UNIQUE INDEX by_a ON t (a); CREATE UNIQUE INDEX by_b ON t (b, a); COMMENT ON INDEX by_a IS 'kept';
    UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('by_a'::regclass, 'by_b'::regclass);
    UPDATE pg_index SET indisready = false WHERE indexrelid = 'by_b'::regclass; INSERT INTO t VALUES (3, 1), (3, 1)
"""


def test_invalid_indexes_are_captured_and_restored_as_far_as_the_rows_allow(postgres: Cluster) -> None:
    with database(postgres) as source, database(postgres) as ours:
        with postgres.connect(source) as connection:
            for statement in INVALID.replace("(3, 1), (3, 1)", "(3, 1)").split(";\n"):
                connection.execute(text(statement))
            connection.execute(
                "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = 't'::regclass"
            )
            connection.execute("INSERT INTO t VALUES (1, 1)")
        snapshot = snapshot_of(postgres, source)
        notes = {gap.item: gap.state for gap in snapshot.ledger()["schema"].missing}
        assert notes == {"index public.by_a": State.CAPTURED, "index public.by_b": State.CAPTURED}
        failed = {one.entry: one.why for one in restored(snapshot, postgres, ours).failed}
        assert failed == {
            "INDEX by_a": "created as a plain index: rows violate it",
            "INDEX by_b": "created as a plain index: rows violate it",
        }
        with postgres.connect(source) as connection:
            connection.execute("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 1)")
        with database(postgres) as valid:
            assert restored(snapshot_of(postgres, source), postgres, valid).failed == ()
            assert (
                ask(
                    postgres,
                    valid,
                    "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid AND indisunique",
                )
                == 2
            )
            assert ask(postgres, valid, "SELECT obj_description('by_a'::regclass)") == "kept"


SWITCHED_OFF = """
    CREATE TABLE k (a int PRIMARY KEY); CREATE TABLE "o %rphan" (a int REFERENCES k, b int REFERENCES k);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER mine BEFORE INSERT ON "o %rphan" FOR EACH ROW EXECUTE FUNCTION f();
    ALTER TABLE "o %rphan" DISABLE TRIGGER ALL; ALTER TABLE k DISABLE TRIGGER ALL; INSERT INTO "o %rphan" VALUES (7, NULL);
"""


def test_foreign_keys_that_are_switched_off_come_back_so(postgres: Cluster) -> None:
    with database(postgres) as source, database(postgres) as ours:
        with postgres.connect(source) as connection:
            for statement in SWITCHED_OFF.split(";\n"):
                connection.execute(text(statement))
        failed = {one.entry: one.why for one in restored(snapshot_of(postgres, source), postgres, ours).failed}
        assert failed == {"FK CONSTRAINT o %rphan o %rphan_a_fkey": "created NOT VALID: rows violate it"}
        states = "SELECT count(*) || ' ' || string_agg(tgenabled::text, '' ORDER BY tgname) FROM pg_trigger"
        assert ask(postgres, ours, states) == ask(postgres, source, states) == "9 DDDDDDDDD"


DAMAGE = """
    DROP TRIGGER "a b" ON keeper_queue; DROP POLICY p2 ON keeper_queue; DROP INDEX "by User"; ALTER TABLE keeper_queue DROP CONSTRAINT fine;
    ALTER TABLE keeper_queue DISABLE ROW LEVEL SECURITY; COMMENT ON TABLE keeper_conf IS 'other'; ALTER TABLE keeper_queue ENABLE TRIGGER script_trigger;
    ALTER FUNCTION keeper_stamp() RESET search_path; ALTER TABLE keeper_queue ALTER COLUMN m SET DEFAULT 'other'; ALTER PUBLICATION pub DROP TABLE keeper_queue
"""


def test_damage_on_an_extension_is_mended_in_place(postgres: Cluster, keeper: str) -> None:
    with database(postgres, f"CREATE EXTENSION {keeper}") as source:
        with postgres.connect(source) as connection:
            for statement in BY_USER.split(";\n"):
                connection.execute(text(statement))
        snapshot = snapshot_of(postgres, source)
        damaged = postgres.createdb(options=f"TEMPLATE {source}")
        try:
            with postgres.connect(damaged) as connection:
                for statement in DAMAGE.split(";"):
                    connection.execute(text(statement))
            assert properties(postgres, damaged) != properties(postgres, source)
            done = restored_in_place(snapshot, postgres.dsn(damaged), "schema", "data", replace=True)
            assert done.failed == {}
            assert properties(postgres, damaged) == properties(postgres, source)
        finally:
            postgres.dropdb(damaged)
