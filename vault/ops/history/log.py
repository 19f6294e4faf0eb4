"""`log`: which thing the user's words mean, over all snapshots, and what tells its history. Reads nothing of a row before it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vault.errors import NotThere, UsageError
from vault.model import TableName
from vault.model.words import counted, nearest
from vault.ops.diff.scratch import Scratch
from vault.ops.history.definition_events import DefinitionDiffer
from vault.ops.history.events import Differ, Event, Several, history
from vault.ops.history.file_events import FileDiffer
from vault.ops.history.find import FoundThing, find_things, near_name
from vault.ops.history.leaf_history import Wanted
from vault.ops.history.names import FILE_KINDS, ROLE, SETTING, Thing, Words, thing_of
from vault.ops.history.role_events import RoleDiffer
from vault.ops.history.row import rows_then
from vault.ops.history.row_events import row_events
from vault.ops.history.strands import Strand, is_part, of_databases, of_directories
from vault.ops.history.table_events import TableDiffer
from vault.ops.history.value_events import DefinitionTexts, FileTexts, Needle, RowTexts
from vault.ops.view.definitions.paths import FOLDER, DefinitionFiles
from vault.repo.leaves import leaves, roots
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line, show_name

_MANY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A thing and the snapshots that can tell of it, oldest first.

    left_out  how many there are of a part of the database, which may not tell
    is_file   it was named by its file in `schema/`: then its rows are no part of it
    """

    thing: Thing
    strand: Strand
    left_out: int = 0
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a comparison of rows needs: room on this machine's disk, and random bytes drawn for it."""

    scratch: Scratch
    key: bytes


