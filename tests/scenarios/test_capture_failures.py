"""What a capture refuses, how it fails, and that nothing of it is left: no server session, no child, no secret in a message."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cutting_proxy import CuttingProxy
from tests.fix_postgres import Cluster, server
from tests.scenarios.capture_support import database, jobs, open_on, ours, read_all, rows_of
from tests.scenarios.transaction_pooler import TransactionPooler
from vault.errors import PermissionMissing, SourceError, Unreachable, UnsafeError, UsageError, VaultError
from vault.model import State
from vault.source.postgres.connection.connect import connect
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.resolve import resolve

pytestmark = pytest.mark.postgres

TABLE = "CREATE TABLE t (a integer, note text); INSERT INTO t SELECT i, 'n' FROM generate_series(1, 1000) AS i"
LARGE = "CREATE TABLE t AS SELECT i, repeat('x', 500) AS note FROM generate_series(1, 100000) AS i"
SECRET = "s3cret-pa55"


@pytest.fixture
def reader_role(postgres: Cluster) -> Iterator[str]:
    """A role that bypasses row-level security and may read nothing yet."""
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE gap_reader LOGIN BYPASSRLS")
        yield "gap_reader"
        connection.execute("DROP ROLE gap_reader")


def children() -> set[int]:
    """Processes that this one started and that are not reaped."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(place.parent.name))
    return found


def own_server(stack: ExitStack, major: int, **settings: str) -> Cluster:
    """A server that a test may break; skips the test if `major` is not installed."""
    try:
        return stack.enter_context(server(major, settings=settings))
    except LookupError as missing:
        pytest.skip(str(missing))


def psql_child() -> int:
    for pid in children():
        if "psql" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]:
            return pid
    raise AssertionError("no psql runs")


def test_unreadable_tables_are_refused_by_name(postgres: Cluster, reader_role: str) -> None:
    grant = f'GRANT SELECT ON t TO {reader_role}; CREATE TABLE "not Me" (a integer); CREATE SCHEMA shut; CREATE TABLE shut.u ()'
    with database(postgres, TABLE, grant) as name:
        dsn = postgres.dsn(name).replace("user=postgres", f"user={reader_role}")
        with pytest.raises(PermissionMissing, match=r'2 tables cannot be read: "public"."not Me", "shut"."u"'):
            open_on(dsn)
        with open_on(dsn, allow_gaps=True) as capture:
            states = {missing.item: missing.state for missing in capture.missing}
            tables = {'"public"."not Me"', '"shut"."u"'}
            items = {*tables, *(f"definition of {table}" for table in tables), "passwords of roles"}
            assert states == dict.fromkeys(items, State.NOT_PERMITTED)
            assert rows_of(capture, "t") == {"t": 1000}
            defined = {entry.tag for entry in capture.schema().entries if entry.identity.desc == "TABLE"}
            assert defined == {"t"}
            assert capture.finish() == ()
        with postgres.connect(name) as connection:
            connection.execute(f"DROP OWNED BY {reader_role}")


def test_a_reader_whom_row_level_security_filters_is_refused(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name:
        with postgres.connect(name) as connection:
            connection.execute("CREATE ROLE filtered LOGIN; GRANT pg_read_all_data TO filtered")
        with pytest.raises(PermissionMissing, match="may not see all rows"):
            open_on(postgres.dsn(name).replace("user=postgres", "user=filtered"))
        with postgres.connect() as connection:
            connection.execute("DROP ROLE filtered")
    assert ours(postgres) == []


def test_a_lock_that_stays_names_who_holds_it(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        other.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match=r"could not be locked within 0\.2 s") as caught:
            open_on(postgres.dsn(name), lock_timeout_s=0.2)
        assert f"pid {other.info.backend_pid} of postgres" in caught.value.why
        assert caught.value.sqlstate == "55P03"
    assert ours(postgres) == []


@pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])
def test_abort_in_the_middle_leaves_nothing(postgres: Cluster, large_table_bytes: int) -> None:
    before = children()
    with database(postgres, LARGE) as name:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
            reader = capture.reader()
            pieces = next(reader.read(jobs(capture.tables))).blocks()
            assert next(pieces)
            capture.abort()
            with pytest.raises((SourceError, Unreachable)):
                list(pieces)
        assert ours(postgres) == []
        assert children() == before


def test_abort_ends_a_thread_that_waits_for_the_server(postgres: Cluster) -> None:
    slow = (
        "CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$"
    )
    with database(postgres, TABLE, slow) as name:
        failed: list[BaseException] = []
        with open_on(postgres.dsn(name)) as capture:
            reader = capture.reader()
            session = reader._direct.session  # type: ignore[attr-defined]

            def wait() -> None:
                try:
                    session.rows("SELECT public.slow()", doing="waiting")
                except VaultError as error:
                    failed.append(error)

            thread = threading.Thread(target=wait)
            thread.start()
            with postgres.connect() as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow()' AND wait_event = 'PgSleep'"
                while not (connection.execute(query).fetchone() or [0])[0]:
                    pass
            capture.abort()
            thread.join(300)
            assert not thread.is_alive()
            assert len(failed) == 1
        assert ours(postgres) == []


