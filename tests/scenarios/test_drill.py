"""A drill finds each kind of difference between what was saved and what was restored, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.drill_support import drilled, opened, settings_for
from tests.fix_postgres import Cluster, Majors
from tests.fix_views import Listener, ViewRepository
from tests.fix_zoo import empty, fill
from tests.restore_support import PROGRAMS, snapshot_of
from vault.app.drill.run import DrillFlags, open_drill
from vault.errors import NotThere, SourceError, UnsafeError, UsageError
from vault.ops.drill.assertions import ask
from vault.ops.drill.verdict import DrillVerdict
from vault.ops.project.backup_selection import encode
from vault.repo.snapshot import Snapshot
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.resolve import resolve
from vault.source.postgres.connection.server_choice import server_for
from vault.source.postgres.connection.throwaway_server import embedded_bin
from vault.source.postgres.target.temporary_reader import TemporaryReaders

pytestmark = pytest.mark.postgres

SHOP = """
    DO $$ BEGIN
        CREATE ROLE drill_reader LOGIN PASSWORD 'x'; CREATE ROLE drill_owner NOLOGIN;
        ALTER ROLE drill_reader SET statement_timeout = '8s'; GRANT drill_owner TO drill_reader;
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, seen timestamptz);
    CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customers, total numeric(10, 2),
                         tax numeric GENERATED ALWAYS AS (total * 0.2) STORED);
    INSERT INTO customers SELECT n, 'customer ' || n, '2026-01-01' FROM generate_series(1, 50) n;
    INSERT INTO orders (customer, total) SELECT 1 + n % 50, n FROM generate_series(1, 500) n;
    ALTER TABLE customers OWNER TO drill_owner;
    ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON customers FOR SELECT TO drill_reader, drill_owner USING (id < 10);
    GRANT SELECT ON orders TO drill_reader;
    CREATE FUNCTION total() RETURNS numeric LANGUAGE sql AS 'SELECT sum(total) FROM public.orders';
    CREATE VIEW big AS SELECT id FROM orders WHERE total > 400;
    SELECT lo_from_bytea(4711, 'a large object');
