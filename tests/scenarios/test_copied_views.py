"""A copy under other keys shows in every view what its original shows, and is what a backup into that repository would have been."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.fix_postgres import Cluster
from tests.fix_views import PASSPHRASE, Listener, StandingClock, ViewRepository
from tests.scenarios.test_views_of_a_database import capture_of
from tests.small_repository import rows, take
from tests.unit.ops.copy.test_run import other
from vault.demo import project
from vault.ops.copy.run import Ends, run
from vault.ops.view.executed.fence import fence_key
from vault.ops.view.table import table_rows
from vault.ops.view.tree import View
from vault.pipeline.copytext import FORMATS
from vault.repo.snapshot import Snapshot
from vault.repo.state import Closed, Open

MORE = """
CREATE TABLE kinds (
    id int PRIMARY KEY, price numeric, twice numeric GENERATED ALWAYS AS (price * 2) STORED,
    shout text GENERATED ALWAYS AS (upper(lower('x' || id))) STORED, body text
);
INSERT INTO kinds (id, price, body) SELECT n, n / 7.0, repeat(md5(n::text), 30) FROM generate_series(1, 4000) n;
SELECT lo_from_bytea(7001, convert_to(repeat('large object ', 90000), 'UTF8'));
CREATE SEQUENCE beside START 41; SELECT nextval('beside');
"""


def copied_into(here: Open, there: Open) -> Snapshot:
    """The last one."""
    ends = Ends(here=here.indexed(None), there=there, cache_dir=None, host="host", pid=1)
    run(ends, here.snapshots(), clock=StandingClock(), entropy=os.urandom, progress=Listener())
    fresh = there.indexed(None)
    return fresh.snapshot(there.snapshots()[-1][0])


def shown(snapshot: Snapshot) -> dict[str, bytes]:
    """Every view: each path of the tree, each table in each form. Left out is the snapshot's own id, and what is made of it."""
    view = View(snapshot)
    found: dict[str, bytes] = {}
    for entry in view.ls("", recursive=True):
        found[f"kind of {entry.path}"] = f"{entry.kind} {entry.mode:o} {entry.mtime_ns}".encode()
        if entry.kind == "file":
            found[entry.path] = b"".join(view.open(entry.path))
            found[f"size of {entry.path}"] = str(view.size_bytes(entry)).encode()
    for item in snapshot.tables():
        for form in FORMATS:
            found[f"{item.name} as {form}"] = b"".join(table_rows(snapshot, item, form))
        found[f"{item.name}: values"] = b"".join(snapshot.values(item))
    for large in snapshot.large_objects():
        found[f"large object {large.oid}"] = b"".join(snapshot.large_object_blocks(large))
    own_id, fence = snapshot.id.hex().encode(), fence_key(snapshot).encode()
    for path, data in found.items():
        found[path] = data.replace(own_id, b"ID").replace(fence, b"FENCE").replace(fence[:16], b"FENCE")
    return found


@pytest.mark.postgres
def test_every_view_of_a_copy_is_that_of_its_original(pg18: Cluster, tmp_path: Path) -> None:
    database = pg18.createdb()
    with pg18.connect(database) as connection:
        for script in (*project.database_sql(), MORE):
            connection.execute(script.encode())
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(3_000_000))
    (tmp_path / "link").symlink_to("deep/file")
    repository = ViewRepository()
    original = repository.take({"storage": tmp_path}, capture_of(pg18, database))
    assert any(extent.digests for item in original.tables() for extent in original.extents(item))
    _, there = other()
    copy = copied_into(Closed(repository.store).open(PASSPHRASE), there)
    expected, found = shown(original), shown(copy)
    assert found.keys() == expected.keys()
    for path, data in expected.items():
        assert found[path] == data, path
    assert [extent.digests != () for item in copy.tables() for extent in copy.extents(item)] == [
        extent.digests != () for item in original.tables() for extent in original.extents(item)
    ]


def test_a_copy_is_the_very_same_as_a_backup_of_the_same_into_that_repository() -> None:
    """Roots of lists are keyed digests of everything below them; what is shorter than a chunk is cut nowhere, whatever the seed."""
    made = [b"".join(b"made %d\n" % row for row in range(300)), b""]
    database = FakeDatabase(
        tables={"public.t": [rows(1, 300), b""], "public.u": [rows(5, 40)] * 12, "public.empty": []},
        generated={"public.t": made},
        large_objects={5: b"large" * 100, 6: b""},
        sequences={"public.s": 7},
    )
    _, here = other()
    _, there = other()
    take(here, database, source="a")
    copy = copied_into(here, there).manifest
    direct = there.manifest(take(there, database, source="b").id)
    assert copy.database is not None
    assert copy.database == direct.database
    assert copy.ledger == direct.ledger
    assert here.snapshots()[0][1].database != copy.database