def test_an_exception_in_the_block_leaves_nothing(postgres: Cluster) -> None:
    before = children()
    with database(postgres, LARGE) as name:
        with pytest.raises(KeyboardInterrupt):
            _interrupted(postgres.dsn(name))
        assert ours(postgres) == []
        assert children() == before


def _interrupted(dsn: str) -> None:
    with open_on(dsn, large_table_bytes=0) as capture:
        next(next(capture.reader().read(jobs(capture.tables))).blocks())
        raise KeyboardInterrupt


def test_psql_killed_half_way_is_an_error(postgres: Cluster) -> None:
    with database(postgres, LARGE) as name:
        with open_on(postgres.dsn(name), large_table_bytes=0) as capture:
            results = capture.reader().read(jobs(capture.tables))
            pieces = next(results).blocks()
            assert next(pieces)
            os.kill(psql_child(), signal.SIGKILL)
            with pytest.raises(SourceError, match="psql ended before all rows were read") as caught:
                list(pieces)
        assert "SIGKILL" in caught.value.why
        assert "memory" in caught.value.hint
        assert ours(postgres) == []


def test_a_backend_ended_half_way_is_an_error(postgres: Cluster) -> None:
    with database(postgres, LARGE) as name:
        for size in (0, 1 << 40):
            with open_on(postgres.dsn(name), large_table_bytes=size) as capture:
                pieces = next(capture.reader().read(jobs(capture.tables))).blocks()
                assert next(pieces)
                with postgres.connect() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT%'"
                    )
                with pytest.raises(Unreachable):
                    list(pieces)


@pytest.mark.parametrize("major", [15, 18])
def test_a_server_stopped_half_way_is_an_error_and_leaves_no_child(major: int) -> None:
    before = children()
    with ExitStack() as stack:
        running = own_server(stack, major)
        with running.connect() as connection:
            connection.execute(LARGE)
            connection.execute("CHECKPOINT")
        for size in (0, 1 << 40):
            with open_on(running.dsn(), large_table_bytes=size) as capture:
                pieces = next(capture.reader().read(jobs(capture.tables))).blocks()
                assert next(pieces)
                running.crash()
                with pytest.raises((SourceError, Unreachable)):
                    list(pieces)
                with pytest.raises((SourceError, Unreachable)):
                    capture.finish()
            assert children() == before
            running.start()
        running.crash()
        with pytest.raises(Unreachable, match="cannot connect"):
            open_on(running.dsn())


def test_a_pooler_in_transaction_mode_is_refused(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name, TransactionPooler(postgres.dsn(name)) as pooler:
        with pytest.raises(SourceError, match="pooler in transaction mode") as caught:
            open_on(f"host=127.0.0.1 port={pooler.port} user=postgres dbname={name} sslmode=disable")
        assert "6543" in caught.value.why
        assert "5432" in caught.value.hint


def test_clear_text_to_a_remote_host_is_refused() -> None:
    for disabled in ("postgresql://u@db.example.org/x?sslmode=disable", "host=10.1.2.3 sslmode=disable"):
        with pytest.raises(UnsafeError, match="clear text"):
            resolve(disabled, {}, allow_cleartext=False)
    assert resolve("host=db.example.org", {}, allow_cleartext=False).parameters["sslmode"] == "require"
    assert (
        resolve("host=db", {"PGSSLMODE": "verify-full"}, allow_cleartext=False).parameters["sslmode"] == "verify-full"
    )
    assert resolve("", {"PGHOST": "db"}, allow_cleartext=False).parameters["sslmode"] == "require"
    assert resolve("host=localhost,db", {}, allow_cleartext=False).parameters["sslmode"] == "require"
    for local in ("host=/tmp", "host=localhost", "host=127.0.0.5", "host=::1", ""):
        assert "sslmode" not in resolve(local, {}, allow_cleartext=False).parameters
    assert resolve("host=db sslmode=disable", {}, allow_cleartext=True).parameters["sslmode"] == "disable"


@pytest.mark.parametrize(
    "conninfo",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/x",
        f"host=127.0.0.1 port=1 password={SECRET}",
        f"postgresql://u:{SECRET}@x@127.0.0.1/x",
        f"postgresql://u:x@{SECRET}@127.0.0.1/x",
        f"postgresql://u:{SECRET}#1@127.0.0.1/x",
        f"postgresql://u:{SECRET}%zz@127.0.0.1/x",
        f"host=127.0.0.1 password={SECRET}' x",
        f"host=127.0.0.1 port=1 password 'x {SECRET}",
        f"postgresql://u:1/{SECRET}@127.0.0.1:1/x",
    ],
)
def test_no_message_holds_the_password(conninfo: str) -> None:
    with pytest.raises((UsageError, Unreachable)) as caught:
        open_on(conninfo)
    error: BaseException | None = caught.value
    while error is not None:
        shown = str(error) + str(vars(error))
        assert SECRET not in shown or error is not caught.value
        assert SECRET not in str(error)
        error = None if error.__suppress_context__ and error.__cause__ is None else error.__cause__ or error.__context__