"""


@pytest.fixture(scope="module")
def snapshots() -> dict[int, Snapshot]:
    return {}


@pytest.fixture
def shop(postgres: Cluster, snapshots: dict[int, Snapshot]) -> Snapshot:
    if postgres.major not in snapshots:
        with empty(postgres) as name:
            fill(postgres, name, [SHOP])
            snapshots[postgres.major] = snapshot_of(postgres.dsn(name))
    return snapshots[postgres.major]


@pytest.fixture
def own_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files come to, and none of another test; whoever a server runs as gets through it, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="pgvault-own-") as place:
        os.chmod(place, 0o711)
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place)


def test_what_was_restored_well_passes_with_everything_checked(shop: Snapshot, own_place: Path) -> None:
    verdict = drilled(
        shop,
        settings=settings_for(assertions=["SELECT count(*) = 500 FROM orders", "SELECT count(*) = 50 FROM customers"]),
    )
    assert verdict.passed
    assert verdict.not_checked == ()
    assert list(own_place.iterdir()) == []


@pytest.fixture
def shop_database(postgres: Cluster) -> Iterator[str]:
    with empty(postgres) as name:
        fill(postgres, name, [SHOP])
        yield name


PLANTED = {
    "rows": ("UPDATE customers SET name = 'another' WHERE id = 7", ("rows", "public.customers")),
    "a row more": ("INSERT INTO customers VALUES (99, 'x')", ("rows", "public.customers")),
    "a table": ("CREATE TABLE planted (a int)", ("table", "public.planted")),
    "definition": (
        "CREATE OR REPLACE VIEW big AS SELECT id FROM orders WHERE total > 401",
        ("entry", "VIEW public.big"),
    ),
    "function": (
        "CREATE OR REPLACE FUNCTION total() RETURNS numeric LANGUAGE sql AS 'SELECT 1'",
        ("entry", "FUNCTION public.total"),
    ),
    "policy": ("ALTER POLICY own ON customers USING (true)", ("entry", "POLICY public.customers.own")),
    "roles of a policy": ("ALTER POLICY own ON customers TO PUBLIC", ("policy", "public.customers.own")),
    "row security": (
        "ALTER TABLE customers DISABLE ROW LEVEL SECURITY",
        ("entry", "ROW SECURITY public.customers customers"),
    ),
    "privilege": ("GRANT DELETE ON orders TO drill_reader", ("privileges", "table public.orders")),
    "owner": ("ALTER TABLE customers OWNER TO drill_reader", ("privileges", "table public.customers")),
    "sequence": ("SELECT setval('orders_id_seq', 7)", ("sequence", "public.orders_id_seq")),
    "large object": ("SELECT lo_put(4711, 2, 'L')", ("large object", "4711")),
    "no large object": ("SELECT lo_unlink(4711)", ("large object", "4711")),
}


@pytest.mark.spec("DRILL-1")
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_found(postgres: Cluster, shop: Snapshot, planted: str) -> None:
    statement, expected = PLANTED[planted]
    with empty(postgres) as name:
        verdict = drilled(
            shop, database=postgres.dsn(name), meanwhile=lambda connection: connection.execute(statement.encode())
        )
    assert expected in {(point.kind, point.name) for point in verdict.mismatches}
    assert not verdict.passed
    assert verdict.not_checked == ()


@pytest.mark.spec("DRILL-2")
def test_a_foreign_key_that_is_only_declared_is_found(postgres: Cluster, shop: Snapshot) -> None:
    """Rows change past it, as a fault of the restore would have them."""
    with empty(postgres) as name, opened(shop, database=postgres.dsn(name)) as drill:
        drill.restore()
        with postgres.connect(name) as connection:
            connection.execute("SET session_replication_role = replica; DELETE FROM customers WHERE id = 3")
        found = {(point.kind, point.name) for point in drill.examine().mismatches}
    assert ("foreign key", "orders_customer_fkey of public.orders") in found


OF_ROLES = """
    ALTER ROLE drill_reader CREATEDB; REVOKE drill_owner FROM drill_reader; ALTER ROLE drill_reader RESET statement_timeout
