"""Every side effect of pgvault, as Protocols on one page. Adapters implement them; `app.wiring` alone constructs adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from vault.errors import SourceError
from vault.model import (
    Address,
    BrokenReference,
    CatalogFacts,
    Column,
    Cut,
    Identity,
    LargeObjectItem,
    MergedRows,
    Missing,
    Present,
    Roles,
    SchemaEntry,
    SequenceItem,
    ServerFacts,
    Stamp,
    SuspendedCheck,
    TableItem,
    TableName,
    TargetFacts,
)
from vault.model.meaning import Meanings

# --- storage -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """`name` is relative, `/`-separated. `modified_ms` is the store's clock."""

    name: str
    size: int
    modified_ms: int


class ObjectStore(Protocol):
    """A dumb place for named, immutable files. Spec 70-store. All methods may be called from several threads."""

    @property
    def url(self) -> str: ...  # for messages; never holds a secret

    @property
    def network(self) -> str:
        """Kind of a network file system, which keeps listings for up to a minute; empty where a listing is exact (STORE-2)."""

    def put(self, name: str, data: bytes) -> None:
        """Create `name`; its bytes are durable on return, its name after the next `barrier`.

        Raises  AlreadyExists: the name is taken (nothing was changed); StoreFull; Unavailable; StoreError
        """

    def get(self, name: str) -> bytes:
        """Raises  NotFound; Malformed: the medium cannot read it; Unavailable; StoreError"""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises  NotFound; Malformed: the file is shorter, or the medium cannot read it; Unavailable; StoreError"""

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Files whose name starts with `prefix` (a directory name with its slash), in ascending order of names."""

    def delete(self, *names: str) -> None:
        """Remove `names`, in one request where the store can; one that is not there is no error. A StoreError may follow after some went."""

    def barrier(self) -> None: ...  # returns when every name put so far is durable


class DirectoryTarget(Protocol):
    """A directory that is written into, by relative paths that never lead outside. Used by one thread."""

    def make_directory(self, path: bytes, *, mode: int, mtime_ns: int) -> None:
        """Raises  UnsafeError: not a safe path, or a link or file is in the way; SourceError; PermissionMissing"""

    def write_file(self, path: bytes, blocks: Iterable[bytes], *, mode: int, mtime_ns: int) -> None:
        """The file has its name only with all of `blocks`. Raises  as make_directory"""

    def make_symlink(self, path: bytes, target: bytes, *, mtime_ns: int) -> None:
        """Raises  as make_directory"""

    def finish(self) -> Sequence[Missing]:
        """Called once, at the end: what is otherwise than it was captured. Raises  as make_directory"""


class Clock(Protocol):
    def now_ms(self) -> int: ...
    def uptime_s(self) -> float: ...  # never put back, and goes on while the machine sleeps


class Entropy(Protocol):
    def __call__(self, length: int, /) -> bytes: ...  # `length` bytes from a CSPRNG


class Progress(Protocol):
    """Told what happens; draws nothing itself. Thread-safe."""

    def stage(self, name: str, total_bytes: int | None = None) -> None: ...
    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None: ...
    def event(self, kind: str, text: str) -> None: ...


