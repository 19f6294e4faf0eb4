"""What differs between two snapshots, drawn as it is found, or as JSON Lines. Values are cut in text, never in JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Final

from vault.cli import about, answers, jsonout, progress
from vault.limits import MIB
from vault.model.words import counted
from vault.ops.diff.found import OWN
from vault.pipeline.copytext import unescape
from vault.sql.names import one_line, show_name

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.model import Column
    from vault.ops.diff.found import FoundChange
    from vault.ops.diff.rows import ChangeCounts, RowChange, TableChanges
    from vault.ops.diff.summary import Comparison
    from vault.ports import Clock
    from vault.repo.snapshot import Snapshot

_NULL: Final = b"\\N"
_LONG_BYTES: Final = 256 * MIB
"""Of rows on both sides: some seconds, if none of them can be told without being read."""
SHOWN_ROWS_MAX: Final = 50
"""Rows of a table, in text; what there is more of is counted. JSON and patches have all."""
_SHOWN_MAX: Final = 60
"""Characters of a value in text."""
_BARE: Final = re.compile(r"-?[0-9][0-9.]*")
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_WORDS: Final = {
    "database": ("property of the database", "properties of the database"),
}
"""Of kinds whose names are no words for one and several of them."""


# --- text ----------------------------------------------------------------------------------------


def draw(out: Renderer, found: Comparison, *, stat: bool, whole: str = "") -> bool:
    """Whether anything differs. `whole`: what to type for what is cut; empty: nothing is."""
    _draw_head(out, found)
    kinds: Counter[str] = Counter()
    shortened = Shortened(SHOWN_ROWS_MAX if whole else None)
    own: list[str] = []
    for one in found.found():
        if one.kind == OWN:
            own += one.details
        else:
            kinds[one.kind] += 1
            if shortened.shows(one):
                _draw_found(out, one, stat=stat)
    for line in shortened.lines():
        out.line(line)
    if own:
        out.talk(
            f"note: these are two databases, each with properties of its own, which count for nothing: {'; '.join(own)}"
        )
    tables = 0
    rows: list[tuple[str, ...]] = []
    with answers.told_between(out) as drawn:
        drawn.stage("comparing rows")
        for changes in found.rows():
            drawn.stage(f"comparing {show_name(changes.name)}")
            counts = changes.counts(drawn.advance)
            if not has_changes(changes, counts):
                continue
            tables += 1
            if stat:
                rows.append(_stat(changes, counts))
                continue
            with progress.away(drawn):
                _draw_table(out, changes, counts, shortened=shortened)
    if rows:
        out.table(("table", "inserted", "deleted", "updated", "matched by"), rows, right="inserted|deleted|updated")
    if shortened.is_cut:
        out.talk(
            f"of a table or directory no more than {SHOWN_ROWS_MAX} are shown; all of them: {whole}; counts alone: --stat"
        )
    _draw_end(out, found, kinds, tables)
    return bool(kinds or tables)


class Shortened:
    """What is left out of what is many: rows of a table, files of a directory, large objects. `shown_max` None: nothing."""

    def __init__(self, shown_max: int | None) -> None:
        self._shown_max = shown_max
        self._many: Counter[str] = Counter()
        self.is_cut = False

    def shows(self, found: FoundChange) -> bool:
        if found.kind not in ("file", "large object"):
            return True
        name = f"the files of {found.place}" if found.place else "the large objects"
        self._many[name] += 1
        return self._shown_max is None or self._many[name] <= self._shown_max

    def lines(self) -> Iterator[str]:
        """Of what `shows` said no to."""
        for name, number in self._many.items():
            if more := self.more(number):
                yield f"and {more:,} more of {name}"

    def more(self, number: int) -> int:
        """How many of so many are not shown."""
        more = 0 if self._shown_max is None else max(0, number - self._shown_max)
        self.is_cut = self.is_cut or more > 0
        return more


def _draw_head(out: Renderer, found: Comparison) -> None:
    for word, snapshot in (("from", found.before), ("to", found.after)):
        manifest = snapshot.manifest
        out.talk(f"{word:<5} {_named(snapshot)} of {manifest.source}, {about.instant(manifest.created_ms)}")
    was, now = found.before.manifest, found.after.manifest
    if was.source == now.source and was.sequence > now.sequence:
        out.talk("note: A is newer than B, so what is told leads back in time")
    if was.source != now.source:
        out.talk(f"note: these are two sources, {was.source} and {now.source}: tables and columns are told by name")
    versions = [part.server.version_num // 10000 for part in (was.database, now.database) if part is not None]
    if len(set(versions)) > 1:
        out.talk(f"note: definitions of PostgreSQL {versions[0]} and {versions[1]} may be printed otherwise")


def _named(snapshot: Snapshot) -> str:
    return snapshot.id.hex()[:12]


def _draw_found(out: Renderer, found: FoundChange, *, stat: bool) -> None:
    sign = _SIGNS[found.change.value]
    name = f"{found.place}/{found.name}" if found.place else found.name
    kind = "" if found.kind == "definition" else f"{found.kind} "
    where = f" in {one_line(found.schema)}" if found.schema not in ("", "public") else ""
    out.line(f"{sign} {kind}{name}{where}")
    if stat:
        return
    for detail in found.details:
        out.line(f"    {detail}")
    for line in found.diff:
        out.verbatim(f"    {line}")


def _counts(out: Renderer, changes: TableChanges) -> ChangeCounts:
    """With its progress, if it may take long."""
    if changes.compared_bytes_max < _LONG_BYTES:
        return changes.counts()
    with progress.shown(out) as drawn:
        drawn.stage(f"comparing {show_name(changes.name)}")
        return changes.counts(drawn.advance)


def has_changes(changes: TableChanges, counts: ChangeCounts) -> bool:
    told = changes.only_before or changes.only_after or changes.retyped
    return bool(
        counts.total or told or changes.before is None or changes.after is None or changes.before != changes.after
    )


def _stat(changes: TableChanges, counts: ChangeCounts) -> tuple[str, ...]:
    return (
        show_name(changes.name),
        f"{counts.inserted:,}",
        f"{counts.deleted:,}",
        f"{counts.updated:,}",
        _matched_by(changes),
    )


def _matched_by(changes: TableChanges) -> str:
    return ", ".join(map(one_line, changes.key)) if changes.key else "whole rows"


def _draw_table(out: Renderer, changes: TableChanges, counts: ChangeCounts, *, shortened: Shortened) -> None:
    sign = "+" if changes.before is None else "-" if changes.after is None else "~"
    out.line(
        f"{sign} table {show_name(changes.name)}: {counts.inserted:,} inserted, {counts.deleted:,} deleted, "
        f"{counts.updated:,} updated, by {_matched_by(changes)}"
    )
    for text in _columns(changes):
        out.line(f"    {text}")
    more = shortened.more(counts.total)
    for row in islice(changes, counts.total - more if more else None):
        out.line(f"    {_row(changes, row)}")
    if more:
        out.line(f"    and {more:,} more")


def _columns(changes: TableChanges) -> Iterator[str]:
    if None not in (changes.before, changes.after) and changes.before != changes.after and changes.before is not None:
        yield f"was called {show_name(changes.before)}"
    for old, new in zip(changes.was, changes.columns, strict=True):
        if old.name != new.name:
            yield f"column {one_line(new.name)} was called {one_line(old.name)}"
    if changes.before is not None and changes.after is not None:
        yield from (f"column {one_line(column.name)} ({column.type}) is gone" for column in changes.only_before)
        yield from (f"column {one_line(column.name)} ({column.type}) is new" for column in changes.only_after)
    yield from (f"column {one_line(new.name)}: {old.type} -> {new.type}" for old, new in changes.retyped)


def _row(changes: TableChanges, row: RowChange) -> str:
    names = [one_line(column.name) for column in changes.columns]
    if row.before is None or row.after is None:
        fields = row.before if row.after is None else row.after
        assert fields is not None, "one of the two is there"
        leaf = row.leaf_before or row.leaf_after
        where = f"  in {show_name(leaf)}" if leaf is not None else ""
        values = " ".join(f"{name}={_shown(field)}" for name, field in zip(names, fields, strict=True))
        return f"{'-' if row.after is None else '+'} {values}{where}"
    key = [f"{name}={_shown(field)}" for name, field in zip(names, row.after, strict=True) if name in changes.key]
    changed = [
        f"{name}: {_shown(old)} -> {_shown(new)}"
        for name, old, new in zip(names, row.before, row.after, strict=True)
        if old != new
    ]
    if changes.has_moved(row):
        leaves = (row.leaf_before or changes.before, row.leaf_after or changes.after)
        changed.append("moved from {} to {}".format(*(show_name(leaf) for leaf in leaves if leaf is not None)))
    return f"~ {' '.join(key)}  {', '.join(changed)}"


def _shown(field: bytes) -> str:
    """A value for a line: NULL, a number as it is, anything else between quotes."""
    if field == _NULL:
        return "NULL"
    text = unescape(field[: 4 * _SHOWN_MAX + 8]).decode(errors="replace")
    if _BARE.fullmatch(text) and len(field) <= _SHOWN_MAX:
        return text
    more = len(field) > 4 * _SHOWN_MAX or len(text) > _SHOWN_MAX
    if not more:
        return f"'{text}'"
    size = len(unescape(field)) if b"\\" in field else len(field)
    return f"'{text[:_SHOWN_MAX]}'... ({size:,} bytes)"


def _draw_end(out: Renderer, found: Comparison, kinds: Counter[str], tables: int) -> None:
    _draw_not_compared(out, found)
    parts = [
        counted(number, *_WORDS.get(kind, (kind,))) for kind, number in sorted(kinds.items()) if kind != "privileges"
    ]
    parts += [f"privileges of {counted(kinds['privileges'], 'object')}"] if kinds["privileges"] else []
    parts += [f"rows or columns of {counted(tables, 'table')}"] if tables else []
    out.talk(f"differs: {', '.join(parts)}" if parts else "nothing differs")


def _draw_not_compared(out: Renderer, found: Comparison) -> None:
    fixes: dict[str, None] = {}
    for one in found.not_compared():
        out.insist(f"not compared: {one.what}: {one.why}")
        fixes |= {one.fix: None} if one.fix else {}
    for fix in fixes:
        out.insist(f"  next: {fix}")


# --- JSON ----------------------------------------------------------------------------------------

_GROUPS: Final = {
    "definition": "entries",
    "privileges": "privileges",
    "extension": "extensions",
    "meaning": "meanings",
    "database": "database",
    OWN: "database_itself",
    "role": "roles",
    "membership": "memberships",
    "setting": "settings",
    "tablespace": "tablespaces",
    "parameter": "parameters",
    "sequence": "sequences",
    "large object": "large_objects",
}


def json_lines(out: Renderer, found: Comparison, *, stat: bool, since: tuple[Clock, int]) -> bool:
    """A line a row, unless `stat`, then the result. `since`: a clock, and what it said in the beginning."""
    groups: dict[str, dict[str, jsonout.Json]] = {name: {} for name in _GROUPS.values()}
    files: dict[str, dict[str, jsonout.Json]] = {}
    for one in found.found():
        group = files.setdefault(one.place, {}) if one.kind == "file" else groups[_GROUPS[one.kind]]
        fields: jsonout.Json = {"change": one.change.value, "details": list(one.details)}
        if one.kind == "definition":
            fields |= {"diff": [] if stat else list(one.diff), "object": str(one.about or "")}
        group[_free_name(one, group)] = fields
    tables: dict[str, jsonout.Json] = {}
    for changes in found.rows():
        counts = _counts(out, changes)
        if has_changes(changes, counts):
            tables[show_name(changes.name)] = _table(changes, counts)
            for row in changes if not stat else ():
                out.json_line(_row_line(changes, row))
    equal = not (files or tables or any(group for name, group in groups.items() if name != _GROUPS[OWN]))
    clock, started_ms = since
    out.json_line(
        jsonout.result(
            before=_side(found.before),
            after=_side(found.after),
            equal=equal,
            files=files,
            tables=tables,
            **groups,
            not_compared=[{"what": one.what, "why": one.why, "fix": one.fix} for one in found.not_compared()],
            duration_s=max(0, clock.now_ms() - started_ms) / 1000,
        )
    )
    return not equal


def _free_name(found: FoundChange, taken: Mapping[str, jsonout.Json]) -> str:
    """Its name; where another of its group has that, as a table of another schema may, with its object, so that none is left out."""
    name = found.name if found.name not in taken or found.about is None else f"{found.name} ({found.about})"
    return next(one for one in chain([name], (f"{name} {number}" for number in count(2))) if one not in taken)


def _side(snapshot: Snapshot) -> jsonout.Json:
    return {
        "snapshot": snapshot.id.hex(),
        "source": snapshot.manifest.source,
        "time": about.instant(snapshot.manifest.created_ms),
    }


def _table(changes: TableChanges, counts: ChangeCounts) -> jsonout.Json:
    renamed = changes.before if changes.before != changes.after and changes.after is not None else None
    change = "added" if changes.before is None else "removed" if changes.after is None else "changed"
    return {
        "inserted": counts.inserted,
        "deleted": counts.deleted,
        "updated": counts.updated,
        "change": change,
        "key": list(changes.key),
        "renamed_from": None if renamed is None else show_name(renamed),
        "columns_added": [column.name for column in changes.only_after] if change == "changed" else [],
        "columns_removed": [column.name for column in changes.only_before] if change == "changed" else [],
        "columns_renamed": {
            new.name: old.name for old, new in zip(changes.was, changes.columns, strict=True) if old.name != new.name
        },
        "columns_retyped": {new.name: [old.type, new.type] for old, new in changes.retyped},
    }


def _row_line(changes: TableChanges, row: RowChange) -> jsonout.Json:
    change = "inserted" if row.before is None else "deleted" if row.after is None else "updated"
    leaves = [None if leaf is None else show_name(leaf) for leaf in (row.leaf_before, row.leaf_after)]
    return {
        "type": "row",
        "table": show_name(changes.name),
        "change": change,
        "before": _values(changes.columns, row.before),
        "after": _values(changes.columns, row.after),
        "partition_before": leaves[0],
        "partition_after": leaves[1],
    }


def _values(columns: Sequence[Column], fields: tuple[bytes, ...] | None) -> dict[str, str | None] | None:
    """As text, as PostgreSQL prints them."""
    if fields is None:
        return None
    return {
        column.name: None if field == _NULL else unescape(field).decode(errors="backslashreplace")
        for column, field in zip(columns, fields, strict=True)
    }


# --- a patch -------------------------------------------------------------------------------------


def patch(out: Renderer, found: Comparison) -> bool:
    """The patch on stdout. Whether it changes anything, or leaves anything that differs."""
    from vault.cli import output

    differs = False

    def count(changes: TableChanges) -> ChangeCounts:
        nonlocal differs
        counts = _counts(out, changes)
        differs = differs or has_changes(changes, counts)
        return counts

    output.write(found.patch(count))
    _draw_not_compared(out, found)
    return differs
