"""An extension of our own on a test server: tables, rows, and what a script makes after its last function."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster

VERSION_1 = """
CREATE TYPE @extschema@.keeper_mood AS ENUM ('low', 'high');
CREATE DOMAIN @extschema@.keeper_name AS text;
CREATE TABLE @extschema@.keeper_conf (k text PRIMARY KEY, v text CHECK (v <> ''));
INSERT INTO @extschema@.keeper_conf VALUES ('default', 'x');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.keeper_conf', 'WHERE k <> ''default''');
CREATE TABLE @extschema@.keeper_queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m text, mood @extschema@.keeper_mood);
COMMENT ON TABLE @extschema@.keeper_queue IS 'of the script';
INSERT INTO @extschema@.keeper_queue (m) VALUES ('of the script');
CREATE FUNCTION @extschema@.keeper_stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER script_trigger BEFORE INSERT ON @extschema@.keeper_queue FOR EACH ROW EXECUTE FUNCTION @extschema@.keeper_stamp();
CREATE VIEW @extschema@.keeper_view AS SELECT 2 AS two;
CREATE INDEX keeper_script_m ON @extschema@.keeper_queue (m);
"""
VERSION_2 = "CREATE INDEX keeper_script_2 ON @extschema@.keeper_queue (mood);"


@contextmanager
def extension(cluster: Cluster, *, default: str = "1", script: str = VERSION_1, kind: str = "keeper") -> Iterator[str]:
    """The name of an extension that `cluster` can create by `script`, in versions 1 and 2; skips where its directory is not ours to write."""
    name = f"{kind}{os.getpid()}"
    with cluster.connect() as connection:
        row = connection.execute("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").fetchone()
    place = Path(row[0] if row else "") / "extension"
    if not os.access(place, os.W_OK):
        pytest.skip(f"{place} cannot be written: no extension of our own")
    files = {
        f"{name}.control": f"default_version = '{default}'\nrelocatable = false\n",
        f"{name}--1.sql": script,
        f"{name}--2.sql": script + VERSION_2,
        f"{name}--1--2.sql": VERSION_2,
    }
    try:
        for file, text in files.items():
            (place / file).write_text(text)
        yield name
    finally:
        for file in files:
            (place / file).unlink(missing_ok=True)
