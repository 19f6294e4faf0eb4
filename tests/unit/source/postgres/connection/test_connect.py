"""Which server counts as local, and what is asked of the others before a byte is sent."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.pq import DiagnosticField

from tests.fix_postgres import Cluster
from vault.errors import Incoherent, PermissionMissing, SourceError, Unreachable, UnsafeError, UsageError, VaultError
from vault.source.postgres.connection.connect import connect, pinned, translate
from vault.source.postgres.connection.resolve import Server, resolve

SERVICES = """
[socket]
host=/tmp
dbname=shop

[loopback]
host=db.example.org
hostaddr=127.0.0.1

[elsewhere]
host=db.example.org
password=hunter2-in-a-file

[strict]
host=db.example.org
sslmode=verify-full

[open]
host=db.example.org
sslmode=disable
"""


def found(conninfo: str) -> Server:
    return resolve(conninfo, {}, allow_cleartext=False)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "services.conf"
    path.write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    return path


@pytest.mark.parametrize(
    "conninfo",
    ["", "host=/tmp", "host=localhost", "host=127.0.0.5", "host=::1", "host=db.example.org hostaddr=127.0.0.1"],
)
def test_sockets_and_loopback_addresses_are_local(conninfo: str) -> None:
    assert found(conninfo).local


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=127.example.com",
        "host=127.0.0.1.example.com",
        "host=localhost.example.com",
        "host=localhost,db.example.org",
        "host=localhost hostaddr=10.1.2.3",
        "host=db.example.org,localhost hostaddr=,127.0.0.1",
    ],
)
def test_names_and_addresses_elsewhere_demand_encryption(conninfo: str) -> None:
    target = found(conninfo)
    assert not target.local
    assert target.parameters["sslmode"] == "require"


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("name", ["socket", "loopback"])
def test_service_that_names_this_machine_is_local(name: str) -> None:
    target = found(f"service={name}")
    assert target.local
    assert target.parameters["sslmode"] == "prefer"


@pytest.mark.usefixtures("services")
def test_service_that_names_another_machine_demands_encryption() -> None:
    assert found("service=elsewhere").parameters["sslmode"] == "require"
    assert found("service=strict").parameters["sslmode"] == "verify-full"
    assert found("service=socket host=db.example.org").parameters["sslmode"] == "require"
    assert resolve("", {"PGSERVICE": "elsewhere"}, allow_cleartext=False).parameters["sslmode"] == "require"
    with pytest.raises(UnsafeError, match="clear text"):
        found("service=open")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PGHOST", "192.0.2.1"), ("PGHOSTADDR", "192.0.2.1"), ("PGHOST", "a.invalid,b.invalid"), ("PGPORT", "1")],
)
def test_no_variable_stands_before_what_a_service_says(
    services: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    """psycopg looks for a host before libpq asks the service, and takes that of the variable: over a network, as if it were a socket."""
    monkeypatch.setenv(name, value)
    services.write_text(f"[here]\nhost={tmp_path}\nhostaddr=\nport=7\n")
    for allow_cleartext in (False, True):
        with pytest.raises(Unreachable, match=r"^cannot connect") as caught:
            connect(resolve("service=here", {name: value}, allow_cleartext=allow_cleartext))
        assert f"{tmp_path}/.s.PGSQL.7" in caught.value.why


@pytest.mark.usefixtures("services")
def test_a_variable_says_what_a_service_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "7")
    target = resolve("service=strict", {"PGPORT": "7", "PGPASSWORD": "hunter2"}, allow_cleartext=False)
    assert (target.parameters["port"], target.password) == ("7", "hunter2")
    assert found("service=elsewhere").password == "hunter2-in-a-file"


def test_how_long_a_connection_may_take_is_what_a_service_says(services: Path) -> None:
    services.write_text("[slow]\nhost=127.0.0.1\nconnect_timeout=60\nchannel_binding=require\n")
    target = resolve("service=slow", {"PGCHANNELBINDING": "disable"}, allow_cleartext=False)
    assert target.parameters["connect_timeout"] == "60"
    assert "channel_binding" not in target.parameters, "libpq asks the service first"


@pytest.mark.usefixtures("services")
def test_service_that_is_not_defined_is_no_local_one_and_is_named() -> None:
    target = found("service=nowhere")
    assert target.parameters["sslmode"] == "require"
    with pytest.raises(Unreachable) as caught:
        connect(target)
    assert "nowhere" in caught.value.why
    assert "PGSERVICEFILE" in caught.value.hint


# --- what a server's error says ------------------------------------------------------------------


def server_error(state: str, **fields: bytes) -> psycopg.Error:
    """As psycopg raises it, with all that a server can say about a row."""
    said = {
        "MESSAGE_PRIMARY": b"something with SECRET in it",
        "MESSAGE_DETAIL": b"Key (card)=(SECRET) already exists.",
        "MESSAGE_HINT": b"SECRET",
        "SQLSTATE": state.encode(),
        **fields,
    }
    kind = psycopg.errors.lookup(state)
    return kind("SECRET", info={DiagnosticField[name]: text for name, text in said.items()}, encoding="utf-8")


def shown(error: VaultError) -> str:
    return f"{error} {error.message} {error.why} {error.hint}"


@pytest.mark.parametrize("state", ["22001", "22P02", "22003", "22023", "23505", "23503", "23514", "23502", "23P01"])
def test_an_error_about_data_shows_none(state: str) -> None:
    """Their texts hold values: a duplicate key, what is no number, a row that a check refuses."""
    error = translate(server_error(state), "loading rows")
    assert "SECRET" not in shown(error)
    assert state in error.why
    assert isinstance(error, SourceError)
    assert error.sqlstate == state
    assert "loading rows" in error.message


KINDS: list[tuple[str, dict[str, bytes], type[VaultError], str]] = [
    ("42501", {}, PermissionMissing, "no permission while"),
    ("08006", {}, Unreachable, "lost while"),
    ("57P01", {}, Unreachable, "lost while"),
    ("57P05", {}, Unreachable, "lost while"),
    ("25P03", {}, Unreachable, "lost while"),
    ("42P01", {}, Incoherent, "changed while"),
    ("55000", {}, Incoherent, "changed while"),
    ("XX000", {}, Incoherent, "changed while"),
    ("42883", {"CONTEXT": b"SQL function f"}, SourceError, "a function of the database failed"),
    ("42P01", {"CONTEXT": b"SQL function f"}, SourceError, "a function of the database failed"),
    ("53100", {}, SourceError, "refused while"),
]


@pytest.mark.parametrize(("state", "fields", "kind", "message"), KINDS)
def test_an_error_is_told_by_what_can_be_done_next(
    state: str, fields: dict[str, bytes], kind: type[VaultError], message: str
) -> None:
    error = translate(server_error(state, MESSAGE_PRIMARY=b"as the server says", **fields), "reading")
    assert type(error) is kind
    assert message in error.message
    assert error.why == "as the server says"
    assert "SECRET" not in shown(error), "details and hints hold values too"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGOPTIONS", "-c no_such_setting=1 -c work_mem=x"),
        ("PGREQUIREAUTH", "scram-sha-256"),
        ("PGCHANNELBINDING", "require"),
        ("PGTARGETSESSIONATTRS", "standby"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody-of-that-name"),
        ("PGGSSENCMODE", "require"),
    ],
)
def test_variables_of_the_process_lead_nobody_elsewhere(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    server = resolve(postgres.dsn("postgres"), {}, allow_cleartext=False)
    monkeypatch.setenv(name, value)
    session = connect(server)
    try:
        assert session.row("SELECT pg_catalog.inet_server_addr()", doing="testing") == (None,)
        again = connect(pinned(server, session))
        assert again.row("SELECT pg_catalog.inet_server_addr()", doing="testing") == (None,)
        again.close()
    finally:
        session.close()


@pytest.mark.parametrize("host", ["a..b", ".example.com", "x" * 64 + ".example.com"])
def test_what_is_no_name_of_a_host_is_told(host: str) -> None:
    with pytest.raises(UsageError, match="is no name of a host"):
        connect(found(f"host={host}"))


@pytest.mark.parametrize(
    ("conninfo", "variables", "named"),
    [
        ("host=db.example.org\0 sslmode=verify-full", {}, "string"),
        ("host=db.example.org", {"PGPASSWORD": "hunter\0two"}, "password"),
    ],
)
def test_nothing_behind_a_zero_byte_is_dropped(conninfo: str, variables: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError, match=f"^the connection's {named} holds a zero byte") as caught:
        resolve(conninfo, variables, allow_cleartext=False)
    assert "hunter" not in shown(caught.value)


# --- what is no text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conninfo", "variables", "named"),
    [
        ("postgresql://me%ff@h/x", {}, "user"),
        ("postgresql://h%ee/x", {}, "host"),
        ("postgresql://h/x?options=%ff", {}, "options"),
        ("dbname=\udcff", {}, "string"),
        ("", {"PGPASSWORD": "\udcff"}, "password"),
        ("", {"PGOPTIONS": "\udcc3"}, "options"),
    ],
)
def test_what_is_no_text_is_named_and_not_shown(conninfo: str, variables: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError, match=f"^the connection's {named} is not UTF-8") as caught:
        resolve(conninfo, variables, allow_cleartext=False)
    assert f"{caught.value.message}{caught.value.why}{caught.value.hint}".isascii()


def test_what_a_service_says_in_another_encoding_is_named(services: Path) -> None:
    services.write_bytes(b"[latin]\nhost=127.0.0.1\nuser=f\xfcr\n")
    with pytest.raises(UsageError, match="user is not UTF-8"):
        found("service=latin")


def test_a_password_that_a_file_has_in_another_encoding_is_named(postgres: Cluster, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_bytes(b"*:*:*:*:f\xfcr\n")
    (tmp_path / "passwords").chmod(0o600)
    server = found(f"{postgres.dsn('postgres')} passfile={tmp_path / 'passwords'}")
    session = connect(server)
    try:
        with pytest.raises(UsageError, match="password is not UTF-8"):
            pinned(server, session)
    finally:
        session.close()
