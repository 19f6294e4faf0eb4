"""SQL over snapshots by DuckDB: the tables that a statement names become Parquet in a private directory, and it reads those."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from vault.app.directories import dataset_folder
from vault.app.query import SqlAnswer
from vault.errors import Misconfigured
from vault.sql.names import show_name

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.model import TableItem, TableName
    from vault.ports import Progress
    from vault.repo.snapshot import Snapshot

_MODULES: Final = {"duckdb": "sql", "pyarrow": "parquet"}


def refuse_engine() -> None:
    """Raises  Misconfigured: a library is missing"""
    for module, extra in _MODULES.items():
        if importlib.util.find_spec(module) is None:
            raise Misconfigured(
                f"the library {module} is not installed",
                why="--engine duckdb reads Parquet with DuckDB, which are extras of pgvault",
                hint=f"pip install 'pgvault[{extra}]'",
            )


def answer(
    settings: Settings,
    snapshots: Sequence[tuple[str, Snapshot]],
    statement: str,
    *,
    spool: Callable[[Path], IO[bytes]],
    progress: Progress,
) -> tuple[SqlAnswer, IO[bytes]]:
    """As `app.query.answer`."""
    from vault.ops.query.answer import copy_text
    from vault.source.duckdb_engine import DuckDatabase
    from vault.source.postgres.connection.throwaway_directories import throwaway_directory

    refuse_engine()
    tables = {_called(name, item.name): (snapshot, item) for name, snapshot in snapshots for item in snapshot.tables()}
    path = ["public"] if [name for name, _ in snapshots] == [""] else []
    with throwaway_directory() as directory, DuckDatabase() as database:
        loaded: dict[TableName, int] = {}
        for name in sorted(_wanted(database.named(statement), tables, path)):
            snapshot, item = tables[name]
            progress.stage(f"rows of {show_name(name)}", item.sums.bytes)
            place = directory / str(len(loaded))
            _write(snapshot, item, place, progress)
            database.view(name, sorted(place.rglob("*.parquet")))
            loaded[name] = item.sums.rows
        database.confine(directory, path)
        taken = spool(directory)
        try:
            columns = database.run(statement, lambda rows: taken.write(copy_text(rows)))
        except BaseException:
            taken.close()
            raise
        taken.seek(0)
        notes = (f"answered by DuckDB {database.version}: its SQL, its types, its order of texts",)
        return SqlAnswer(columns=columns, loaded=loaded, notes=notes), taken


def _called(snapshot: str, name: TableName) -> TableName:
    if not snapshot:
        return name
    return replace(name, schema=snapshot if name.schema == "public" else f"{snapshot}_{name.schema}")


def _wanted(
    named: set[tuple[str, str]], tables: dict[TableName, tuple[Snapshot, TableItem]], path: Sequence[str]
) -> list[TableName]:
    """Tables that are meant, by names in lower case, which DuckDB does not tell apart; one that is not meant costs time alone."""
    return [
        name
        for name in tables
        if (name.schema.lower(), name.name.lower()) in named
        or (name.schema in path and ("", name.name.lower()) in named)
    ]


def _write(snapshot: Snapshot, item: TableItem, place: Path, progress: Progress) -> None:
    from vault.ops.datasets.parquet import ParquetExport

    with dataset_folder(str(place), mtime_ns=0) as folder:
        ParquetExport(snapshot, folder, progress=progress).run([item])
        folder.finish()
