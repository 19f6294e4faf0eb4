"""Compare two snapshots, or one with a live database, as every front end asks for it: which two they are, which tables, and where there is room on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.source_here import directories_of
from vault.errors import NotThere, UsageError
from vault.model.words import nearest
from vault.sql.names import one_line, show_name, split_name

if TYPE_CHECKING:
    from vault.app.database import DatabaseFlags
    from vault.app.settings import Settings
    from vault.model import TableName
    from vault.ops.diff.found import Live
    from vault.ops.diff.scratch import Scratch
    from vault.ops.diff.summary import Comparison
    from vault.ports import Progress
    from vault.repo.lineage import Known
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """`before`, `after`: the user's words; `after` None: the newest snapshot of the source of `before`. `tables`: none is all.

    live         compare with this database instead
    directories  with it: NAME=PATH, as typed
    typed        the command, for what to type next
    """

    before: str
    after: str | None = None
    tables: tuple[str, ...] = ()
    live: DatabaseFlags | None = None
    directories: tuple[str, ...] = ()
    allow_cleartext: bool = False
    typed: str = "pgvault diff A --live"


@contextmanager
def compared(settings: Settings, request: DiffRequest, *, progress: Progress) -> Iterator[Comparison]:
    """Raises  NotThere, UsageError; as `wiring.open_repository`; as `live.captured`; IntegrityError; StoreError"""
    if request.live is not None:
        with _with_live(settings, request, request.live, progress=progress) as comparison_with_live:
            yield comparison_with_live
        return
    opened = wiring.open_repository(settings, copies=True)
    indexed = opened.indexed(settings.cache_dir, at_opening=True)
    before = indexed.snapshot(wiring.named(settings, opened, request.before))
    if request.after is not None:
        after = indexed.snapshot(wiring.named(settings, opened, request.after))
    else:
        after = indexed.known(*_newest(opened, before))
    yield comparison(settings, before, after, tables=request.tables)


@contextmanager
def _with_live(
    settings: Settings, request: DiffRequest, flags: DatabaseFlags, *, progress: Progress
) -> Iterator[Comparison]:
    from vault.app import live
    from vault.ops.diff.found import Live

    chosen = live.chosen_database(settings, flags, command="diff --live")
    opened = wiring.open_repository(settings)
    before_id = wiring.named(settings, opened, request.before)
    manifest = opened.manifest(before_id)
    if manifest.database is None:
        raise UsageError(
            f"snapshot {before_id.hex()[:12]} holds no database", hint="choose another with: pgvault snapshots"
        )
    with live.captured(
        settings,
        opened,
        chosen,
        selection=manifest.selection,
        directories={}
        if request.tables
        else live.directories(settings, chosen, typed=request.directories, held=manifest),
        allow_cleartext=request.allow_cleartext,
        progress=progress,
    ) as (indexed, live_id):
        before, after = indexed.known(before_id, manifest), indexed.snapshot(live_id)
        told = Live(typed=request.typed, places=directories_of(settings, manifest.source))
        yield comparison(settings, before, after, tables=request.tables, live=told)


def comparison(
    settings: Settings, before: Snapshot, after: Snapshot, *, tables: Sequence[str], live: Live | None = None
) -> Comparison:
    """Raises  NotThere: no such table; UsageError: it is no table's name"""
    from vault.ops.diff.rows import KEY_BYTES
    from vault.ops.diff.summary import Comparison

    return Comparison(
        before,
        after,
        tables=chosen_tables(before, after, tables) if tables else None,
        live=live,
        scratch=scratch(settings),
        key=wiring.system_entropy(KEY_BYTES),
    )


def scratch(settings: Settings) -> Scratch:
    """Room for what a comparison cannot keep in memory."""
    from vault.ops.diff.scratch import Scratch

    return Scratch(settings.cache_dir / "scratch" if settings.cache_dir is not None else Path(tempfile.gettempdir()))


def _newest(opened: Open, before: Snapshot) -> Known:
    """Of the source of `before`. Raises  UsageError: that is the newest itself"""
    newest = next(known for known in reversed(opened.snapshots()) if known[1].source == before.manifest.source)
    if newest[0] == before.id:
        raise UsageError(
            f"{before.id.hex()[:12]} is the newest snapshot of {before.manifest.source}: compare it with what?",
            hint="pgvault diff latest~1 latest; or with the database as it is: pgvault diff latest --live",
        )
    return newest


def chosen_tables(before: Snapshot, after: Snapshot, words: Sequence[str]) -> frozenset[TableName]:
    """The tables that the user's words name in any of the two, by psql's rules; without a schema one of `public` first."""
    from vault.ops.diff.tables import table_names

    roots: dict[TableName, TableName] = {}
    for snapshot in (before, after):
        roots |= table_names(snapshot)
    return frozenset(_named(word, roots) for word in words)


def _named(word: str, roots: dict[TableName, TableName]) -> TableName:
    parts = split_name(word)
    if len(parts) > 2:
        raise UsageError(f"not a table name: {one_line(word)}", hint="write SCHEMA.TABLE, with double quotes as in SQL")
    found = [name for name in roots if name.name == parts[-1] and (len(parts) == 1 or name.schema == parts[0])]
    found = [name for name in found if name.schema == "public"] or found
    if len(found) > 1:
        names = ", ".join(show_name(name) for name in sorted(found))
        raise UsageError(f"several tables are named {one_line(word)}", why=names, hint="name the schema too")
    if not found:
        beside = [name for name in roots if len(parts) == 1 or name.schema == parts[0]] or list(roots)
        near = nearest(parts[-1], sorted({name.name for name in beside}))
        exact = [show_name(name) for name in sorted(beside) if name.name == near]
        hint = f"did you mean {exact[0]}?" if exact else "list the tables with: pgvault show SNAP"
        raise NotThere(f"no table {one_line(word)} in the two snapshots", hint=hint)
    root = roots[found[0]]
    if root != found[0]:
        raise UsageError(
            f"{show_name(found[0])} is a partition",
            why="a partitioned table is compared as one, so that a row that moved is no loss",
            hint=f"--table {show_name(root)}",
        )
    return root
