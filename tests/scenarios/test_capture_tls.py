"""Connections over TLS: every session and every child uses it, verifies what is asked for, and never goes on without it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_postgres import binaries_of
from tests.reuse_support import Series, small_extents
from tests.scenarios.capture_support import open_on, ours, rows_of
from tests.tls_server import PASSWORD, SERVER_PORT, Forwarder, TlsServer, tls_server
from vault.errors import Unreachable, UnsafeError

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(binaries_of(15) is None, reason="the embedded server has no TLS, and 15 is not installed"),
]

TABLE = "CREATE TABLE t AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 2000) AS i"
SESSIONS = "SELECT a.pid, s.ssl FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'tls_reader'"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        with running.cluster.connect() as connection:
            connection.execute(TABLE)
        yield running


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # what the test's own connections use


def named_host() -> str:
    """A name of this machine by which nobody can tell that it is this machine; skips where it has none."""
    name = socket.gethostname()
    try:
        if name == "localhost" or not socket.gethostbyname(name):
            pytest.skip("this machine has no other name than localhost")
    except OSError:
        pytest.skip("the name of this machine leads nowhere")
    return name


@pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_every_session_and_child_is_encrypted(tls: TlsServer, mode: str, large_table_bytes: int) -> None:
    """The server takes nothing else, and asks for the password."""
    root = {} if mode == "require" else {"sslrootcert": str(tls.certificate)}
    dsn = tls.dsn(sslmode=mode, password=PASSWORD, **root)
    with open_on(dsn, large_table_bytes=large_table_bytes) as capture:
        assert any(entry.tag == "t" for entry in capture.schema().entries)
        assert rows_of(capture, "t") == {"t": 2000}
        with tls.cluster.connect() as connection:
            states = connection.execute(SESSIONS).fetchall()
        assert len(states) >= 1
        assert {encrypted for _, encrypted in states} == {True}
        assert capture.finish() == ()
    assert ours(tls.cluster) == []


def test_a_series_of_backups_over_tls_reuses_what_is_unchanged(tls: TlsServer) -> None:
    with small_extents(8):
        series = Series(tls.dsn(sslmode="require", password=PASSWORD))
        first = series.take()
        assert series.take().reused == first.extents > 2


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1"])
def test_loopback_of_both_kinds_reaches_a_server_that_wants_tls(tls: TlsServer, listen: str) -> None:
    try:
        forwarder = Forwarder(listen, (tls.address, SERVER_PORT))
    except OSError:
        pytest.skip(f"this machine has no {listen}")
    with forwarder:
        dsn = tls.dsn(host=listen, port=str(forwarder.port), sslmode="require", password=PASSWORD)
        with open_on(dsn, large_table_bytes=0) as capture:
            capture.schema()
            assert rows_of(capture, "t") == {"t": 2000}
            assert capture.finish() == ()


@pytest.mark.parametrize(
    "parameters",
    [
        {"sslmode": "disable"},
        {"sslmode": "verify-full", "sslrootcert": "/nowhere.crt"},
        {"sslmode": "verify-full", "host": "127.0.0.1"},
    ],
    ids=["clear text", "no root certificate", "certificate of another host"],
)
def test_what_is_not_as_asked_for_is_no_connection(tls: TlsServer, parameters: dict[str, str]) -> None:
    with Forwarder("127.0.0.1", (tls.address, SERVER_PORT)) as forwarder:
        given = {"sslrootcert": str(tls.certificate), "port": str(forwarder.port), "host": "127.0.0.1", **parameters}
        with pytest.raises(Unreachable) as caught:
            open_on(tls.dsn(password=PASSWORD, **given))
    assert PASSWORD not in caught.value.why + caught.value.hint
    assert ours(tls.cluster) == []


def test_a_host_that_may_be_elsewhere_is_reached_by_tls_without_being_asked(tls: TlsServer) -> None:
    with Forwarder("0.0.0.0", (tls.address, SERVER_PORT)) as forwarder:
        dsn = tls.dsn(host=named_host(), port=str(forwarder.port), password=PASSWORD)
        with open_on(dsn, large_table_bytes=0) as capture:
            capture.schema()
            assert rows_of(capture, "t") == {"t": 2000}
            assert capture.finish() == ()
        with pytest.raises(UnsafeError, match="clear text"):
            open_on(tls.dsn(host=named_host(), port=str(forwarder.port), sslmode="disable", password=PASSWORD))


def test_a_server_elsewhere_without_tls_is_never_sent_the_password(tmp_path: Path) -> None:
    with tls_server(tmp_path, enabled=False) as plain:
        with Forwarder("0.0.0.0", (plain.address, SERVER_PORT)) as forwarder:
            given = {"host": named_host(), "port": str(forwarder.port), "password": PASSWORD}
            with pytest.raises(Unreachable, match="cannot connect") as caught:
                open_on(plain.dsn(**given))
            assert "does not support SSL" in caught.value.why
            with open_on(plain.dsn(**given), allow_cleartext=True) as capture:
                assert capture.finish() == ()
