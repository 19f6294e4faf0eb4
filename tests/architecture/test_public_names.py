"""A folder is used by its public modules; everything else in it is private to it. One table, so that a new use is a decision."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import ROOT, modules

PUBLIC = {
    "vault.app": "background backup backup_request beginning command conninfo database datasets diff foreground health history interval jobs large_scans patience places processes project put_back quantities query restore retention secret settings source_here state status upkeep verify wiring yielding",
    "vault.app.configuration": "effective validation",
    "vault.app.doctor": "run",
    "vault.app.drill": "place run scheduled",
    "vault.app.schedule": "install known plan problem schedulers undone upkeep watching",
    "vault.app.signals": "outcome prometheus send service_manager",
    "vault.demo": "stage story",
    "vault.ops.backup": "number_and_parent reuse run why_read",
    "vault.ops.check": "amount closure damages packs parts run",
    "vault.ops.copy": "run",
    "vault.ops.compare": "against databases facts recorded row_digests",
    "vault.ops.datasets": "declared exported parquet rows sqlite texts",
    "vault.ops.diff": "columns found rows scratch summary tables together",
    "vault.ops.doctor": "database machine repository symptoms",
    "vault.ops.drill": "assertions directories out_of_reach record references room verdict",
    "vault.ops.guard": "ack codes facts judge tidy way_back",
    "vault.ops.history": "events find log names",
    "vault.ops.project": "backup_selection components counts file_names files_outside stored_files summary supabase",
    "vault.ops.put_back": "plan run scope",
    "vault.ops.query": "answer definitions rows",
    "vault.ops.repair": "index packs remake snapshots",
    "vault.ops.repository": "keys stats",
    "vault.ops.retention": "forget pins policy policy_words prune prune_plan reclaim time_zone unlock",
    "vault.ops.restore": "bucket dry_run failures files referring_rows run standing_paths",
    "vault.ops.restore.plan": "collation contents decision definition_differences extensions graph only_words plan referring_tables show steps",
    "vault.ops.schedule": "timetable turns upkeep",
    "vault.ops.status": "assess seen",
    "vault.ops.verify": "run",
    "vault.ops.view": "export extract paths table tree",
    "vault.ops.view.archive": "custom_format",
    "vault.ops.view.definitions": "homes paths text",
    "vault.ops.view.executed": "entries extension_tables failure_count fence key_checks operator_paths stand_ins",
    "vault.ops.view.scripts": "complete encryption parts policies restore_sh roles routines users",
    "vault.source.files": "bucket bucket_target dataset_target directory sqlite_target target",
    "vault.source.postgres.capture": "catalog_facts cluster database examine reach",
    "vault.source.postgres.connection": "connect exported_snapshot extension_stubs programs psycopg_errors resolve server_choice server_facts sql_text throwaway_directories throwaway_server undecodable_names",
    "vault.source.postgres.definitions": "beyond_pg_dump definitions_fingerprint expressions pg_dump",
    "vault.source.postgres.rows": "psql_copy psycopg_copy reader same_tables snapshot_sessions table_fingerprint unplannable without_table_locks",
    "vault.source.postgres.target": "database query_database row_filter temporary_reader",
    "vault.source.postgres.target.put_back": "session",
}
"""Folder -> its modules that others may import. `vault.sql` and the packages below it are public as a whole."""

BY_ALL = {
    "vault.source.postgres.connection": ("vault.app", "vault.demo", "vault.source.postgres"),
    "vault.source.postgres.definitions": ("vault.source.postgres",),
    "vault.source.postgres.rows": ("vault.source.postgres",),
    "vault.ops.view.archive": ("vault.ops.view",),
    "vault.ops.view.definitions": ("vault.ops.history", "vault.ops.view"),
    "vault.ops.view.executed": ("vault.ops.view",),
    "vault.ops.view.scripts": ("vault.ops.view",),
    "vault.ops.restore.plan": ("vault.app", "vault.cli", "vault.demo", "vault.ops.drill", "vault.ops.restore"),
}
"""Folder -> who may use it at all, where that is narrower than the layers."""


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def folder_of(module: str) -> str | None:
    return max((folder for folder in PUBLIC if inside(module, folder)), key=len, default=None)


def imported(tree: ast.Module) -> Iterator[str]:
    """Full names of the modules of vault that a file imports, `from package import module` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if (ROOT / (name.replace(".", "/") + ".py")).exists() else node.module


def uses() -> Iterator[tuple[str, str, str]]:
    """(importing module, folder, module of it) for every import across the border of a folder."""
    for module, tree in modules():
        for name in imported(tree):
            folder = folder_of(name)
            if folder is not None and name != folder and not inside(module, folder):
                yield module, folder, name.removeprefix(folder + ".")


def test_folders_are_used_by_their_public_modules() -> None:
    wrong = [
        f"{module} imports {name} of {folder}"
        for module, folder, name in uses()
        if name not in PUBLIC[folder].split()
        or not any(inside(module, user) for user in BY_ALL.get(folder, ("vault",)))
    ]
    assert wrong == []


def test_what_is_public_is_used() -> None:
    used = {(folder, name) for _, folder, name in uses()}
    unused = [
        f"{folder}.{name}" for folder, names in PUBLIC.items() for name in names.split() if (folder, name) not in used
    ]
    assert unused == []


def test_every_folder_with_modules_has_its_line() -> None:
    parents = ("vault.ops", "vault.source", "vault.source.postgres")
    folders = {name.rpartition(".")[0] for name, _ in modules() if name.count(".") >= 2}
    assert {folder for folder in folders if folder.rpartition(".")[0] in parents} - set(PUBLIC) - set(parents) == set()
