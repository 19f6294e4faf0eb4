"""The `schema/` folder of whole databases: nothing is left out, nothing is there twice, equal definitions are equal files."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from tests.fix_postgres import Cluster
from tests.fix_views import Listener, ViewRepository
from tests.fix_zoo import Zoo, Zoos, capture_of
from vault.errors import NotThere
from vault.ops.project.file_names import folded
from vault.ops.view.definitions.paths import DefinitionFiles
from vault.ops.view.definitions.text import entry_sql
from vault.ops.view.extract import extract
from vault.ops.view.tree import View
from vault.repo.snapshot import Snapshot
from vault.source.files.target import DirectoryWriter


def texts(view: View) -> dict[str, bytes]:
    entries = [entry for entry in view.ls("schema", recursive=True) if entry.kind == "file"]
    return {entry.path: b"".join(view.open_entry(entry)) for entry in entries}


def entries_of(snapshot: Snapshot) -> Counter[bytes]:
    return Counter(entry_sql(entry) for entry in snapshot.entries(snapshot.order()))


def test_every_entry_of_the_zoo_is_in_exactly_one_file(any_zoo: Zoo) -> None:
    snapshot = any_zoo.snapshot
    tree = DefinitionFiles(snapshot.order())
    placed = Counter(item.identity for items in tree.files.values() for item in items)
    assert placed == Counter(item.identity for item in snapshot.order())
    found = texts(any_zoo.view)
    assert set(found) == {f"schema/{path}" for path in tree.files}
    assert sum(map(len, found.values())) == sum(len(text) * count for text, count in entries_of(snapshot).items())
    assert all(any(text in file for file in found.values()) for text in entries_of(snapshot))


def test_paths_of_the_zoo_are_names_of_files_anywhere_and_no_object_shares_one(any_zoo: Zoo) -> None:
    tree = DefinitionFiles(any_zoo.snapshot.order())
    assert len({folded(path) for path in tree.files}) == len(tree.files)
    for path, items in tree.files.items():
        assert all(
            0 < len(part.encode()) <= 255 and part.isprintable() and part not in (".", "..") for part in path.split("/")
        )
        made = {
            item.identity.address
            for item in items
            if item.identity.desc in ("TABLE", "VIEW", "FUNCTION", "POLICY", "TRIGGER", "TYPE")
        }
        assert len(made) <= 1, path
    assert not [path for path in tree.files if path.split("/")[1] == "indexes"], "each index stands with its table"
    folders = {path.split("/")[1] for path in tree.files if path.startswith("_database/")}
    assert folders <= {
        "settings.sql", "database.sql", "access_methods", "casts", "default_privileges", "event_triggers", "extensions", "foreign_data_wrappers",
        "languages", "large_objects", "publications", "servers", "subscriptions", "transforms", "types", "user_mappings",
    }  # fmt: skip


def test_a_file_that_is_listed_can_be_opened_by_its_path(zoos: Zoos) -> None:
    view = zoos[15].view
    for entry in view.ls("schema", recursive=True):
        assert view.entry(entry.path) == entry
    assert [entry.path for entry in view.ls() if entry.path.startswith("schema")] == ["schema", "schema.sql"]


TWO_DAYS = """
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
CREATE FUNCTION public.total(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
"""


def test_two_snapshots_differ_in_the_files_of_what_changed_alone(
    pg15: Cluster, view_repository: ViewRepository, tmp_path: Path
) -> None:
    db = pg15.createdb()
    with pg15.connect(db) as connection:
        connection.execute(TWO_DAYS.encode())
    first = texts(View(view_repository.take(capture=capture_of(pg15, db))))
    with pg15.connect(db) as connection:
        connection.execute("CREATE POLICY own ON public.orders USING (id > 0)")
        connection.execute("CREATE FUNCTION public.total(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'")
        connection.execute("ALTER TABLE public.orders ADD COLUMN at date")
    view = View(view_repository.take(capture=capture_of(pg15, db)))
    second = texts(view)
    assert set(first) - set(second) == set()
    assert set(second) - set(first) == {
        "schema/public/policies/orders/own.sql",
        "schema/public/functions/total(text).sql",
    }
    assert {path for path in first if first[path] != second[path]} == {"schema/public/tables/orders.sql"}
    assert b"CREATE TABLE public.orders (" in second["schema/public/tables/orders.sql"]
    with DirectoryWriter(tmp_path / "out", os.urandom) as target:
        extract(view, ["schema"], target, progress=Listener())
    there = {
        f"schema/{path.relative_to(tmp_path / 'out' / 'schema')}": path.read_bytes()
        for path in (tmp_path / "out" / "schema").rglob("*.sql")
    }
    assert there == second


def test_a_captured_directory_called_schema_stays_where_it_is(
    pg15: Cluster, view_repository: ViewRepository, tmp_path: Path
) -> None:
    db = pg15.createdb()
    with pg15.connect(db) as connection:
        connection.execute("CREATE TABLE public.orders (id int)")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("mine")
    view = View(view_repository.take({"schema": tmp_path / "files"}, capture_of(pg15, db)))
    assert [entry.path for entry in view.ls("schema", recursive=True)] == ["schema/a.txt"]
    assert b"CREATE TABLE" in b"".join(view.open("schema.definitions/public/tables/orders.sql"))
    try:
        view.open("schema/public/tables/orders.sql")
    except NotThere:
        pass
    else:
        raise AssertionError("a file that is not there was opened")
