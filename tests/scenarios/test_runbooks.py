"""What went bad comes back by the very commands of `vault/docs/runbooks.md`, as a superuser and as Supabase's `postgres`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from tests.architecture.sources import ROOT
from tests.documentation import Stage, blocks, stage
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres
PAGE = (ROOT / "vault" / "docs" / "runbooks.md").read_text(encoding="utf-8")
SECTIONS = {
    "Rows that a DELETE took": ("", 0, 0),
    "An UPDATE without WHERE": ("app_settings ", 1, 1),
    "Only some of the rows": ("", 0, 0),
    "One partition": ("visits_1 ", 99, 0),
    "A column that was dropped": ("", 0, 0),
    "A delete that took more with it": ("", 0, 0),
    "All users gone": ("role_grant_audit ", 11, 0),
}
"""Section of the page -> the table that has other rows at its end, how many came, and how many went: what was written since stays."""
EVERY_ROW = """
SELECT format('SELECT %L || to_jsonb(t)::text FROM ONLY %s t;', c.oid::regclass || ' ', c.oid::regclass)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""
DEMOTED = """
ALTER ROLE postgres NOSUPERUSER CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE supabase_auth_admin LOGIN NOINHERIT;
GRANT pg_read_all_data, pg_monitor TO postgres;
GRANT SET ON PARAMETER session_replication_role TO postgres;
ALTER SCHEMA auth OWNER TO supabase_auth_admin;
DO $$ DECLARE name regclass; BEGIN
  FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO supabase_auth_admin', name);
  END LOOP;
END $$;
GRANT ALL ON SCHEMA auth TO postgres;
GRANT ALL ON ALL TABLES IN SCHEMA auth TO postgres;
"""


def section(title: str) -> str:
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    found = "".join(block.text for block in blocks(text) if block.language == "sh")
    assert found
    return found


def demote(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        connection.execute("CREATE ROLE supabase_admin SUPERUSER LOGIN")
    dsn = cluster.dsn().replace("user=postgres", "user=supabase_admin")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(DEMOTED.encode())


def played(ready: Stage) -> str:
    """The script of all sections, each with the snapshot of a good day before it, and all rows written down around it."""
    place = ready.home / "rows"
    place.mkdir()
    (place / "every.sql").write_text(EVERY_ROW)
    (save,) = re.findall(r"^save\(\) .*\n", PAGE, re.MULTILINE)
    (first, *_) = blocks(PAGE)
    script = f'{first.text}{save}rows() {{ psql -XAtq "$DB" -f {place}/every.sql | psql -XAtq "$DB" | sort > "{place}/$1"; }}\n'
    for at, title in enumerate(SECTIONS):
        script += f"save\nrows {at}-before\n{section(title)}rows {at}-after\n"
    return f"```sh\n{script}```\n"


@pytest.mark.parametrize("role", ["superuser", "postgres of Supabase"])
def test_from_damage_to_equal(tmp_path: Path, role: str) -> None:
    with stage(tmp_path) as ready:
        if role != "superuser":
            demote(ready.cluster)
        done = ready.play(played(ready))
    assert done.returncode == 0, done.stdout[-4000:]
    for at, (title, since) in enumerate(SECTIONS.items()):
        before, after = (
            Counter((tmp_path / "rows" / f"{at}-{word}").read_text().splitlines()) for word in ("before", "after")
        )
        came, lost = after - before, before - after
        table, *counts = since
        assert before.total() > 100
        assert [came.total(), lost.total()] == counts, (title, came, lost)
        assert all(row.startswith(table) for row in came), (title, came)
