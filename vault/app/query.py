"""Questions to snapshots: rows by a condition, and SQL in a throwaway server. Nothing is left behind; what a killed process left is swept by the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from vault.app import wiring
from vault.app.drill.place import create_database_like, refuse_account, start_server, without_libpq
from vault.errors import NotThere, SourceError, UsageError
from vault.ops.datasets.rows import ASCII, encoding_of
from vault.ops.query.answer import QueryDatabase
from vault.ops.query.definitions import Defined, define_all
from vault.sql.names import quote

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.model import Column, TableItem, TableName
    from vault.ops.query.rows import RowMatcher, RowQuery
    from vault.ports import Progress
    from vault.repo.snapshot import Snapshot
    from vault.source.postgres.connection.connect import Session
    from vault.source.postgres.connection.throwaway_server import EmbeddedServer
    from vault.source.postgres.target.query_database import QueryOwner

_SUPERUSER: Final = "pgvault_query"
_DATABASE: Final = "snapshot"
_EXTENSIONS: Final = "pgvault_extensions"
_DOING: Final = "preparing the throwaway database"
_NAMED: Final = re.compile(r"([a-z_][a-z0-9_]*)=(.+)")
_UNUSABLE: Final = frozenset({"information_schema", "public", _EXTENSIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlace:
    """A throwaway server with an empty database, and how it differs from where the snapshots come from."""

    settings: Settings
    server: EmbeddedServer
    encoding: str
    notes: tuple[str, ...]
    directory: Path


@contextmanager
def query_place(
    settings: Settings, snapshots: Sequence[Snapshot], notify: Callable[[str], None]
) -> Iterator[QueryPlace]:
    """Raises  SourceError: no server is new enough, or it cannot be set up; UnsafeError: it would run as the wrong user"""
    from vault.source.postgres.connection.throwaway_directories import throwaway_directory

    refuse_account()
    facts = [(one.manifest.database.server, one.catalog()) for one in snapshots if one.manifest.database is not None]
    apart = without_libpq(settings)
    encoding = ASCII if any(encoding_of(one) == ASCII for one in snapshots) else "UTF8"
    with throwaway_directory() as directory, ExitStack() as stack:
        try:
            server, stubs = start_server(apart, directory, facts, superuser=_SUPERUSER, stack=stack, notify=notify)
            create_database_like(apart, server, _DATABASE, facts[0][1], encoding=encoding)
        except OSError as error:
            raise SourceError(
                "the throwaway server could not be set up",
                why=str(error),
                hint="set TMPDIR to a directory with more room",
            ) from error
        notes = _notes(apart, server, facts[0][1].database, stubs)
        yield QueryPlace(settings=apart, server=server, encoding=encoding, notes=notes, directory=directory)


def _notes(
    settings: Settings, server: EmbeddedServer, was: Mapping[str, str | None], stubs: frozenset[str]
) -> tuple[str, ...]:
    """What may be answered otherwise than the source would have."""
    with wiring.session(settings, server.dsn(_DATABASE)) as session:
        row = session.row(
            "SELECT pg_catalog.current_setting('server_version'), datcollate::text, pg_catalog.to_jsonb(d)->>'datlocprovider'"
            " FROM pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()",
            doing=_DOING,
        )
    version, collate, provider = row
    notes = [f"answered by PostgreSQL {version.partition(' ')[0]}"]
    locale = was.get("datlocale") or was.get("daticulocale") or was.get("datcollate")
    if (collate, provider or "c") != (was.get("datcollate"), was.get("datlocprovider") or "c"):
        notes.append(f"its collation is {collate}, the source's was {locale}: order, upper and lower case may differ")
    if stubs:
        notes.append(f"functions of {', '.join(sorted(stubs))} are not on this machine")
    return tuple(notes)


@contextmanager
def _owner(place: QueryPlace) -> Iterator[tuple[QueryOwner, Session]]:
    """The role that owns the database, made; with a superuser's session."""
    from vault.source.postgres.target.query_database import OWNER, QueryOwner, make_owner

    dsn = place.server.dsn(_DATABASE)
    with wiring.session(place.settings, dsn) as superuser:
        make_owner(superuser, _DATABASE)
        with wiring.session(place.settings, dsn.replace(f"user={_SUPERUSER}", f"user={OWNER}")) as owner:
            yield QueryOwner(superuser, owner, encoding=place.encoding), superuser


