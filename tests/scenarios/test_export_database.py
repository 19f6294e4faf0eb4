"""A whole database as pg_dump's archive and as a script: stock programs restore them, and what comes out equals the source."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from tests.fix_zoo import Zoo, Zoos, empty, pg_restore
from tests.restore_support import restored
from tests.scenarios.capture_support import database
from tests.scenarios.test_restore_database import differences, snapshot_of, text
from vault.errors import NotThere
from vault.ops.view.archive.custom_format import archive_blocks, archive_bytes
from vault.ops.view.tree import DUMP, SCRIPT, SQL, View
from vault.sql import archive

pytestmark = pytest.mark.postgres


LEFT_OUT_BY_PG_DUMP = (b"ACL", b"TYPE spans")


@pytest.fixture(params=[15, 18])
def zoo(request: pytest.FixtureRequest, zoos: Zoos) -> Zoo:
    major: int = request.param
    return zoos[major]


def test_dump_has_the_entries_of_pg_dump(zoo: Zoo) -> None:
    if zoo.cluster.major != 15:
        pytest.skip("later versions of pg_dump write large objects in another way")
    stock = archive.decode(zoo.stock_archive("-Z0"))
    ours = archive.decode(zoo.dump.read_bytes())
    for mine, theirs in zip(entries_of(ours), entries_of(stock), strict=True):
        assert theirs - mine == Counter()
        added = [
            told[:2] for told in mine - theirs if told[0] != b"ROW SECURITY"
        ]  # FORCE and DISABLE are entries of ours
        assert added in ([], [LEFT_OUT_BY_PG_DUMP])


def entries_of(found: archive.Archive) -> tuple[Counter[tuple[object, ...]], Counter[tuple[object, ...]]]:
    """Definitions with the tags that they need; rows with what loads them (how COPY is spelt differs)."""
    names = {str(entry.dump_id).encode(): (entry.desc, entry.tag) for entry in found.entries}
    definitions: Counter[tuple[object, ...]] = Counter()
    rows: Counter[tuple[object, ...]] = Counter()
    for entry in found.entries:
        needs = frozenset(names[need] for need in entry.needs if need in names)
        common = (entry.desc, entry.tag, entry.namespace, entry.section, entry.had_dumper)
        if entry.section == 3:
            rows[(*common, needs, bool(entry.definition))] += 1
        elif entry.desc == b"ACL" and (entry.tag or b"").startswith(b"LARGE OBJECT"):
            definitions[(*common, needs)] += 1
        else:
            definition = entry.definition if entry.desc != b"EXTENSION" else b""  # ours has the version
            told = (definition, entry.drop or None, entry.tablespace, entry.access_method, entry.owner or None)
            definitions[(*common, *told)] += 1
    return definitions, rows


def test_no_table_has_two_blocks_of_rows_and_lengths_are_told_truly(zoo: Zoo) -> None:
    snapshot = zoo.view._snapshot
    assert archive_bytes(snapshot) == len(b"".join(archive_blocks(snapshot))) == zoo.dump.stat().st_size
    raw = zoo.dump.read_bytes()
    found = [entry for entry in archive.decode(raw).entries if entry.desc == b"TABLE DATA"]
    assert len({(entry.namespace, entry.tag) for entry in found}) == len(found)
    for entry in found:
        assert raw[entry.offset] == 1
        assert raw[entry.offset + 1 :].startswith(archive.encode_int(entry.dump_id))


def test_psql_restores_the_script(zoo: Zoo, tmp_path: Path) -> None:
    script = tmp_path / "all.sql"
    script.write_bytes(zoo.file(SQL))
    with empty(zoo.cluster) as target:
        words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", zoo.cluster.dsn(target), "-f", str(script)]
        done = subprocess.run([str(zoo.cluster.bin / "psql"), *words], capture_output=True, env={"PATH": "/usr/bin"})
        assert done.returncode == 0, done.stderr.decode()
        assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []


def test_script_restores_from_its_own_directory(zoo: Zoo, tmp_path: Path) -> None:
    place = tmp_path / "with 'quotes' $(touch owned)\n"
    place.mkdir()
    for path in (SCRIPT, DUMP, SQL, "roles.sql", "database_settings.sql"):
        (place / path).write_bytes(zoo.file(path))
    (place / SCRIPT).chmod(0o700)
    environment = {"PATH": f"{zoo.cluster.bin}:{os.defpath}"}
    for words in ((), ("-s",), ("-r", "-j", "2")):
        with empty(zoo.cluster) as target:
            command = [f"./{SCRIPT}", *words, zoo.cluster.dsn(target)]
            done = subprocess.run(command, cwd=place, capture_output=True, env=environment)
            assert done.returncode == 0, done.stderr.decode()
            assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []
    assert subprocess.run([f"./{SCRIPT}", "a", "b"], cwd=place, capture_output=True, env=environment).returncode == 2
    assert not list(tmp_path.rglob("owned"))


def test_dump_of_15_becomes_in_18_what_pg_dump_makes_of_it(zoos: Zoos, pg18: Cluster) -> None:
    roles = [str(pg18.bin / "psql"), "-X", "-q", "-d", pg18.dsn()]
    subprocess.run(roles, input=zoos[15].file("roles.sql"), check=True, capture_output=True)
    with empty(pg18) as ours, empty(pg18) as stock:
        assert pg_restore(pg18.bin / "pg_restore", "-d", pg18.dsn(ours), stdin=zoos[15].file(DUMP)) == ""
        assert pg_restore(pg18.bin / "pg_restore", "-d", pg18.dsn(stock), stdin=zoos[15].stock_archive()) == ""
        assert differences((pg18, stock), (pg18, ours)) == []


@pytest.mark.parametrize("form", ["-r", "-rs"])
def test_script_makes_of_15_in_18_what_a_restore_makes_of_it(
    zoos: Zoos, pg18: Cluster, tmp_path: Path, form: str
) -> None:
    for path in (SCRIPT, DUMP, SQL, "roles.sql", "database_settings.sql"):
        (tmp_path / path).write_bytes(zoos[15].file(path))
    with empty(pg18) as ours, empty(pg18) as other:
        environment = {"PATH": f"{pg18.bin}:{os.defpath}", "PGDATABASE": pg18.dsn(ours)}
        done = subprocess.run(["sh", str(tmp_path / SCRIPT), form], capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr.decode()
        assert restored(zoos[15].snapshot, pg18.dsn(other)).failed == {}
        assert differences((pg18, other), (pg18, ours)) == []


def test_snapshot_without_a_database_has_neither(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    view = View(ViewRepository().take({"files": tmp_path}))
    for path in (DUMP, SQL, SCRIPT):
        with pytest.raises(NotThere):
            view.open(path)


LATIN = """
create table "caf\u00e9" (a text, b text default '\u00fc'); insert into "caf\u00e9" values (E'\u00e9\\\\\u00e8\\n', null);
select lo_from_bytea(4294967295, 'high'); comment on large object 4294967295 is 'g\u00e2teau';
"""


def test_other_encodings_and_high_oids_of_large_objects_come_back(pg15: Cluster, tmp_path: Path) -> None:
    options = "template template0 encoding 'LATIN1' locale 'C'"
    source, target, third = (pg15.createdb(options=options) for _ in range(3))
    with pg15.connect(source) as connection:
        connection.execute(text(LATIN))
    view = View(snapshot_of(pg15, source))
    assert pg_restore(pg15.bin / "pg_restore", "-d", pg15.dsn(target), stdin=b"".join(view.open(DUMP))) == ""
    assert differences((pg15, source), (pg15, target)) == []
    words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", pg15.dsn(third)]
    subprocess.run([str(pg15.bin / "psql"), *words], input=b"".join(view.open(SQL)), check=True, capture_output=True)
    assert differences((pg15, source), (pg15, third)) == []


def test_constraints_and_triggers_wait_for_the_rows_of_descendants(zoo: Zoo) -> None:
    """Else `pg_restore -j` checks rows by a NOT VALID constraint of a parent, and loses the table when they violate it."""
    entries = archive.decode(zoo.dump.read_bytes()).entries
    rows = {entry.tag: str(entry.dump_id).encode() for entry in entries if entry.desc == b"TABLE DATA"}
    needs = {(entry.desc, entry.tag): entry.needs for entry in entries}
    assert rows[b"both"] in needs[b"CHECK CONSTRAINT", b"base_2 unproven"]
    assert rows[b"late"] in needs[b"TRIGGER", b"roots of_root"]


COMPUTED = """
create domain positive as int; create table held (d positive); insert into held values (-1);
alter domain positive add constraint pos check (value > 0) not valid; create materialized view computed as select * from held;
"""


def test_an_archive_checks_no_domain_before_its_rows_and_definitions_alone_compute_nothing(pg18: Cluster) -> None:
    with database(pg18, COMPUTED) as source, database(pg18) as ours, database(pg18) as script:
        snapshot = snapshot_of(pg18, source)
        found = archive.decode(b"".join(archive_blocks(snapshot)))
        rows = {str(entry.dump_id).encode() for entry in found.entries if entry.desc == b"TABLE DATA"}
        (check,) = (entry for entry in found.entries if entry.desc == b"CHECK CONSTRAINT")
        assert rows <= set(check.needs)
        assert restored(snapshot, pg18.dsn(ours), data=False).failed == {}
        psql = [str(pg18.bin / "psql"), "-X", "-q", "-d", pg18.dsn(script)]
        subprocess.run(psql, input=b"".join(View(snapshot).open("schema.sql")), check=True)
        assert differences((pg18, ours), (pg18, script)) == []


def test_a_script_goes_on_without_a_tablespace_and_ends_in_an_error(pg15: Cluster) -> None:
    with pg15.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE \"left 'behind\" LOCATION ''")
    try:
        tables = 'create table t (a int primary key) tablespace "left \'behind"; insert into t values (1); create table u (a int)'
        with database(pg15, tables) as source:
            snapshot = snapshot_of(pg15, source)
    finally:
        with pg15.connect() as connection:
            connection.execute('DROP TABLESPACE "left \'behind"')
    with database(pg15) as ours, database(pg15) as script:
        assert set(restored(snapshot, pg15.dsn(ours)).failed) == {"TABLE t"}
        psql = [str(pg15.bin / "psql"), "-X", "-q", "-d", pg15.dsn(script)]
        done = subprocess.run(psql, input=b"".join(View(snapshot).open(SQL)), capture_output=True)
        assert (done.returncode, done.stderr.count(b"tablespace left 'behind is not there")) == (3, 1)
        assert differences((pg15, ours), (pg15, script)) == []
