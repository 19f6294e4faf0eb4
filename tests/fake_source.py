"""A database and a directory made of plain Python values, for tests of what comes after the sources.

`FakeDatabase` is what a test writes down; `FakeCapture` gives it through `ports.Capture` as a real capture does: extents
in pieces of any size, several readers, abort that ends the readers.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from tests.values import SERVER, schema_entry
from vault.errors import SourceError
from vault.limits import EXTENT_BLOCKS
from vault.model import (
    Address,
    CatalogFacts,
    ChunkList,
    Column,
    Identity,
    LargeObjectItem,
    Missing,
    Role,
    Roles,
    SchemaEntry,
    SequenceItem,
    ServerFacts,
    TableName,
    read_address,
)
from vault.model.database import Edge
from vault.ports import (
    ExtentJob,
    ExtentRows,
    ExtentState,
    LargeObjectRows,
    RowReader,
    SchemaDump,
    SourceFile,
    SourceTable,
)

_PIECE_BYTES = 7_919
_COLUMNS = (Column(name="id", type="bigint", attnum=1), Column(name="body", type="text", attnum=2))


@dataclass(frozen=True, kw_only=True)
class FakeDatabase:
    """`tables`: `SCHEMA.TABLE` -> COPY text of its extents. `changed`: what each attempt's `finish` returns in turn.

    `generated`: of tables with one generated column, `SCHEMA.TABLE` -> its COPY text by extent; empty: nobody may read it.
    `columns`, `keys`: of tables that have others than the usual. `partitions`: child -> table. `oids`: where they matter.
    `earlier`: the database as it was in the previous snapshot, for telling which extents changed.
    """

    tables: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    generated: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    large_objects: Mapping[int, bytes] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
    changed: tuple[tuple[str, ...], ...] = ()
    earlier: FakeDatabase | None = None
    system_id: str = "1"
    encoding: str = "UTF8"
    columns: Mapping[str, Sequence[Column]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    partitions: Mapping[str, str] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    """Beside those of `partitions`."""
    oids: Mapping[str, int] = field(default_factory=dict)
    uncaptured: tuple[str, ...] = ()
    """Tables whose rows nobody may read."""
    estimate: float = 1.0
    """Of a table's text, as a multiple of what it is: on the server's disk it takes more, or less."""

    def name(self, table: str) -> TableName:
        schema, _, name = table.partition(".")
        return TableName(schema=schema, name=name)


class FakeCapture:
    """Implements ports.Capture. `on_block` is called before each piece of rows, and may raise."""

    def __init__(
        self, database: FakeDatabase, *, attempt: int = 0, on_block: Callable[[], None] = lambda: None
    ) -> None:
        self.database = database
        self.attempt = attempt
        self.on_block = on_block
        self.finished = False
        self.aborted = threading.Event()
        self.asked: list[int] = []
        self.ended = threading.Event()

    @property
    def server(self) -> ServerFacts:
        return replace(_SERVER, system_id=self.database.system_id, encoding=self.database.encoding)

    @property
    def tables(self) -> Sequence[SourceTable]:
        return [self._table(name, extents) for name, extents in sorted(self.database.tables.items())]

    @property
    def missing(self) -> Sequence[Missing]:
        return self.database.missing

    def _table(self, name: str, extents: Sequence[bytes]) -> SourceTable:
        oid = self.database.oids.get(name, 16_384 + zlib.crc32(name.encode()))
        return SourceTable(
            name=self.database.name(name),
            oid=oid,
            filenode=oid,
            kind="r",
            access_method="heap",
            columns=tuple(self.database.columns.get(name, _COLUMNS)),
            key_columns=tuple(self.database.keys.get(name, ("id",))),
            fingerprint=b"fingerprint",
            load_via_root=None,
            condition="",
            blocks=len(extents) * EXTENT_BLOCKS,
            bytes_estimate=int(sum(map(len, extents)) * self.database.estimate),
            ranges=True,
            generated=(Column(name="made", type="text", attnum=3),) if name in self.database.generated else (),
        )

    def schema(self) -> SchemaDump:
        entries = tuple(_entry(self.database.name(name)) for name in sorted(self.database.tables))
        return SchemaDump(entries=entries, needs=tuple(() for _ in entries))

    def catalog(self) -> CatalogFacts:
        partitions = self.database.partitions
        names = sorted({*self.database.tables, *self.database.uncaptured, *partitions, *partitions.values()})
        return CatalogFacts(
            database={"encoding": self.database.encoding},
            acls=tuple((_address(name), "postgres", None) for name in names),
            edges=tuple(
                sorted(
                    [
                        *((_address(child), _address(parent), "a") for child, parent in partitions.items()),
                        *self.database.edges,
                    ]
                )
            ),
        )

    def roles(self) -> Roles:
        return Roles(roles=(_ROLE,))

    def sequences(self) -> Iterator[SequenceItem]:
        for name, value in self.database.sequences.items():
            yield SequenceItem(name=self.database.name(name), last_value=value, is_called=True)

    def columns(self, table: SourceTable, names: Sequence[str]) -> Iterator[bytes] | None:
        return None

    def large_objects(self) -> Iterator[LargeObjectRows]:
        for oid, content in sorted(self.database.large_objects.items()):
            yield _FakeLargeObject(oid, content)

    def reader(self) -> RowReader:
        return _FakeReader(self)

    def watch(self, tell: Callable[[str], None]) -> None:
        self.ended.wait()

    def finish(self) -> Sequence[str]:
        self.ended.set()
        if self.aborted.is_set():
            raise SourceError("finish of a capture that was aborted")
        self.finished = True
        changed = self.database.changed
        return changed[self.attempt] if self.attempt < len(changed) else ()

    def abort(self) -> None:
        self.aborted.set()
        self.ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.finished:
            self.abort()


class FakeOpener:
    """What a backup calls for each attempt; `captures` are those it made."""

    def __init__(self, database: FakeDatabase, *, on_block: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._on_block = on_block
        self.captures: list[FakeCapture] = []

    def __call__(self) -> FakeCapture:
        self.captures.append(FakeCapture(self._database, attempt=len(self.captures), on_block=self._on_block))
        return self.captures[-1]


def _pieces(text: bytes) -> Iterator[bytes]:
    return (text[start : start + _PIECE_BYTES] for start in range(0, len(text), _PIECE_BYTES))


class _FakeReader:
    def __init__(self, capture: FakeCapture) -> None:
        self._capture = capture

    def read(self, jobs: Iterator[ExtentJob]) -> Iterator[ExtentRows]:
        for job in jobs:
            yield _FakeRows(self._capture, job)

    def generated(self, job: ExtentJob) -> Iterator[bytes] | None:
        texts = self._capture.database.generated[str(job.table.name)]
        return _pieces(texts[job.start // EXTENT_BLOCKS]) if texts else None

    def states(self, ranges: Sequence[ExtentJob], horizon: int) -> Sequence[Sequence[ExtentState]]:
        """Extents whose text is that of `earlier` are unchanged; without it nothing is known, and all is read."""
        self._capture.asked.append(sum(-(-one.blocks // EXTENT_BLOCKS) for one in ranges))
        return [self._states(one) for one in ranges]

    def _states(self, one: ExtentJob) -> Sequence[ExtentState]:
        database = self._capture.database
        if database.earlier is None:
            return ()
        name = str(one.table.name)
        now, before = database.tables[name], database.earlier.tables.get(name, ())
        return [
            ExtentState(
                start=at * EXTENT_BLOCKS, rows=text.count(b"\n"), changed=int(at >= len(before) or before[at] != text)
            )
            for at, text in enumerate(now)
            if one.start <= at * EXTENT_BLOCKS < one.start + one.blocks
        ]

    def close(self) -> None:
        pass


class _FakeRows:
    def __init__(self, capture: FakeCapture, job: ExtentJob) -> None:
        self._capture = capture
        self.job = job
        name = job.table.name
        self._text = capture.database.tables[str(name)][job.start // EXTENT_BLOCKS]

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self._text), _PIECE_BYTES):
            if self._capture.aborted.is_set():
                raise SourceError("the connection was closed")
            self._capture.on_block()
            yield self._text[start : start + _PIECE_BYTES]

    @property
    def rows(self) -> int:
        return self._text.count(b"\n")


class _FakeLargeObject:
    def __init__(self, oid: int, content: bytes) -> None:
        self.item = LargeObjectItem(oid=oid, owner="postgres", acl=None, comment=None, size=0, chunks=ChunkList())
        self._content = content

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), _PIECE_BYTES):
            yield self._content[start : start + _PIECE_BYTES]


class FakeDirectory:
    """Implements ports.DirectorySource over `files`; `reads` are the paths that were read, in order.

    `on_read` is called with the path before its bytes are given; it may change `files`, or raise.
    """

    def __init__(self, files: Mapping[bytes, bytes], *, on_read: Callable[[bytes], None] = lambda path: None) -> None:
        self.files: dict[bytes, SourceFile] = {}
        self.contents: dict[bytes, bytes] = {}
        self.clock_ns = 1_000_000_000_000
        self.reads: list[bytes] = []
        self.on_read = on_read
        self.witness = True
        for path, content in files.items():
            self.write(path, content)
        self.rest()

    def write(self, path: bytes, content: bytes) -> None:
        """Make or change a file, at the present time of the directory's clock."""
        self.contents[path] = content
        self.files[path] = SourceFile(
            path=path,
            type="f",
            mode=0o644,
            mtime_ns=self.clock_ns,
            size=len(content),
            ctime_ns=self.clock_ns,
            inode=1 + len(self.files) if path not in self.files else self.files[path].inode,
            target=b"",
            witnessed=self.witness,
        )

    def rest(self) -> None:
        """Let a minute pass, so that no file is young any more."""
        self.clock_ns += 60_000_000_000

    def remove(self, path: bytes) -> None:
        del self.contents[path], self.files[path]

    def with_problem(self, path: bytes, problem: Missing) -> None:
        self.files[path] = replace(self.files[path], problem=problem)

    def scan(self) -> Iterator[SourceFile]:
        for path in sorted(self.files):
            yield self.files[path]

    def settle(self, path: bytes) -> SourceFile:
        if path not in self.files:
            raise SourceError("cannot read it", why="it vanished")
        return self.files[path]

    def read(self, path: bytes) -> Iterator[bytes]:
        self.reads.append(path)
        self.on_read(path)
        if path not in self.contents:
            raise SourceError("cannot read it", why="it vanished")
        content = self.contents[path]
        for start in range(0, len(content), _PIECE_BYTES):
            yield content[start : start + _PIECE_BYTES]

    def status(self, path: bytes) -> SourceFile | None:
        return self.files.get(path)

    def now_ns(self) -> int:
        return self.clock_ns


def _address(table: str) -> Address:
    return read_address(f"table {table}")


def _entry(name: TableName) -> SchemaEntry:
    return schema_entry(
        Identity(desc="TABLE", kind="table", names=(name.schema, name.name)),
        f"CREATE TABLE {name.schema}.{name.name} (id bigint, body text);\n",
        owner="postgres",
        drop=f"DROP TABLE {name.schema}.{name.name};\n",
        table_access_method="heap",
    )


_ROLE = Role(
    name="postgres",
    superuser=True,
    inherit=True,
    create_role=True,
    create_db=True,
    can_login=True,
    replication=True,
    bypass_rls=True,
    connection_limit=-1,
    valid_until=None,
    verifier=None,
    comment=None,
)
_SERVER = replace(SERVER, version_num=180_000, version="PostgreSQL 18", database="project")