def test_a_pg_dump_older_than_the_server_is_refused(pg15: Cluster, pg18: Cluster) -> None:
    with pytest.raises(SourceError, match="no pg_dump of version 18 or newer") as caught:
        open_on(pg18.dsn(), programs=Programs(directory=pg15.bin))
    assert "15" in caught.value.why
    assert "postgresql-client-18" in caught.value.hint
    assert ours(pg18) == []


def test_a_newer_pg_dump_reads_an_older_server(pg15: Cluster, pg18: Cluster) -> None:
    with database(pg15, TABLE) as name, open_on(pg15.dsn(name), programs=Programs(directory=pg18.bin)) as capture:
        assert any(entry.tag == "t" for entry in capture.schema().entries)
        assert rows_of(capture, "t") == {"t": 1000}


def test_embedded_programs_are_for_local_servers_only(pg18: Cluster) -> None:
    only_embedded = Programs(search_path="", system_places=(), embedded=pg18.bin)
    assert only_embedded.find("pg_dump", major=18, local=True) is not None
    assert only_embedded.find("pg_dump", major=18, local=False) is None


def test_without_psql_everything_is_read_over_psycopg(postgres: Cluster, tmp_path: Path) -> None:
    (tmp_path / "pg_dump").symlink_to(postgres.bin / "pg_dump")
    with database(postgres, TABLE) as name:
        with open_on(postgres.dsn(name), programs=Programs(directory=tmp_path), large_table_bytes=0) as capture:
            assert rows_of(capture, "t") == {"t": 1000}
            assert capture.finish() == ()


def test_several_readers_share_the_work(postgres: Cluster) -> None:
    with database(postgres, LARGE) as name, open_on(postgres.dsn(name), large_table_bytes=0) as capture:
        planned = list(jobs(capture.tables, blocks=512))
        parts = [planned[0::2], planned[1::2]]
        found: list[int] = []

        def work(part: list[object]) -> None:
            reader = capture.reader()
            found.extend(rows for rows, _ in read_all(reader, iter(part)).values())  # type: ignore[arg-type]
            reader.close()

        threads = [threading.Thread(target=work, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        assert sum(found) == 100000
        assert capture.finish() == ()
    assert ours(postgres) == []


def test_nothing_listens_and_nothing_is_left() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = children()
    with pytest.raises(Unreachable, match=r"cannot connect to the database at 127\.0\.0\.1"):
        open_on(f"host=127.0.0.1 port={port} user=x dbname=y")
    assert children() == before
    assert subprocess.run(["true"]).returncode == 0


def test_what_a_login_trigger_raises_is_not_shown(pg18: Cluster) -> None:
    """Its text may hold values of rows. Superusers meet it too."""
    with database(pg18, LOGIN) as name:
        with pytest.raises(Unreachable) as caught:
            connect(resolve(pg18.dsn(name), {}, allow_cleartext=False))
        assert "what runs there at login raised an error" in caught.value.why
        assert "ALTER EVENT TRIGGER" in (caught.value.hint or "")
        assert "hidden" not in f"{caught.value} {caught.value.why} {caught.value.__cause__}"


LOGIN = """
create function refuse() returns event_trigger language plpgsql as
    'begin raise exception ''hidden''; end';
create event trigger refuse on login execute function refuse()
"""


def test_a_connection_that_is_cut_while_pg_dump_reads_is_one_that_was_lost(postgres: Cluster, tmp_path: Path) -> None:
    """Wherever it is cut: a script that waits for the server must be able to tell."""
    sockets = postgres.dsn().partition("host=")[2].split()[0]
    with CuttingProxy(f"{sockets}/.s.PGSQL.5432") as proxy, database(postgres) as name:
        command = Command(home=tmp_path)
        assert command("init", "--no-recovery-kit").code == 0
        through = f"host=127.0.0.1 port={proxy.port} user=postgres dbname={name}"
        backup = ("backup", "-d", through, "--source", "cut")
        proxy.mend()
        assert command(*backup).code == 0
        whole, told = proxy.passed, []
        for part in range(1, 10):
            proxy.mend(cut_at=whole * part // 10)
            done = command(*backup)
            assert done.code in (0, 6), done.err
            assert done.code == 0 or "next: " in done.err
            told.append(done.err)
        assert any("pg_dump lost its connection" in err for err in told), told