def subject(snapshots: Sequence[Snapshot], text: str, *, kind: str | None = None) -> Subject:
    """Raises  NotThere; UsageError: it could be several things"""
    words = Words(text)
    if words.path.startswith(f"{FOLDER}/"):
        return _by_file(snapshots, words.path.removeprefix(f"{FOLDER}/"))
    findings = find_things(
        snapshots, lambda thing: words.rank(thing) is not None, fits_path=lambda path: path == words.path
    )
    found = [one for one in findings.found if kind in (None, one.thing.kind)]
    if not found:
        raise _nothing(text, kind, findings.found, snapshots)
    ranks = [0 if one.thing.directory else words.rank(one.thing) or 0 for one in found]
    best = [one for one, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        raise _several(text, best)
    return _subject(snapshots, best[0].thing, best[0].source)


def _by_file(snapshots: Sequence[Snapshot], path: str) -> Subject:
    for strand in of_databases(snapshots):
        for snapshot in reversed(strand):
            items = DefinitionFiles(snapshot.order()).files.get(path)
            if items is not None:
                thing = thing_of(items[0].identity.address)
                return replace(_subject(snapshots, thing, snapshot.manifest.source), is_file=True)
    raise NotThere(f"no {FOLDER}/{one_line(path)} in any snapshot", hint=f"pgvault find '{FOLDER}/*'")


def _subject(snapshots: Sequence[Snapshot], thing: Thing, source: str) -> Subject:
    """In snapshots of the whole database, if there are some; else in those of the newest part."""
    if thing.directory:
        return Subject(thing=thing, strand=of_directories(snapshots)[source, thing.directory])
    strand, left_out = _of_database(snapshots, source)
    return Subject(thing=thing, strand=strand, left_out=left_out)


def _of_database(snapshots: Sequence[Snapshot], source: str) -> tuple[Strand, int]:
    strands = [strand for strand in of_databases(snapshots) if strand[0].manifest.source == source]
    whole = next((strand for strand in strands if not is_part(strand[0])), None)
    chosen = whole or max(strands, key=lambda strand: strand[-1].manifest.sequence)
    return chosen, sum(map(len, strands)) - len(chosen)


def events(found: Subject, tools: Tools) -> Iterator[Event]:
    """The history of a thing, newest first. Raises  UsageError: a partition, whose rows may move to another"""
    return history(reversed(found.strand), _differ(found, tools))


def rows(found: Subject, wanted: Wanted) -> Iterator[Event]:
    """The history of rows with these values, newest first. Raises  UsageError: it is no table, or has no such columns"""
    name = _table(found.thing)
    _check_columns(found, name, wanted)
    return row_events(rows_then(reversed(found.strand), name, wanted))


def texts(snapshots: Sequence[Snapshot], text: str, found: Subject | None, tools: Tools) -> Iterator[Event]:
    """When the text came or went, newest first: in one thing, or source by source in all rows and definitions."""
    needle = Needle(text)
    if found is not None:
        yield from history(reversed(found.strand), _text_differ(needle, found, tools))
        return
    for source in sorted({snapshot.manifest.source for snapshot in snapshots if snapshot.manifest.database}):
        strand, _ = _of_database(snapshots, source)
        every = Several(DefinitionTexts(needle), RowTexts(needle, None, scratch=tools.scratch, key=tools.key))
        yield from history(reversed(strand), every)


def _differ(found: Subject, tools: Tools) -> Differ:
    thing = found.thing
    if thing.kind in FILE_KINDS:
        return FileDiffer(thing.directory, thing.names[0])
    if thing.kind in (ROLE, SETTING):
        return RoleDiffer(thing.kind, thing.names[0])
    definitions = DefinitionDiffer(thing)
    if found.is_file or not _has_rows(thing):
        return definitions
    return Several(definitions, TableDiffer(_compared(found), scratch=tools.scratch, key=tools.key))


def _text_differ(needle: Needle, found: Subject, tools: Tools) -> Differ:
    thing = found.thing
    if thing.kind in FILE_KINDS:
        return FileTexts(needle, thing.directory, thing.names[0])
    if thing.kind in (ROLE, SETTING):
        raise UsageError(f"-S: {thing.kind} {thing} has no text", hint="leave -S out: log shows each of its changes")
    definitions = DefinitionTexts(needle, thing.address)
    if found.is_file or not _has_rows(thing):
        return definitions
    return Several(definitions, RowTexts(needle, _compared(found), scratch=tools.scratch, key=tools.key))


def _has_rows(thing: Thing) -> bool:
    return thing.kind in ("table", "materialized view") and len(thing.names) == 2


def _table(thing: Thing) -> TableName:
    if not _has_rows(thing):
        raise UsageError(f"{one_line(str(thing))} is a {thing.kind}, and has no rows", hint="leave COLUMN=VALUE out")
    return TableName(schema=thing.names[0], name=thing.names[1])


def _compared(found: Subject) -> TableName:
    """A table as it is compared. Raises  UsageError: it is a partition"""
    name = _table(found.thing)
    newest = next((one for one in reversed(found.strand) if leaves(one, name)), None)
    above = [] if newest is None else roots(newest, name)
    if above:
        raise UsageError(
            f"{show_name(name)} is a partition",
            why="a partitioned table is compared as one, so that a row that moved is no loss",
            hint=f"pgvault log {show_name(above[-1])}; its definitions alone: name its file in {FOLDER}/",
        )
    return name


def _check_columns(found: Subject, name: TableName, wanted: Wanted) -> None:
    """Against the newest snapshot that has the table; a partitioned one is looked at when it is read."""
    for snapshot in reversed(found.strand):
        item = next((one for one in snapshot.tables_near(name) if one.name == name), None)
        if item is not None:
            there = [column.name for column in (*item.columns, *item.generated)]
            for column in wanted:
                if column not in there:
                    near = nearest(column, there)
                    raise UsageError(
                        f"{one_line(str(found.thing))} has no column {one_line(column)}",
                        why=f"it has: {', '.join(map(one_line, there))}",
                        hint=f"did you mean {one_line(near)}?" if near else "",
                    )
            return


def _nothing(text: str, kind: str | None, others: Sequence[FoundThing], snapshots: Sequence[Snapshot]) -> NotThere:
    said = f"no {kind} {one_line(text)}" if kind else f"nothing is called {one_line(text)}"
    if others:
        kinds = sorted({one.thing.kind for one in others})
        return NotThere(said, why=f"it is a {', a '.join(kinds)}", hint=f"--kind {kinds[0]!r}")
    near = near_name(snapshots, text)
    hint = f"did you mean {one_line(near)}? " if near else ""
    why = f"{counted(len(snapshots), 'snapshot')} looked at"
    return NotThere(said, why=why, hint=f"{hint}pgvault find -i '*{one_line(text)}*'")


def _several(text: str, found: Sequence[FoundThing]) -> UsageError:
    names = [f"{one.thing.kind} {one.thing}" for one in found]
    sources = {one.source for one in found}
    more = ", ..." if len(names) > _MANY else ""
    if len(sources) > 1:
        hint = f"add --source {found[0].source}"
    elif len({one.thing.kind for one in found}) == len(found):
        hint = f"add --kind {found[0].thing.kind!r}"
    else:
        hint = f"pgvault log {str(found[0].thing)!r}"
    return UsageError(
        f"{one_line(text)} could be several things", why=", ".join(map(one_line, names[:_MANY])) + more, hint=hint
    )
