"""Rows that describe files, and the files: which of them has no counterpart. Pure.

A row names a bucket, a name in it, and perhaps a version. Its object is BUCKET/NAME where one directory holds all buckets (through
the platform's own S3 endpoint, or a copy), NAME where it is that bucket alone, and either with /VERSION behind it in the bucket in
which a platform that is hosted by oneself keeps all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from vault.model import Missing, State, TableName
from vault.model.files import path_text
from vault.model.object_keys import key_of, path_of

NAMED_MAX = 100
"""Files that the ledger names; the rest of them is counted."""
EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """Of a row that describes a file; `version` may be empty."""

    bucket: str
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFiles:
    """What was captured under `directory`: `paths` of objects, those `recent` that may be younger than the rows.

    bucket  its name, if the directory is one bucket; `missing`: what of it was not captured, and is told already
    """

    directory: str
    paths: Collection[bytes]
    recent: Collection[bytes] = ()
    bucket: str = ""
    missing: Collection[Missing] = ()


def compare(table: TableName, rows: Iterable[FileRow], stored: StoredFiles) -> Iterator[Missing]:
    """Rows without an object, and objects without a row, bounded in number."""
    compared = _Compared(stored)
    for row in rows:
        compared.add(row)
    if compared.count and not compared.found:
        yield _nothing(table, compared.count, stored.directory)
        return
    yield from compared.lost(table)
    yield from compared.unnamed(table)


@dataclass(slots=True)
class _Compared:
    stored: StoredFiles
    count: int = 0
    found: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)
    _keys: dict[bytes, bool] = field(default_factory=dict)
    _told: frozenset[str] = frozenset()
    _left_out: bool = False

    def __post_init__(self) -> None:
        self._keys = {(key_of(path) if b"%" in path else path): False for path in self.stored.paths}
        self._told = frozenset(one.item for one in self.stored.missing)
        self._left_out = any(one.state is State.NOT_SELECTED for one in self.stored.missing)

    def add(self, row: FileRow) -> None:
        self.count += 1
        candidates = list(_keys_of(row, self.stored.bucket))
        there = [key for key in candidates if key in self._keys]
        for key in there:
            self._keys[key] = True
        if there:
            self.found[row.bucket] += 1
        elif self._told.isdisjoint(path_text(path_of(key)) for key in candidates):
            self.gone[row.bucket] += 1
            named = self.named.setdefault(row.bucket, [])
            if len(named) < NAMED_MAX:
                named.append(row.name)

    def lost(self, table: TableName) -> Iterator[Missing]:
        """A bucket of which nothing is there is one line."""
        directory, room, more = self.stored.directory, NAMED_MAX, 0
        for bucket, count in sorted(self.gone.items()):
            if not self.found[bucket]:
                why = f"{_rows(count)} of {table} describe files there, and directory {directory} has none of them"
                yield self._gap(f"files of bucket {bucket}", why, _all_buckets(directory))
                continue
            for name in self.named[bucket][:room]:
                why = f"a row of {table} names it, and directory {directory} has no such object"
                yield self._gap(f"file {bucket}/{name}", why, "put it back, or remove its row")
            more += max(0, count - room)
            room = max(0, room - count)
        if more:
            why = f"rows of {table} whose objects are not there; the ledger names only the first"
            yield self._gap(f"files of {more} more rows", why, "put them back, or remove their rows")

    def unnamed(self, table: TableName) -> Iterator[Missing]:
        """Of what is saved all the same: no gap, but the platform will not show it after a restore either."""
        recent = frozenset(self.stored.recent)
        unnamed = [key for key, is_named in self._keys.items() if not is_named]
        settled = [key for key in unnamed if path_of(key) not in recent] if recent else unnamed
        if settled:
            named = ", ".join(path_text(key) for key in settled[:EXAMPLES])
            objects = "1 object" if len(settled) == 1 else f"{len(settled)} objects"
            yield Missing(
                item=f"rows of {table} for objects without one",
                state=State.NOT_SELECTED,
                why=f"{objects} of directory {self.stored.directory}, such as {named}: saved, but no row leads to them",
                fix="nothing, or remove them where nothing needs them",
            )

    def _gap(self, item: str, why: str, fix: str) -> Missing:
        """Where patterns left files out, nobody can say whether these are among them."""
        if self._left_out:
            return Missing(item=item, state=State.NOT_SELECTED, why=f"{why}; --exclude leaves some out", fix=fix)
        return Missing(item=item, state=State.NOT_EXPORTABLE, why=why, fix=fix)


def _keys_of(row: FileRow, bucket: str) -> Iterator[bytes]:
    names = (row.name, f"{row.name}/{row.version}") if row.version else (row.name,)
    for name in names:
        yield f"{row.bucket}/{name}".encode()
        if row.bucket == bucket:
            yield name.encode()


def _nothing(table: TableName, count: int, directory: str) -> Missing:
    return Missing(
        item=f"files of {table}",
        state=State.NOT_EXPORTABLE,
        why=f"{_rows(count)} describe files, and directory {directory} has none of them",
        fix=_all_buckets(directory),
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _all_buckets(directory: str) -> str:
    return f"name all buckets of the platform's endpoint: --dir '{directory}=s3://*'"
