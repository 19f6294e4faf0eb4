"""A standby as source: all that it has is captured, and what it cannot have is named."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from tests.scenarios.capture_support import jobs, open_on, read_all
from vault.model import State
from vault.source.postgres.connection.throwaway_server import EmbeddedServer

pytestmark = pytest.mark.postgres

MADE = """
CREATE TABLE kept (id serial PRIMARY KEY, note text);
INSERT INTO kept (note) SELECT 'n' || i FROM generate_series(1, 1000) AS i;
CREATE UNLOGGED TABLE fleeting (a serial);
INSERT INTO fleeting DEFAULT VALUES;
SELECT lo_from_bytea(6001, 'large');
"""


@contextmanager
def standby_of(primary: Cluster, place: Path) -> Iterator[EmbeddedServer]:
    """A streaming standby that has replayed all of the primary."""
    place.mkdir(mode=0o700)
    socket = str(psycopg.conninfo.conninfo_to_dict(primary.superuser)["host"])
    subprocess.run(
        [str(primary.bin / "pg_basebackup"), "-h", socket, "-U", "postgres", "-D", str(place / "data"), "-c", "fast"],
        check=True,
        capture_output=True,
    )
    (place / "data" / "standby.signal").touch()
    settings = {"primary_conninfo": f"host={socket} user=postgres"}
    with primary.beside(place, settings=settings) as standby:
        with primary.connect() as one, psycopg.connect(standby.dsn(), autocommit=True) as other:
            (position,) = one.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)
            while not (other.execute("SELECT pg_last_wal_replay_lsn() >= %s", [position]).fetchone() or (False,))[0]:
                other.execute("SELECT pg_sleep(0.05)")
        yield standby


@pytest.mark.parametrize("major", [15, 18])
def test_unlogged_tables_of_a_standby_are_named_and_everything_else_is_captured(major: int) -> None:
    outer = Path(tempfile.mkdtemp(prefix="pgvault-test-"))
    outer.chmod(0o711)
    try:
        with server(major) as primary:
            with primary.connect() as connection:
                connection.execute(MADE)
            with open_on(primary.dsn()) as capture:
                everything = read_all(capture.reader(), jobs(capture.tables))
                assert capture.missing == []
            with standby_of(primary, outer / "standby") as standby, open_on(standby.dsn()) as capture:
                assert capture.server.in_recovery
                gaps = {gap.item: gap for gap in capture.missing}
                found = read_all(capture.reader(), jobs(capture.tables))
                values = {item.name.name: item.last_value for item in capture.sequences()}
                large = {one.item.oid: b"".join(one.blocks()) for one in capture.large_objects()}
                defined = {entry.tag for entry in capture.schema().entries if entry.identity.desc == "TABLE"}
                assert capture.finish() == ()
    except LookupError as missing:
        pytest.skip(str(missing))
    finally:
        shutil.rmtree(outer, ignore_errors=True)
    assert gaps.keys() == {'"public"."fleeting"', 'sequence "public"."fleeting_a_seq"'}
    assert {(gap.state, gap.fix) for gap in gaps.values()} == {(State.NOT_EXPORTABLE, "back up the primary")}
    assert found == {name: rows for name, rows in everything.items() if name.name != "fleeting"}
    assert (len(found), large, defined) == (1, {6001: b"large"}, {"kept", "fleeting"})
    assert list(values) == ["kept_id_seq"]
    assert values["kept_id_seq"] >= 1000