# --- the database that is read -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table as seen in the snapshot. `blocks`: heap size, read after the export; `bytes_estimate` of its text."""

    name: TableName
    oid: int
    filenode: int
    kind: str
    access_method: str
    columns: tuple[Column, ...]
    key_columns: tuple[str, ...]
    fingerprint: bytes
    load_via_root: TableName | None
    condition: str
    blocks: int
    bytes_estimate: int
    ranges: bool
    """False: no TID range scans (server 13, other access methods, a condition, unplanned): one extent with blocks = 0."""
    generated: tuple[Column, ...] = ()  # stored generated columns, not among `columns`
    unplanned: str = ""
    """Why no query on it may be planned: that would run code of its owner. It is read by plain COPY, whose tag is the count."""
    toast_bytes: int = 0
    """Of its out-of-line values, as stored: compressed up to `rows.reader.UNPACKED_MAX` times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentJob:
    """Read blocks [start, start+blocks) of `table`, or all of it when `blocks` is 0."""

    table: SourceTable
    start: int
    blocks: int


class ExtentRows(Protocol):
    """Rows of one job. Consume `blocks` to the end; only then is `rows` known and checked against the server's count."""

    job: ExtentJob

    def blocks(self) -> Iterator[bytes]:
        """COPY text in pieces of any size. Raises SourceError if the stream broke or the count differs."""

    @property
    def rows(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentState:
    """What the server counts in one extent: visible rows, and how many of them a transaction since the horizon may have written."""

    start: int
    rows: int
    changed: int


class RowReader(Protocol):
    """One connection inside the snapshot; used by one thread."""

    def states(self, ranges: Sequence[ExtentJob], horizon: int) -> Sequence[Sequence[ExtentState]]:
        """For each range, of a table that has TID ranges, its extents by start; none if that table cannot be looked at without waiting.

        ranges   start on an extent's boundary; their last extent may be cut short
        horizon  64-bit xmin of an earlier snapshot of this server, less than 2^31 transactions ago
        """

    def read(self, jobs: Iterator[ExtentJob]) -> Iterator[ExtentRows]:
        """In order of the jobs; may pull a few jobs ahead. Each result is consumed before the next is asked for."""

    def generated(self, job: ExtentJob) -> Iterator[bytes] | None:
        """COPY text of generated columns, in the order of `read` if a heap is read whole; consumed before anything else. None: `unplanned`"""

    def close(self) -> None: ...


class LargeObjectRows(Protocol):
    """`item` has no chunks and size 0 yet."""

    item: LargeObjectItem

    def blocks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDump:
    """Entries in pg_dump's order; `needs[i]` are ascending positions of what entry i depends on."""

    entries: tuple[SchemaEntry, ...]
    needs: tuple[tuple[int, ...], ...]


class Capture(Protocol):
    """One consistent view of a database: locked, exported, and held until `finish` or `abort`."""

    @property
    def server(self) -> ServerFacts: ...
    @property
    def tables(self) -> Sequence[SourceTable]:
        """Every readable selected table, by name."""

    @property
    def missing(self) -> Sequence[Missing]:
        """What is selected but not readable (only with `allow_gaps`), or not exportable; item = its name."""

    def schema(self) -> SchemaDump: ...
    def catalog(self) -> CatalogFacts: ...
    def roles(self) -> Roles: ...
    def sequences(self) -> Iterator[SequenceItem]: ...
    def large_objects(self) -> Iterator[LargeObjectRows]: ...
    def columns(self, table: SourceTable, names: Sequence[str]) -> Iterator[bytes] | None:
        """COPY text of these alone, of every row, by no query that is planned. None: the table is not locked. Raises SourceError"""

    def reader(self) -> RowReader:
        """A new connection in the same snapshot. Thread-safe."""

    def watch(self, tell: Callable[[str], None]) -> None:
        """Return when the capture ends; meanwhile tell of sessions that wait for its locks, and of what will cost the next one.

        Raises  Incoherent: one has waited so long that the capture should give way
        """

    def finish(self) -> Sequence[str]:
        """Check that definitions did not change, flush the WAL past the snapshot, commit, close every connection.

        Returns the objects whose definition changed meanwhile (empty = coherent).
        Raises  Incoherent, Unreachable: the view may not have been one
        """

    def abort(self) -> None:
        """Cancel what runs and close every connection; never raises."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """`abort` unless finished."""


# --- the directory that is read ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One path found by a scan; fields as in model.FileItem. `problem`: not captured, or left out, by the pattern in its `why`.
    `witnessed`: the file system moves the ctime of a settled file at each change of its content (spec 88-files).
    """

    path: bytes
    type: str
    mode: int
    mtime_ns: int
    size: int
    ctime_ns: int
    inode: int
    target: bytes
    witnessed: bool = False
    problem: Missing | None = None
    stamp: Stamp | None = None  # of a bucket's object; without its attributes until it is fetched


class DirectorySource(Protocol):
    def scan(self) -> Iterator[SourceFile]:
        """Every path below the root, ascending bytewise by path; links are not followed."""

    def settle(self, path: bytes) -> SourceFile:
        """Have the next change of the file move its ctime, if the file system can; then its state. Raises as `read`"""

    def read(self, path: bytes) -> Iterator[bytes]:
        """Pieces of at most 1 MiB. Raises SourceError with `why`: vanished, not readable."""

    def status(self, path: bytes) -> SourceFile | None:
        """The path's state now; None if it is gone."""

    def now_ns(self) -> int: ...  # the file system's clock, for comparing with ctime


# --- the database that is written ----------------------------------------------------------------


class TargetSession(Protocol):
    """One connection with fixed settings; used by one thread at a time. What raises SourceError left nothing behind."""

    def run(self, statements: Sequence[str]) -> None:
        """Execute all in one transaction. Raises SourceError; Unreachable: the connection is gone"""

    def create(self, entry: SchemaEntry, *, then: Sequence[str] = ()) -> Sequence[str]:
        """Execute an entry's definition, set its owner, undo what default privileges of the target did, run `then`: one transaction.
        Returns what was done otherwise than recorded, in words. Raises  SourceError: the entry does not exist now; Unreachable"""

    def create_together(self, entries: Sequence[SchemaEntry]) -> bool:
        """As `create` for each in turn, in one transaction. False: it has to be one by one, and nothing was done. Raises Unreachable"""

    def create_weaker(self, entry: SchemaEntry, why: SourceError) -> str | None:
        """After `create` failed with `why` for rows that violate it: create what is possible, in words; None: nothing. Raises as `create`"""

    def together(self) -> AbstractContextManager[None]:
        """Everything inside is one transaction; an exception undoes all of it. Each call is still all or nothing."""

    def replace(self, entry: SchemaEntry, present: SchemaEntry, *, again: Sequence[str] = ()) -> Sequence[str]:
        """Bring what exists as `present` to `entry` in place; where it has to be dropped for that, run `again` afterwards.
        Raises  SourceError: all is as it was; Unreachable"""

    def merge(self, table: TableItem, blocks: Iterator[bytes], *, rows: int, exact: bool) -> MergedRows:
        """Bring `rows` rows into a table that may have some, in one transaction, triggers and foreign keys off where that is allowed.

        Rows of a key that is there stay as they are, and so do others, unless `exact`: then the table ends with these rows alone.
        Raises  SourceError: the table is as it was; Unreachable"""

    def foresee(self, table: TableItem, blocks: Iterator[bytes], *, rows: int, exact: bool) -> MergedRows:
        """What `merge` would do, but that another unique key keeps rows out. Changes nothing. Raises SourceError; Unreachable"""

    def views_over(self, identity: Identity) -> Sequence[Address]:
        """Views, and tables with rules, that use an object of the target. Raises SourceError; Unreachable"""

    def broken_references(self, tables: Sequence[TableName]) -> Sequence[BrokenReference]:
        """Validated foreign keys of or to `tables` that rows violate now. Raises SourceError; Unreachable"""

    def count_rows(self, tables: Sequence[TableName]) -> Mapping[TableName, int]:
        """Rows of tables, partitions included; of those that are there and can be counted. Raises SourceError; Unreachable"""

    def cut_off(self, table: TableItem, columns: Sequence[str], blocks: Iterator[bytes], *, cut: Cut) -> int:
        """How many rows are there by key whose `columns` are set in `blocks` and otherwise in the table, as `cut` says.
        `table` has its key and `columns` alone. Changes nothing. Raises SourceError; Unreachable"""

    def load(self, table: TableItem, blocks: Iterator[bytes]) -> int:
        """COPY rows into a table without triggers; returns how many. Raises SourceError: nothing of these is there; Unreachable"""

    def load_standing(self, table: TableItem, blocks: Iterator[bytes], *, replace: bool) -> MergedRows:
        """The same past triggers and foreign keys, as `merge`; `replace`: delete what is there first. The caller has keys verified"""

    def suspend_check(self, why: SourceError) -> SuspendedCheck | None:
        """Drop the CHECK (of a table or a domain) that made `load` fail; None if `why` names none. Raises SourceError"""

    def look_in_path(self, table: TableItem, why: SourceError) -> bool:
        """After `load` failed with `why` for a name in a function's body: use its owner's path from now on; False: no use. Raises SourceError"""

    def is_empty(self, table: TableItem) -> bool:
        """No row of `table` meets its condition."""

    def generated(self, table: TableName, columns: Sequence[str], *, only: bool) -> Iterator[bytes] | None:
        """COPY text as the target computed it; `only`: without partitions. None: planning would run code of others. Raises SourceError"""

    def set_sequences(self, items: Sequence[SequenceItem], *, forward: bool = False) -> None:
        """All, at least one. `forward`: never back to a value that was handed out since. Raises SourceError: some may be set; Unreachable"""

    def compare_large_object(self, item: LargeObjectItem, blocks: Iterator[bytes]) -> Sequence[str] | None:
        """In what the large object of this oid differs, in words; None: there is none. Raises SourceError; Unreachable"""

    def create_large_object(
        self, item: LargeObjectItem, blocks: Iterator[bytes], *, replace: bool = False
    ) -> Sequence[str]:
        """All of it in one transaction. Returns what of it could not be, in words. Raises SourceError: all is as it was; Unreachable"""

    def reset_privileges(self, kind: str, names: Sequence[str], args: Sequence[str] = ()) -> None:
        """Bring an object that was there, and its columns, to the privileges that an ACL entry is a difference to."""

    def flush(self) -> None:
        """Return when everything that any session committed is durable."""

    def close(self) -> None: ...


class Target(Protocol):
    """A database to restore into, from connecting to `close`."""

    @property
    def facts(self) -> TargetFacts: ...
    def present(self) -> Present:
        """Read the definitions that are there. Raises SourceError; Unreachable"""

    def session(
        self, encoding: str, *, search_paths: Mapping[str, str] | None = None, meanings: Meanings | None = None
    ) -> TargetSession:
        """A new connection; rows that it loads are in `encoding`. Thread-safe. Raises Unreachable

        search_paths  owner -> search_path in the source, for names in function bodies that the empty one does not find
        meanings      what expressions called in the source; None: nothing of a user's
        """

    def watch(self, tell: Callable[[str], None], *, ended: Callable[[float], bool]) -> None:
        """Tell whose locks its sessions wait for, until `ended`, which waits so many seconds, says so. Never raises: what cannot be seen is told too."""

    def cancel(self) -> None:
        """Cancel what runs on every session; other threads may be using them. Never raises."""

    def close(self) -> None:
        """Close every connection. No thread uses one any more. Never raises."""
