"""A snapshot's rows as data for other engines: what is asked for, where it goes, and how it gets there whole or not at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vault.app import processes, wiring
from vault.app.directories import dataset_bucket, dataset_folder, sqlite_file
from vault.errors import Misconfigured, NotThere, UsageError
from vault.ops.datasets.rows import WHOLE, Share

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.model import TableItem
    from vault.ops.datasets.exported import ExportedRows
    from vault.ports import Progress
    from vault.repo.snapshot import Snapshot
    from vault.source.files.dataset_target import BucketDataset, FolderDataset

FORMATS: Final = ("parquet", "sqlite", "jsonl", "csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """`tables`: as typed; none means all. `no_formulas`: of csv, as `copytext.render`."""

    form: str
    path: str
    share: Share = field(default=WHOLE)
    tables: tuple[str, ...] = ()
    safe_integers: bool = False
    no_formulas: bool = False


def refuse_request(asked: DatasetRequest) -> None:
    """What can be told before anything is opened. Raises  UsageError; Misconfigured: a library is missing"""
    if asked.path == "-":
        raise UsageError(
            "-o - needs one stream",
            why=f"{asked.form} is files",
            hint="pgvault table SNAP TABLE prints the rows of one table",
        )
    if wiring.is_bucket(asked.path) and asked.form != "parquet":
        raise UsageError(
            f"{asked.form} goes to a directory of this machine",
            hint="--format parquet goes to a bucket; or export to a directory and copy it there",
        )
    if asked.safe_integers and asked.form != "jsonl":
        raise UsageError("--safe-integers is about JSON's numbers", hint="leave it out, or --format jsonl")
    if asked.no_formulas and asked.form != "csv":
        raise UsageError(f"--csv-safe is of csv, and this is {asked.form}", hint="leave it out, or take --format csv")
    if asked.form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise Misconfigured(
            "the library for Parquet is not installed",
            why="it is an extra of pgvault",
            hint="pip install 'pgvault[parquet]', or --format sqlite, jsonl or csv",
        )


def export_dataset(settings: Settings, spec: str, asked: DatasetRequest, progress: Progress) -> ExportedRows:
    """Raises  UsageError, NotThere; UnsafeError: something is there already; IntegrityError; SourceError: it cannot be written"""
    refuse_request(asked)
    opened = wiring.open_repository(settings, copies=True)
    snapshot = opened.indexed(settings.cache_dir, at_opening=True).snapshot(wiring.named(settings, opened, spec))
    if snapshot.manifest.database is None:
        raise NotThere("the snapshot holds no database", hint="choose another with: pgvault snapshots")
    items = chosen_tables(snapshot, asked.tables)
    progress.stage("rows", sum(item.sums.bytes for item in items))
    with processes.reading(opened, snapshot):
        done = _written(settings, snapshot, items, asked=asked, progress=progress)
    state, _ = snapshot.manifest.coverage["data"]
    if state.value not in {"captured", "empty"}:
        done.notes.append(f"rows of some tables are not in the snapshot (data: {state.value}): pgvault show {spec}")
    return done


def chosen_tables(snapshot: Snapshot, names: Sequence[str]) -> list[TableItem]:
    """Each once, in the snapshot's order. Raises  NotThere, UsageError: ambiguous"""
    from vault.ops.view.table import find_table

    named = {find_table(snapshot, name).name for name in names}
    return [item for item in snapshot.tables() if not named or item.name in named]


def _written(
    settings: Settings, snapshot: Snapshot, items: list[TableItem], *, asked: DatasetRequest, progress: Progress
) -> ExportedRows:
    if asked.form == "sqlite":
        from vault.ops.datasets.sqlite import export_sqlite

        with sqlite_file(asked.path) as file:
            done = export_sqlite(snapshot, items, file, progress)
            done.bytes = file.finish()
        return done
    if asked.form == "parquet":
        from vault.ops.datasets.parquet import ParquetExport

        with _parquet_target(settings, snapshot, asked) as target:
            done = ParquetExport(snapshot, target, share=asked.share, progress=progress).run(items)
            target.finish()
        return done
    from vault.ops.datasets.texts import TextForm, export_texts

    form = TextForm(
        name="csv" if asked.form == "csv" else "jsonl",
        safe_integers=asked.safe_integers,
        no_formulas=asked.no_formulas,
    )
    with dataset_folder(asked.path, mtime_ns=_taken_ns(snapshot)) as folder:
        done = export_texts(snapshot, items, folder, form=form, progress=progress)
        folder.finish()
    return done


def _parquet_target(
    settings: Settings, snapshot: Snapshot, asked: DatasetRequest
) -> AbstractContextManager[FolderDataset | BucketDataset]:
    from vault.ops.datasets.parquet import DATASET, done_path

    marks = (DATASET, done_path(snapshot, asked.share))
    if wiring.is_bucket(asked.path):
        access, repository = wiring.bucket_access(settings, {}), wiring.repository_at(settings)
        return dataset_bucket(asked.path, access, marks=marks, repository=repository)
    return dataset_folder(asked.path, mtime_ns=_taken_ns(snapshot), marks=marks)


def _taken_ns(snapshot: Snapshot) -> int:
    return snapshot.manifest.created_ms * 1_000_000