@contextmanager
def _reader(place: QueryPlace) -> Iterator[Session]:
    """Of a login that may read everything and write nothing."""
    readers = wiring.temporary_readers(place.settings, place.server.dsn(_DATABASE), False)
    with readers.open() as reader:
        yield reader.session


# --- rows by a condition -------------------------------------------------------------------------


@contextmanager
def row_matcher(
    settings: Settings, snapshot: Snapshot, query: RowQuery, *, condition: str, notify: Callable[[str], None]
) -> Iterator[RowMatcher]:
    """What knows which rows meet `condition`, checked. Raises  UsageError: it is none; SourceError: there is no server to ask"""
    simple = query.without_server(condition)
    if simple is not None:
        yield simple
        return
    item = replace(query.item, columns=query.columns)
    with query_place(settings, [snapshot], notify) as place, ExitStack() as stack:
        matcher = _matcher(place, item, condition, stack)
        try:
            matcher.check()
        except (UsageError, SourceError):
            stack.close()  # what it names may be the snapshot's own
            notify("definitions")
            owner, _ = stack.enter_context(_owner(place))
            define_all(snapshot, owner)
            matcher = _matcher(place, item, condition, stack)
            matcher.check()
        yield matcher


def _matcher(place: QueryPlace, item: TableItem, condition: str, stack: ExitStack) -> RowMatcher:
    from vault.source.postgres.target.row_filter import RowFilter

    session = stack.enter_context(_reader(place))
    path = dict.fromkeys((item.name.schema, "public", "extensions"))
    return RowFilter(session, item, condition, encoding=place.encoding, path=path)


# --- SQL -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuestion:
    """The arguments, as typed: snapshots, each with the name of its schema or none, and the statement."""

    snapshots: tuple[tuple[str, str], ...]
    statement: str

    @classmethod
    def read(cls, words: Sequence[str]) -> SqlQuestion:
        """Raises  UsageError"""
        *named, statement = words
        if not named:
            raise UsageError(
                "no statement", why="the last argument is the statement", hint='pgvault sql latest "SELECT ..."'
            )
        if len(named) == 1 and not _NAMED.fullmatch(named[0]):
            return cls(snapshots=(("", named[0]),), statement=statement)
        pairs = []
        for word in named:
            match = _NAMED.fullmatch(word)
            if match is None or match[1].startswith("pg_") or match[1] in _UNUSABLE:
                raise UsageError(
                    f"{word}: not a name and a snapshot",
                    why="of several snapshots each is a schema, whose name is letters, digits and _, and not one of PostgreSQL's",
                    hint='pgvault sql monday=latest~1 today=latest "SELECT ... FROM monday.orders"',
                )
            pairs.append((match[1], match[2]))
        if len({name for name, _ in pairs}) != len(pairs):
            raise UsageError("two snapshots have one name", hint="name each otherwise")
        return cls(snapshots=tuple(pairs), statement=statement)


@dataclass(slots=True, kw_only=True)
class SqlAnswer:
    """`loaded`: tables whose rows it took, with how many. `notes`: what may be otherwise than the source would have answered."""

    columns: Sequence[Column]
    loaded: Mapping[TableName, int]
    notes: tuple[str, ...]


def open_snapshots(settings: Settings, asked: SqlQuestion) -> list[tuple[str, Snapshot]]:
    """Raises  NotThere, UsageError"""
    opened = wiring.open_repository(settings, copies=True)
    indexed = opened.indexed(settings.cache_dir, at_opening=True)
    found = [(name, indexed.snapshot(wiring.named(settings, opened, spec))) for name, spec in asked.snapshots]
    for (_, snapshot), (_, spec) in zip(found, asked.snapshots, strict=True):
        if snapshot.manifest.database is None:
            raise NotThere(f"snapshot {spec} holds no database", hint="choose another with: pgvault snapshots")
    return found


