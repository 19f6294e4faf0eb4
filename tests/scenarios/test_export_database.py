"""A whole database as pg_dump's archive and as a script: stock programs restore them, and what comes out equals the source."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from tests.scenarios.test_restore_database import ROLES, database, differences, snapshot_of, text
from vault.errors import NotThere
from vault.ops.export_archive import archive_blocks, archive_bytes
from vault.ops.view import DUMP, SCRIPT, SQL, View
from vault.source.postgres import archive
from vault.source.postgres.server import embedded_bin

pytestmark = pytest.mark.postgres

ZOOS = {name: Path(__file__).with_name(f"{name}_zoo.sql").read_text() for name in ("capture", "restore")}
ZOO_ROLES = {"capture": ("zoo_reader", "zoo Writer"), "restore": ROLES}
UNKNOWN_TO_OLD_SERVERS = 'unrecognized configuration parameter "transaction_timeout"'
"""pg_restore 17 and later say this to servers before 17 and go on, whatever the archive."""


@dataclass(frozen=True)
class Zoo:
    cluster: Cluster
    db: str
    name: str
    view: View
    dump: Path

    @contextmanager
    def empty(self) -> Iterator[str]:
        with database(self.cluster) as name:
            yield name

    def file(self, path: str) -> bytes:
        return b"".join(self.view.open(path))


@pytest.fixture(scope="module", params=[(15, "capture"), (15, "restore"), (18, "capture"), (18, "restore")], ids=str)
def zoo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    major, name = request.param
    cluster: Cluster = request.getfixturevalue(f"pg{major}")
    with cluster.connect() as connection:
        for role in ROLES if name == "restore" else ():
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
                continue  # another module's tests left it behind
            connection.execute(text(f"CREATE ROLE {role} {'SUPERUSER' if role == 'zoo_super' else ''}"))
    with database(cluster, ZOOS[name]) as db:
        view = View(snapshot_of(cluster, db))
        dump = tmp_path_factory.mktemp("dump") / "zoo 'n dump"
        dump.write_bytes(b"".join(view.open(DUMP)))
        yield Zoo(cluster, db, name, view, dump)
    drop_roles(cluster, name)


def drop_roles(cluster: Cluster, name: str) -> None:
    with cluster.connect() as connection:
        for role in ZOO_ROLES[name]:
            connection.execute(text(f'DROP ROLE IF EXISTS "{role}"'))


def pg_restore(binaries: Path, *words: str, stdin: bytes = b"") -> str:
    """Run it; what it complained about, but for what every new pg_restore says to old servers."""
    command = [str(binaries / "pg_restore"), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, env={"PATH": "/usr/bin"})
    errors = [line for line in done.stderr.decode().splitlines() if " error: " in line]
    assert done.returncode == bool(errors), done.stderr
    return "\n".join(line for line in errors if UNKNOWN_TO_OLD_SERVERS not in line)


def all_binaries(zoo: Zoo) -> list[Path]:
    """Of the source's major and of every later one."""
    embedded = embedded_bin()
    return [zoo.cluster.bin] if embedded is None or zoo.cluster.major == 18 else [zoo.cluster.bin, embedded]


def test_pg_restore_restores_the_dump_from_a_pipe(zoo: Zoo) -> None:
    for binaries in all_binaries(zoo):
        with zoo.empty() as target:
            assert pg_restore(binaries, "-d", zoo.cluster.dsn(target), stdin=zoo.dump.read_bytes()) == ""
            assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []


def test_pg_restore_restores_the_dump_on_several_connections(zoo: Zoo) -> None:
    for binaries in all_binaries(zoo):
        with zoo.empty() as target:
            assert pg_restore(binaries, "-j4", "-d", zoo.cluster.dsn(target), str(zoo.dump)) == ""
            assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []


def test_every_pg_restore_lists_the_dump(zoo: Zoo, pg15: Cluster, pg18: Cluster) -> None:
    for cluster in (pg15, pg18):
        command = [str(cluster.bin / "pg_restore"), "-l", str(zoo.dump)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Dump Version: 1.14-0" in listed
        assert listed.count(" TABLE DATA ") == len(list(zoo.view._snapshot.tables()))


def test_dump_has_the_entries_of_pg_dump(zoo: Zoo) -> None:
    if zoo.cluster.major != 15:
        pytest.skip("later versions of pg_dump write large objects in another way")
    command = [str(zoo.cluster.bin / "pg_dump"), "-Fc", "-Z0", "-d", zoo.cluster.dsn(zoo.db)]
    stock = archive.decode(subprocess.run(command, check=True, capture_output=True).stdout)
    ours = archive.decode(zoo.dump.read_bytes())
    for mine, theirs in zip(entries_of(ours), entries_of(stock), strict=True):
        assert mine - theirs == theirs - mine == Counter()


def entries_of(found: archive.Archive) -> tuple[Counter[object], Counter[object]]:
    """Definitions with the tags that they need; rows with what loads them (how COPY is spelt differs)."""
    names = {str(entry.dump_id).encode(): (entry.desc, entry.tag) for entry in found.entries}
    definitions: Counter[object] = Counter()
    rows: Counter[object] = Counter()
    for entry in found.entries:
        needs = frozenset(names[need] for need in entry.needs if need in names)
        common = (entry.desc, entry.tag, entry.namespace, entry.section, entry.had_dumper)
        if entry.section == 3:
            rows[(*common, needs, bool(entry.definition))] += 1
        elif entry.desc == b"ACL" and (entry.tag or b"").startswith(b"LARGE OBJECT"):
            definitions[(*common, needs)] += 1
        else:
            told = (entry.definition, entry.drop or None, entry.tablespace, entry.access_method, entry.owner or None)
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
    with zoo.empty() as target:
        words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", zoo.cluster.dsn(target), "-f", str(script)]
        done = subprocess.run([str(zoo.cluster.bin / "psql"), *words], capture_output=True, env={"PATH": "/usr/bin"})
        assert done.returncode == 0, done.stderr.decode()
        assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []


def test_script_restores_from_its_own_directory(zoo: Zoo, tmp_path: Path) -> None:
    place = tmp_path / "with 'quotes' $(touch owned)\n"
    place.mkdir()
    for path in (SCRIPT, DUMP, SQL, "roles.sql"):
        (place / path).write_bytes(zoo.file(path))
    (place / SCRIPT).chmod(0o700)
    environment = {"PATH": f"{zoo.cluster.bin}:{os.defpath}"}
    for words in ((), ("-s",), ("-r", "-j", "2")):
        with zoo.empty() as target:
            command = [f"./{SCRIPT}", *words, zoo.cluster.dsn(target)]
            done = subprocess.run(command, cwd=place, capture_output=True, env=environment)
            assert done.returncode == 0, done.stderr.decode()
            assert differences((zoo.cluster, zoo.db), (zoo.cluster, target)) == []
    assert subprocess.run([f"./{SCRIPT}", "a", "b"], cwd=place, capture_output=True, env=environment).returncode == 2
    assert not list(tmp_path.rglob("owned"))


def test_dump_of_15_becomes_in_18_what_pg_dump_makes_of_it(zoo: Zoo, pg18: Cluster, tmp_path: Path) -> None:
    if zoo.cluster.major == 18:
        pytest.skip("the source is 18 already")
    for path in (SCRIPT, DUMP, "roles.sql"):
        (tmp_path / path).write_bytes(zoo.file(path))
    command = [str(zoo.cluster.bin / "pg_dump"), "-Fc", "-d", zoo.cluster.dsn(zoo.db)]
    stock_dump = subprocess.run(command, check=True, capture_output=True).stdout
    try:
        with database(pg18) as ours, database(pg18) as stock:
            environment = {"PATH": f"{pg18.bin}:{os.defpath}", "PGDATABASE": pg18.dsn(ours)}
            done = subprocess.run(["sh", str(tmp_path / SCRIPT), "-r"], capture_output=True, env=environment)
            assert done.returncode == 0, done.stderr.decode()
            assert pg_restore(pg18.bin, "-d", pg18.dsn(stock), stdin=stock_dump) == ""
            assert differences((pg18, stock), (pg18, ours)) == []
            assert {one.kind for one in differences((zoo.cluster, zoo.db), (pg18, ours))} <= {"entry", "privileges"}
    finally:
        drop_roles(pg18, zoo.name)


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
    assert pg_restore(pg15.bin, "-d", pg15.dsn(target), stdin=b"".join(view.open(DUMP))) == ""
    assert differences((pg15, source), (pg15, target)) == []
    words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", pg15.dsn(third)]
    subprocess.run([str(pg15.bin / "psql"), *words], input=b"".join(view.open(SQL)), check=True, capture_output=True)
    assert differences((pg15, source), (pg15, third)) == []
