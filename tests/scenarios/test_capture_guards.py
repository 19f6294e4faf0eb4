"""Guards that others stand behind: each is shown alone, at the one moment at which nothing but it would speak."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import database, jobs, open_on, ours, rows_of
from vault.errors import Incoherent, SourceError, Unreachable, VaultError
from vault.source.postgres.capture import lock_then_export
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.exported_snapshot import Relation

pytestmark = pytest.mark.postgres

TABLE = "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i"
LARGE = "CREATE TABLE t AS SELECT i, repeat('x', 500) AS note FROM generate_series(1, 100000) AS i"
CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT%'"
WAIT_S = 300.0


def test_copy_that_breaks_off_ends_psql_and_is_told(postgres: Cluster) -> None:
    """Without ON_ERROR_STOP psql would go on to the mark, whose SELECT fails too, and then both sides would wait [C6]."""
    with database(postgres, LARGE) as name:
        with open_on(postgres.dsn(name), large_table_bytes=0) as capture:
            pieces = next(capture.reader().read(jobs(capture.tables, blocks=1 << 20))).blocks()
            assert next(pieces)
            told: list[VaultError] = []

            def read_on() -> None:
                try:
                    for _ in pieces:
                        pass
                except VaultError as error:
                    told.append(error)

            with postgres.connect() as connection:
                connection.execute(CANCEL)
            thread = threading.Thread(target=read_on)
            thread.start()
            thread.join(WAIT_S)
            waits = thread.is_alive()
            capture.abort()
            thread.join(WAIT_S)
            assert not waits, "the reader waits for a mark that never comes"
            [error] = told
            assert isinstance(error, SourceError)
            assert error.message == 'the server broke off a COPY of "public"."t", blocks from 0 on'
            assert error.sqlstate == "57014"
        assert ours(postgres) == []


def after_the_last_check(monkeypatch: pytest.MonkeyPatch, action: Callable[[Session], None]) -> None:
    """Do `action` between the last look at the tables and the COMMIT that ends the snapshot."""
    real = lock_then_export.check

    def check(session: Session, relations: Sequence[Relation]) -> None:
        real(session, relations)
        action(session)

    monkeypatch.setattr(lock_then_export, "check", check)


@pytest.mark.parametrize("how", ["ended", "failed"])
def test_snapshot_whose_transaction_does_not_commit_at_the_end_is_no_backup(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Who held every lock must have held it to the last row [A10]."""
    with database(postgres, TABLE) as name:
        with open_on(postgres.dsn(name)) as capture:
            capture.schema()
            assert rows_of(capture, "t") == {"t": 1000}

            def lose(session: Session) -> None:
                if how == "ended":
                    with postgres.connect() as other:
                        other.execute("SELECT pg_terminate_backend(%s, 5000)", [session.connection.info.backend_pid])
                else:
                    with pytest.raises(SourceError):
                        session.rows("SELECT 1 / 0", doing="failing")

            after_the_last_check(monkeypatch, lose)
            with pytest.raises(Unreachable if how == "ended" else Incoherent, match=r"ending the snapshot|had failed"):
                capture.finish()
        assert ours(postgres) == []