def answer(
    settings: Settings,
    snapshots: Sequence[tuple[str, Snapshot]],
    statement: str,
    *,
    spool: Callable[[Path], IO[bytes]],
    progress: Progress,
) -> tuple[SqlAnswer, IO[bytes]]:
    """COPY text of the answer in what `spool` opens anew in a private directory, at its begin. Raises  UsageError; SourceError; IntegrityError"""
    from vault.source.postgres.target.query_database import QueryReader

    with query_place(settings, [snapshot for _, snapshot in snapshots], progress.stage) as place, ExitStack() as stack:
        owner, superuser = stack.enter_context(_owner(place))
        world = _World(owner, superuser)
        for name, snapshot in snapshots:
            progress.stage(f"definitions of {name}" if name else "definitions")
            world.add(name, snapshot)
        path = world.finish()
        reader = QueryReader(stack.enter_context(_reader(place)), path)
        database = QueryDatabase(tables=world.tables, asked=reader, filled=owner, progress=progress)
        taken: list[IO[bytes]] = []

        def begin() -> Callable[[bytes], object]:
            while taken:
                taken.pop().close()
            taken.append(spool(place.directory))
            return taken[0].write

        try:
            columns = database.answer(statement, begin)
        except BaseException as error:
            for file in taken:
                file.close()
            if isinstance(error, UsageError | SourceError):
                world.explain(error)
            raise
        taken[0].seek(0)
        return SqlAnswer(columns=columns, loaded=database.loaded, notes=place.notes), taken[0]


@dataclass(slots=True)
class _World:
    """Snapshots as schemas of one database. A snapshot's definitions say their schemas' names, so each is made under them and then renamed."""

    owner: QueryOwner
    superuser: Session
    tables: dict[TableName, tuple[Snapshot, TableItem]] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)

    def add(self, name: str, snapshot: Snapshot) -> None:
        """Raises  IntegrityError; SourceError: its schemas cannot be renamed"""
        if name and self.path:
            self._bring_extensions(snapshot)
        defined: Defined = define_all(snapshot, self.owner)
        self.failed.update(defined.failed)
        items = list(snapshot.tables())
        if not name:
            self.path = ["public", "extensions"]
            self.tables = {item.name: (snapshot, item) for item in items}
            return
        called = self._rename(name)
        self.path.append(name)
        for item in items:
            if item.name.schema in called:
                self.tables[replace(item.name, schema=called[item.name.schema])] = (snapshot, item)

    def finish(self) -> list[str]:
        """Schemas in which names are looked for: of several snapshots none, but for what extensions bring."""
        return self.path if "public" in self.path else ["public", _EXTENSIONS]

    def explain(self, error: UsageError | SourceError) -> None:
        """With what could not be made, if the server misses something."""
        if self.failed and "does not exist" in error.why:
            first = next(iter(self.failed))
            more = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            error.why += f"; not made here: {first} ({self.failed[first]}){more}"

    def _rename(self, name: str) -> dict[str, str]:
        """Schema of the snapshot -> what it is called now."""
        self._put_extensions_away()
        schemas = [row[0] for row in self.superuser.rows(_SCHEMAS, doing=_DOING)]
        called = {
            schema: name if schema == "public" else f"{name}_{schema}"
            for schema in schemas
            if schema not in self.renamed and schema != _EXTENSIONS
        }
        self.renamed.update(called.values())
        for schema, new in called.items():
            self.superuser.run(f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(new)}", doing=_DOING)
        self.superuser.run(f"CREATE SCHEMA public AUTHORIZATION {quote('pgvault_owner')}", doing=_DOING)
        return called

    def _put_extensions_away(self) -> None:
        """Out of the snapshot's schemas, where the next one's definitions do not look for them."""
        self.superuser.run(f"CREATE SCHEMA IF NOT EXISTS {quote(_EXTENSIONS)}", doing=_DOING)
        for (extension,) in self.superuser.rows(_MOVABLE, [_EXTENSIONS], doing=_DOING):
            self.superuser.run(f"ALTER EXTENSION {quote(extension)} SET SCHEMA {quote(_EXTENSIONS)}", doing=_DOING)

    def _bring_extensions(self, snapshot: Snapshot) -> None:
        """To where the next snapshot has them."""
        there = {row[0] for row in self.superuser.rows(_MOVABLE, [""], doing=_DOING)}
        for name, _, schema in snapshot.catalog().extensions:
            if name in there:
                new = quote(schema)
                self.superuser.run(
                    f"CREATE SCHEMA IF NOT EXISTS {new} AUTHORIZATION pgvault_owner; ALTER EXTENSION {quote(name)} SET SCHEMA {new}",
                    doing=_DOING,
                )


_SCHEMAS: Final = """
SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' ORDER BY 1
"""
_MOVABLE: Final = """
SELECT extname::text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extrelocatable AND n.nspname <> %s AND e.extname <> 'plpgsql'
"""