"""


def test_a_role_that_is_otherwise_is_found(shop: Snapshot) -> None:
    verdict = drilled(shop, meanwhile=lambda connection: connection.execute(OF_ROLES.encode()))
    assert [(point.kind, point.name, point.why) for point in verdict.mismatches] == [
        ("role", "drill_reader", "differs in create_db"),
        ("membership", "drill_reader in drill_owner", "missing or with other options"),
        ("setting", "statement_timeout of drill_reader", "missing"),
    ]


@pytest.mark.parametrize(
    ("assertion", "why"),
    [
        ("SELECT count(*) > 500 FROM orders", "it is false"),
        ("SELECT NULL::boolean", "it is NULL"),
        ("SELECT 1 / 0 = 1", "it could not be evaluated"),
        ("SELECT true FROM customers", "it returned more than one row"),
        ("SELECT true WHERE false", "it returned no row"),
        ("SELECT 1", "it is no boolean"),
        ("SELECT true, true", "it returned 2 columns instead of one"),
        ("DELETE FROM orders RETURNING true", "read-only transaction"),
        ("SELECT true; SELECT true", "cannot insert multiple commands"),
        ("SELECT pg_read_file('/etc/passwd') <> ''", "permission denied"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the connection was lost while it was asked"),
        ("SELECT set_config('role', 'postgres', false) <> ''", "it could not be evaluated"),
    ],
)
def test_an_assertion_that_is_not_true_fails(postgres: Cluster, shop_database: str, assertion: str, why: str) -> None:
    readers = TemporaryReaders(resolve(postgres.dsn(shop_database), {}, allow_cleartext=False), os.urandom)
    (point,) = ask(["SELECT count(*) = 50 FROM customers", assertion], readers).mismatches
    assert (point.kind, point.name) == ("assertion", assertion)
    assert why in point.why
    with postgres.connect() as connection:
        query = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pgvault_drill_reader%'"
        assert connection.execute(query).fetchone() == (0,)


def test_a_database_that_is_read_only_by_itself_is_asked(postgres: Cluster, shop_database: str) -> None:
    with postgres.connect() as connection:
        connection.execute(f'ALTER DATABASE "{shop_database}" SET default_transaction_read_only = on'.encode())
    readers = TemporaryReaders(resolve(postgres.dsn(shop_database), {}, allow_cleartext=False), os.urandom)
    assert ask(["SELECT count(*) = 50 FROM customers"], readers) == DrillVerdict()


def test_a_login_that_was_left_is_of_no_use_soon_and_dropped(postgres: Cluster, shop_database: str) -> None:
    readers = TemporaryReaders(resolve(postgres.dsn(shop_database), {}, allow_cleartext=False), os.urandom)
    left, young = (f"pgvault_drill_reader_{letter * 12}" for letter in "ab")
    ours = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgvault_drill_reader%%' ORDER BY 1"
    with postgres.connect(shop_database) as connection:
        connection.execute(
            f"CREATE ROLE {left} LOGIN VALID UNTIL '2020-01-01'; CREATE ROLE {young} LOGIN VALID UNTIL 'tomorrow';"
            f"GRANT SELECT ON orders TO {left}".encode()
        )
        connection.commit()
        try:
            until = "SELECT rolvaliduntil < now() + interval '2 hours' FROM pg_roles WHERE rolname = current_user"
            assert ask([until], readers) == DrillVerdict()
            assert connection.execute(ours.replace("%%", "%").encode()).fetchall() == [(young,)]
        finally:
            connection.rollback()
            connection.execute(f"DROP ROLE {young}".encode())
            connection.commit()


def test_an_assertion_that_nobody_may_ask_is_not_checked(postgres: Cluster, shop_database: str) -> None:
    server = resolve(f"{postgres.dsn(shop_database)} user=drill_reader", {}, allow_cleartext=False)
    verdict = ask(["SELECT true"], TemporaryReaders(server, os.urandom))
    assert verdict.passed
    assert verdict.not_checked[0].why.startswith("nobody could log in to ask it: ")


# --- what there is to restore --------------------------------------------------------------------


def test_a_snapshot_of_files_alone(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"22")
    snapshot = ViewRepository().take({"files": tmp_path})
    assert drilled(snapshot) == DrillVerdict()
    with opened(snapshot) as drill:
        drill.restore()
        there = Path(drill.place.directories["files"])
        (there / "two").write_bytes(b"2!")
        (there / "below" / "one").unlink()
        (there / "planted").write_bytes(b"")
        found = {(point.name, point.why) for point in drill.examine().mismatches}
    assert found == {
        ("files/two", "other content there, of the same length"),
        ("files/below/one", "missing"),
        ("files/planted", "not in the snapshot"),
    }
    with pytest.raises(NotThere, match="holds no database"), opened(snapshot, database="dbname=x"):
        pass


def test_a_snapshot_of_a_part_is_compared_as_far_as_it_goes(postgres: Cluster) -> None:
    with empty(postgres) as name:
        fill(postgres, name, [SHOP, "CREATE EXTENSION hstore; CREATE SCHEMA beside; CREATE TABLE beside.t (a int)"])
        options = CaptureOptions(tables=["customers", "orders"], exclude_table_data=["orders"])
        capture = partial(
            open_capture, postgres.dsn(name), options=options, programs=PROGRAMS, environment={}, notify=print
        )
        selection = encode(True, [], {"include_tables": ["customers", "orders"], "exclude_table_data": ["orders"]})
        snapshot = ViewRepository().take(capture=capture, selection=selection)
    verdict = drilled(snapshot)
    assert verdict.mismatches == ()
    assert [(point.kind, point.name, point.why) for point in verdict.not_checked] == [
        (
            "count",
            "rpc functions",
            "1 in the snapshot, 0 in the target; the snapshot is of a part of its database, and was counted as a whole",
        ),
        ("table", "public.orders", "its rows are not in the snapshot"),
    ]


def test_a_later_major_is_told_for_what_it_prints_otherwise(majors: Majors, pg18: Cluster) -> None:
    with empty(majors[15]) as name:
        fill(majors[15], name, [SHOP])
        snapshot = snapshot_of(majors[15].dsn(name))
    with empty(pg18) as name:
        verdict = drilled(snapshot, database=pg18.dsn(name))
    assert verdict.mismatches == ()
    assert [(point.name, point.why) for point in verdict.not_checked if point.kind != "role"] == [
        ("VIEW public.big", "PostgreSQL 18 prints it otherwise than 15")
    ]


# --- where it is restored to ---------------------------------------------------------------------


def test_an_older_server_than_the_snapshots_is_never_taken(shop: Snapshot) -> None:
    programs = Programs(system_places=())
    with pytest.raises(SourceError, match="no PostgreSQL server of version") as refused:
        server_for(18, programs)
    assert "postgresql-18" in refused.value.hint


def test_a_database_that_is_not_empty_or_a_source_is_refused(
    postgres: Cluster, shop: Snapshot, shop_database: str
) -> None:
    with pytest.raises(UnsafeError), opened(shop, database=postgres.dsn(shop_database)) as drill:
        drill.restore()
    with empty(postgres) as name:
        fill(
            postgres, name, ["CREATE SCHEMA auth; CREATE TABLE auth.users (id int); INSERT INTO auth.users VALUES (1)"]
        )
        with pytest.raises(UnsafeError, match="not empty"), opened(shop, database=postgres.dsn(name)) as drill:
            drill.restore()
    with pytest.raises(UsageError, match="exclude each other"):
        with open_drill(
            settings_for(), shop, DrillFlags(database="dbname=x", keep=True), sources={}, progress=Listener()
        ):
            pass


WITH_EXTENSIONS = """
    CREATE SCHEMA extensions; CREATE EXTENSION "uuid-ossp" SCHEMA extensions; CREATE EXTENSION pgcrypto SCHEMA extensions;
    CREATE EXTENSION tablefunc; CREATE EXTENSION adminpack SCHEMA pg_catalog;
    CREATE TABLE notes (id uuid DEFAULT extensions.uuid_generate_v4() PRIMARY KEY, text text,
                        token text DEFAULT encode(extensions.gen_random_bytes(8), 'hex'));
    INSERT INTO notes (text) SELECT 'note ' || n FROM generate_series(1, 20) n;
    CREATE FUNCTION hashed(text) RETURNS text LANGUAGE sql AS 'SELECT extensions.crypt($1, extensions.gen_salt(''bf''))';
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (text <> 'x');
    GRANT EXECUTE ON FUNCTION extensions.uuid_generate_v4() TO drill_reader;
