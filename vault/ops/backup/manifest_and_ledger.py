"""The manifest and the ledger of what was captured. Stores the ledger, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vault.format.ledger import encode_ledger
from vault.ids import ObjectId
from vault.model import CatalogFacts, Counts, DatabasePart, Effort, Ledger, ListRef, Manifest, ObjectType
from vault.ops.backup.database import DatabaseCapture
from vault.ops.backup.files import FilesCapture
from vault.ops.backup.request import BackupRequest
from vault.ops.backup.stored_lists import storable
from vault.ops.project.components import Selectors
from vault.ops.project.counts import Captured, count, coverage
from vault.repo.lineage import Known


def describe(
    request: BackupRequest,
    parent: Known | None,
    database: DatabaseCapture | None,
    files: Mapping[str, FilesCapture],
    *,
    put: Callable[[ObjectType, bytes], ObjectId],
) -> tuple[Manifest, Ledger]:
    counts = _counts(database, files, request.selectors)
    captured = Captured(
        counts=counts,
        database=database is not None,
        directories=frozenset(files),
        tables=() if database is None else database.tables,
        entries=0 if database is None else len(database.entries),
        roles=0 if database is None else len(database.roles.roles),
        sequences=0 if database is None else database.part.sequences.sums.items,
        large_objects=0 if database is None else database.part.large_objects.sums.items,
        missing=() if database is None else database.missing,
        missing_files={name: taken.missing for name, taken in files.items()},
        patterns=request.patterns,
        outside=request.outside,
        accepted=request.accepted,
    )
    ledger = coverage(captured, request.selectors)
    with storable("the coverage ledger"):
        encoded = encode_ledger(ledger)
    ledger_id = put(ObjectType.LEDGER, encoded)
    part: DatabasePart | None = None if database is None else database.part
    roots: dict[str, ListRef] = {name: taken.files for name, taken in files.items()}
    manifest = Manifest(
        source=request.source,
        host=request.host,
        created_ms=0,
        sequence=1,
        parent=None if parent is None else parent[0],
        selection=request.selection,
        tags=request.tags,
        program=request.program,
        database=part,
        directories=roots,
        ledger=ledger_id,
        coverage={name: (item.state, item.count) for name, item in ledger.items()},
        counts=counts,
        effort=Effort() if database is None else database.effort,
        suspect="" if database is None else database.suspect,
    )
    return manifest, ledger


def _counts(database: DatabaseCapture | None, files: Mapping[str, FilesCapture], selectors: Selectors) -> Counts:
    paths = {name: taken.paths for name, taken in files.items()}
    entries, tables, catalog = (
        ((), (), CatalogFacts()) if database is None else (database.entries, database.tables, database.catalog)
    )
    return count(entries, tables, catalog=catalog, directories=paths, selectors=selectors)
