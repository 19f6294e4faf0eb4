"""`pgvault doctor` says beforehand what `pgvault backup` then does, and changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.test_journey import conforming
from tests.cli.test_unlock import ended_process, leased
from tests.fix_postgres import Cluster
from tests.scenarios.transaction_pooler import TransactionPooler
from vault.source.postgres.connection.throwaway_server import embedded_bin

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT n, 'n' FROM generate_series(1, 100) n;
CREATE SCHEMA "own things"; CREATE TABLE "own things"."a;b" (id serial);
"""


@pytest.fixture
def dsn(pg18: Cluster) -> Iterator[str]:
    with prepared(pg18, Case(code=0, check="")) as dsn:
        yield dsn


def found(pgvault: Command, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and check -> finding of that name, the worst where there are several."""
    done = pgvault("doctor", *arguments, "--json", **environment)
    shown = conforming(done.json(), "doctor")
    assert shown["exit_code"] == done.code
    worst = ("skipped", "ok", "warn", "fail")
    findings = sorted(shown["findings"], key=lambda one: worst.index(one["state"]))
    return done.code, {one["check"]: one for one in findings}


def test_where_all_is_well_it_says_so_and_changes_nothing(pgvault_ready: Command, postgres: Cluster) -> None:
    database = postgres.createdb()
    assert pgvault_ready("backup", "-d", postgres.dsn(database)).code == 0
    before, xid = contents(pgvault_ready.home), next_xid(postgres)
    code, findings = found(pgvault_ready, "-d", postgres.dsn(database))
    assert (code, [one for one in findings.values() if one["state"] == "fail"]) == (0, [])
    assert {"repository", "passphrase", "database", "connection", "pg_dump", "rights", "space", "clock"} <= set(
        findings
    )
    assert "1 snapshot" in findings["repository"]["what"]
    assert findings["connection"]["what"].startswith("direct")
    assert findings["schedule"]["fix"] == "pgvault schedule install"
    assert (contents(pgvault_ready.home), next_xid(postgres)) == (before, xid)
    shown = pgvault_ready("doctor", "-d", postgres.dsn(database))
    assert shown.out.splitlines()[-1] == "a backup would work"


def contents(home: Path) -> dict[str, tuple[int, int]]:
    """Every file but those of the cache, which is nobody's loss."""
    files = (path for path in home.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def next_xid(postgres: Cluster) -> int:
    with postgres.connect() as connection:
        row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8").fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is wrong: statements in the database, a change of the repository, variables, or another -d. `code`: of both commands."""

    code: int
    check: str
    database: str = ""
    home: Callable[[Path], object] = lambda home: None
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str = "postgres"
    toml: str = ""
    dsn: str = ""


def broken_config(home: Path) -> None:
    path = home / "repository" / "config"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def inside_itself(home: Path) -> None:
    (home / "pgvault.toml").write_text('version = 1\n[source.app.directories]\nall = "."\n')


BYPASSES = 'CREATE ROLE "read er" LOGIN BYPASSRLS'
CASES = {
    "no repository": Case(code=10, check="repository", variables={"PGVAULT_REPOSITORY": "elsewhere"}),
    "none is named": Case(code=2, check="repository", variables={"PGVAULT_REPOSITORY": ""}),
    "damaged configuration": Case(code=4, check="repository", home=broken_config),
    "wrong passphrase": Case(code=12, check="passphrase", variables={"PGVAULT_PASSWORD": "another"}),
    "no passphrase": Case(code=13, check="passphrase", variables={"PGVAULT_PASSWORD": ""}),
    "passphrase command fails": Case(
        code=13, check="passphrase", variables={"PGVAULT_PASSWORD": "", "PGVAULT_PASSWORD_COMMAND": "false"}
    ),
    "nobody listens": Case(code=6, check="database", dsn="postgresql://u@127.0.0.1:1/x"),
    "no such database": Case(code=6, check="database", dsn="dbname=nothing_of_that_name"),
    "clear text": Case(code=8, check="database", dsn="host=db.example.org sslmode=disable"),
    "row security": Case(code=7, check="row security", database='CREATE ROLE "read er" LOGIN', user="read er"),
    "no rights": Case(code=7, check="rights", database=BYPASSES, user="read er"),
    "foreign table": Case(
        code=3,
        check="coverage",
        database="CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (a int) SERVER s",
    ),
    "accepted": Case(
        code=0,
        check="coverage",
        database="CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (a int) SERVER s",
        toml=r'accepted_gaps = ["\"public\".\"f\""]',
    ),
    "files elsewhere": Case(
        code=3,
        check="coverage",
        database="CREATE SCHEMA storage; CREATE TABLE storage.objects (id int); INSERT INTO storage.objects VALUES (1)",
    ),
    "no file yet": Case(
        code=0, check="coverage", database="CREATE SCHEMA storage; CREATE TABLE storage.objects (id int)"
    ),
    "pattern without a match": Case(code=2, check="objects", toml='include_tables = ["public.nothing"]'),
    "no such directory": Case(code=2, check="directories", toml='directories = { files = "nowhere" }'),
    "repository in a directory": Case(code=8, check="directories", home=inside_itself),
}


@pytest.mark.parametrize("name", CASES)
def test_it_foretells_how_a_backup_ends(pgvault_ready: Command, pg18: Cluster, name: str) -> None:
    case = CASES[name]
    with prepared(pg18, case) as dsn:
        if case.toml:
            (pgvault_ready.home / "pgvault.toml").write_text(f"version = 1\n[source.app]\n{case.toml}\n")
        case.home(pgvault_ready.home)
        code, findings = found(pgvault_ready, "-d", dsn, **case.variables)
        shown = pgvault_ready("doctor", "-d", dsn, **case.variables)
        done = pgvault_ready("backup", "-d", dsn, **case.variables)
    assert (code, shown.code, done.code) == (case.code, case.code, case.code), shown.out + done.err
    assert case.code == 0 or findings[case.check]["state"] in ("fail", "warn")
    assert case.code == 0 or findings[case.check]["fix"]
    assert "program" in findings
    assert "embedded server" in findings  # to the end, whatever failed


@contextmanager
def prepared(postgres: Cluster, case: Case) -> Iterator[str]:
    """A database as the case wants it."""
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(f"{SCHEMA}; {case.database}".encode())
    given = psycopg.conninfo.conninfo_to_dict(postgres.dsn(name)) | {"user": case.user}
    if case.dsn.startswith("dbname="):
        given["dbname"] = case.dsn.partition("=")[2]
    elsewhere = case.dsn if case.dsn and not case.dsn.startswith("dbname=") else ""
    try:
        yield elsewhere or psycopg.conninfo.make_conninfo("", **given)
    finally:
        postgres.dropdb(name)
        with postgres.connect() as connection:
            connection.execute('DROP ROLE IF EXISTS "read er"')


def test_the_grants_that_it_prints_mend_what_is_missing(pgvault_ready: Command, pg18: Cluster) -> None:
    large = "SELECT lo_from_bytea(7, 'x')"
    with prepared(pg18, Case(code=7, check="rights", database=f"{BYPASSES}; {large}", user="read er")) as dsn:
        code, findings = found(pgvault_ready, "-d", dsn)
        assert code == 7
        lines = findings["rights"]["lines"]
        assert len(lines) == 4, "two tables, a sequence, large objects"
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        with pg18.connect(str(name)) as connection:
            for line in lines[:3]:
                connection.execute(line.encode())
            connection.execute(b'GRANT SELECT ON LARGE OBJECT 7 TO "read er"')
        code, findings = found(pgvault_ready, "-d", dsn)
        assert "rights" in findings
        assert findings["rights"]["state"] == "ok"
        assert code == pgvault_ready("backup", "-d", dsn).code


@pytest.mark.parametrize("keeps", [True, False])
def test_it_tells_a_pooler_and_its_mode(pgvault_ready: Command, dsn: str, keeps: bool) -> None:
    with TransactionPooler(dsn, keeps=keeps) as pooler:
        through = f"host=127.0.0.1 port={pooler.port} user=postgres dbname=any sslmode=disable"
        code, findings = found(pgvault_ready, "-d", through)
    told = findings["connection"]
    assert ("session mode" if keeps else "transaction mode") in told["what"]
    assert (told["state"], code) == (("ok", 0) if keeps else ("fail", 1))
    assert findings["database"]["state"] == "ok"  # what can be asked is asked all the same
    assert findings["rights"]["state"] == "ok"


def test_another_database_under_the_name_of_a_source(pgvault_ready: Command, pg18: Cluster) -> None:
    one, other = pg18.createdb(), pg18.createdb()
    assert pgvault_ready("backup", "--source", "app", "-d", pg18.dsn(one)).code == 0
    code, findings = found(pgvault_ready, "--source", "app", "-d", pg18.dsn(other))
    assert (code, findings["identity"]["state"]) == (3, "warn")
    assert pgvault_ready("backup", "--source", "app", "-d", pg18.dsn(other)).code == 3


def test_snapshots_that_went_away(pgvault_ready: Command, dsn: str) -> None:
    assert pgvault_ready("backup", "-d", dsn).code == 0
    for path in (pgvault_ready.repository / "snapshots").rglob("*"):
        if path.is_file():
            path.unlink()
    code, findings = found(pgvault_ready, "-d", dsn)
    assert (code, findings["snapshots"]["code"]) == (4, "ROLLED_BACK")
    assert pgvault_ready("backup", "-d", dsn).code == 4


def test_every_configured_source_is_looked_at(pgvault_ready: Command, dsn: str) -> None:
    (pgvault_ready.home / "pgvault.toml").write_text(
        f'version = 1\n[source.good]\ndatabase = "{dsn}"\n[source.gone]\ndatabase = "host=127.0.0.1 port=1"\n'
    )
    done = pgvault_ready("doctor", "--json").json()
    states = {one["source"]: one["state"] for one in done["findings"] if one["check"] == "database"}
    assert states == {"good": "ok", "gone": "fail"}
    assert done["exit_code"] == pgvault_ready("backup", "--all").code == 6
    assert found(pgvault_ready, "--source", "good")[0] == 0


def test_what_the_dead_left_behind(pgvault_ready: Command) -> None:
    leased(pgvault_ready, socket.gethostname(), ended_process())
    left = pgvault_ready.repository / "tmp" / "left"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    _, findings = found(pgvault_ready, "-d", "postgresql://127.0.0.1:1/x")
    assert (findings["leases"]["state"], findings["leases"]["fix"]) == ("warn", "pgvault unlock")
    assert "1 file" in findings["leftovers"]["what"]
    assert left.exists()


def test_a_passphrase_in_the_configuration_is_told_from_one_of_this_shell(pgvault_ready: Command) -> None:
    secret = pgvault_ready.home / "secret"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    (pgvault_ready.home / "pgvault.toml").write_text('version = 1\n[repository]\npassword_file = "secret"\n')
    here = found(pgvault_ready)[1]["passphrase"]["what"]
    there = found(pgvault_ready, PGVAULT_PASSWORD="")[1]["passphrase"]["what"]
    assert "PGVAULT_PASSWORD" in here
    assert "schedule" in here
    assert "repository.password_file" in there
    assert "schedule" not in there


def test_an_older_minor_of_pg_dump_is_named(pgvault_ready: Command, pg15: Cluster) -> None:
    if embedded_bin() is None:
        pytest.skip("no other pg_dump")
    _, findings = found(pgvault_ready, "-d", pg15.dsn())
    assert "pg_dump" in findings["pg_dump"]["what"]


def test_directories_alone_need_no_database(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "files").mkdir()
    (pgvault_ready.home / "pgvault.toml").write_text('version = 1\n[source.app]\ndirectories = { files = "files" }\n')
    code, findings = found(pgvault_ready)
    assert code == pgvault_ready("backup").code == 0
    assert "files" in findings["directories"]["what"]
    assert "database" not in findings