"""


def test_what_an_extension_is_missing_for_is_named_and_the_rest_is_checked(
    majors: Majors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the wheel has none of the three; two have stubs, with which their tables come whole."""
    with empty(majors[15]) as name:
        fill(majors[15], name, [SHOP, WITH_EXTENSIONS])
        snapshot = snapshot_of(majors[15].dsn(name))
    wheel = Programs(system_places=(), embedded=embedded_bin())
    monkeypatch.setattr("vault.app.wiring.client_programs", lambda settings: wheel)
    verdict = drilled(snapshot)
    assert verdict.mismatches == ()
    told = {point.name: point.why for point in verdict.not_checked}
    assert "a stub with its name stood in for it" in told["pgcrypto"]
    assert "stood in" in told["uuid-ossp"]
    assert "the extension adminpack is not on this machine" in told["EXTENSION adminpack"]
    assert not {"TABLE notes", "public.notes"} & set(told)
    planted = "DROP POLICY own ON notes; UPDATE notes SET text = 'y' WHERE text = 'note 3'"
    verdict = drilled(snapshot, meanwhile=lambda connection: connection.execute(planted.encode()))
    assert {("rows", "public.notes"), ("policy", "public.notes.own")} <= {
        (point.kind, point.name) for point in verdict.mismatches
    }
