"""A snapshot as the user sees it: a tree of files whose names are fixed, so that scripts can rely on them.

Files of captured directories are what they were; directories above them that have no item are shown all the same;
everything else is rendered while it is read and stored nowhere.
Nothing here writes. Memory: a few chunks, the names of the tables, and the order of the schema.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from vault.errors import NotThere, UsageError
from vault.model import FileItem, FileType, TableName
from vault.model.files import path_text
from vault.model.words import nearest
from vault.ops.project.components import SUPABASE, Selectors, tables_of
from vault.ops.view.archive.custom_format import archive_blocks, archive_bytes
from vault.ops.view.backup_manifest import manifest_md
from vault.ops.view.definitions.paths import FOLDER, FOLDER_BESIDE, DefinitionFiles
from vault.ops.view.definitions.text import definition_sql
from vault.ops.view.folders import folder, with_folders
from vault.ops.view.paths import MANIFEST, RECORDS, read_path, table_files
from vault.ops.view.scripts import users
from vault.ops.view.scripts.complete import complete_sql, schema_sql
from vault.ops.view.scripts.encryption import encryption_sql
from vault.ops.view.scripts.policies import policies_sql
from vault.ops.view.scripts.restore_sh import restore_sh
from vault.ops.view.scripts.roles import roles_sql, settings_sql
from vault.ops.view.scripts.routines import functions_sql
from vault.ops.view.table import table_rows
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line

DUMP: Final = "complete_database_with_data.dump"
SQL: Final = "complete_database_with_data.sql"
SCRIPT: Final = "restore_complete_backup.sh"

_RENDERED_FILE: Final = 0o600
_RENDERED_PROGRAM: Final = 0o700
_RENDERED_DIRECTORY: Final = 0o700
_NAMES_FOR_A_GUESS: Final = 20_000
_KINDS: Final = {FileType.FILE: "file", FileType.DIRECTORY: "directory", FileType.SYMLINK: "symlink"}

_Renderer = Callable[[Snapshot, Selectors], Iterator[bytes]]
_OF_A_DATABASE: Final[dict[str, _Renderer]] = {
    DUMP: lambda snapshot, _: archive_blocks(snapshot),
    SQL: lambda snapshot, _: complete_sql(snapshot),
    SCRIPT: lambda *_: iter((restore_sh(),)),
    "database_settings.sql": settings_sql,
    "encryption_system.sql": encryption_sql,
    "migration_history.sql": users.history_sql,
    "rls_policies_complete.sql": policies_sql,
    "roles.sql": roles_sql,
    "rpc_functions_complete.sql": functions_sql,
    "schema.sql": lambda snapshot, _: schema_sql(snapshot),
    "user_roles_complete.sql": users.user_roles_sql,
    "users_with_encrypted_passwords.sql": users.users_sql,
}
USERS: Final = "users_complete.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEntry:
    """A path of the view. `kind`: file, directory, symlink. `size_bytes` is None for what is rendered on reading.

    `directory` and `item` are set for captured paths only.
    """

    path: str
    kind: str
    size_bytes: int | None
    mtime_ns: int
    mode: int
    directory: str = ""
    item: FileItem | None = None


class View:
    """The tree of one snapshot. Paths are `/`-separated text without a leading slash; `""` is the root."""

    def __init__(self, snapshot: Snapshot, selectors: Selectors = SUPABASE) -> None:
        self._snapshot = snapshot
        self._selectors = selectors
        self._tables: dict[str, TableName] | None = None
        self._definitions: DefinitionFiles | None = None
        self._schema = FOLDER_BESIDE if FOLDER in snapshot.manifest.directories else FOLDER

    @property
    def taken_ms(self) -> int:
        return self._snapshot.manifest.created_ms

    def to_read(self, entries: Iterable[ViewEntry]) -> Iterator[ViewEntry]:
        """The same; what captured files among them hold is read ahead, for whoever opens each when it comes."""
        return self._snapshot.to_read(entries, lambda entry: None if entry.item is None else entry.item.chunks)

    def ls(self, path: str = "", *, recursive: bool = False) -> Iterator[ViewEntry]:
        """What a directory holds, one level or all; a file or link is listed alone.

        Order: by name; in captured directories bytewise by path, but a directory without an item just before what is below it.
        Raises  NotThere
        """
        path = path.strip("/")
        if path:
            node = self.entry(path)
            if node.kind != "directory":
                yield node
                return
        top, _, below = path.partition("/")
        if not path:
            yield from self._root(recursive)
        elif top == RECORDS:
            yield from (self._rendered(f"{RECORDS}/{name}") for name in sorted(self._records()))
        elif top == self._schema:
            yield from map(self._defined, self._files_of_schema().below(below, recursive=recursive))
        else:
            yield from self._captured(top, read_path(below), recursive)

    def entry(self, path: str) -> ViewEntry:
        """The entry at a path other than the root.

        Raises  NotThere
        """
        found = self.find(path)
        if found is None:
            raise self._not_there(path.strip("/"))
        return found

    def find(self, path: str) -> ViewEntry | None:
        """As `entry`, for who asks for many that are not there: nobody looks for what was meant."""
        path = path.strip("/")
        top, _, below = path.partition("/")
        if top in self._snapshot.manifest.directories:
            return self._file_entry(top, read_path(below)) if below else self._directory(top)
        if path in self._folders():
            return self._directory(path)
        if top == self._schema and below and self._has_database():
            files = self._files_of_schema()
            return self._defined(below) if below in files.files or files.is_folder(below) else None
        if path in self._rendered_names() or (top == RECORDS and below in self._records()):
            return self._rendered(path)
        return None

    def likeness(self, entry: ViewEntry) -> Hashable:
        """Equal for files of this repository, whatever the snapshot, that surely hold the same."""
        top, _, below = entry.path.partition("/")
        database = self._snapshot.manifest.database
        if entry.item is not None:
            return entry.item.chunks
        if database is not None and top == RECORDS:
            return self._snapshot.table(self._records()[below]), database.server.encoding
        if database is not None and top == self._schema:
            return tuple(item.entry for item in self._files_of_schema().files[below])
        return self._snapshot.id, entry.path

    def open(self, path: str) -> Iterator[bytes]:
        """The bytes of a file. Nothing is rendered before the first block is asked for.

        Raises  NotThere; UsageError: a directory or a link
        """
        return self.open_entry(self.entry(path))

    def open_entry(self, entry: ViewEntry) -> Iterator[bytes]:
        """`open` for an entry of this view."""
        path = entry.path
        if entry.kind == "directory":
            hint = f"list it with: pgvault ls {shlex.quote(f'{self._snapshot.id.hex()[:12]}:{one_line(path)}')}"
            raise UsageError(f"{one_line(path)} is a directory", hint=hint)
        if entry.item is not None:
            if entry.kind == "symlink":
                raise UsageError(f"{one_line(path)} is a link", why=f"it points to {path_text(entry.item.target)}")
            return self._snapshot.file_blocks(entry.item)
        return self._render(entry.path)

    def size_bytes(self, entry: ViewEntry) -> int:
        """Length of a file of this view. What is rendered is rendered for it, but not the dump."""
        if entry.size_bytes is not None:
            return entry.size_bytes
        if entry.path == DUMP:
            return archive_bytes(self._snapshot)
        return sum(map(len, self.open_entry(entry)))

    # --- rendered ----------------------------------------------------------------------------

    def _render(self, path: str) -> Iterator[bytes]:
        if path == MANIFEST:
            return manifest_md(self._snapshot, self._selectors)
        if path in _OF_A_DATABASE:
            return _OF_A_DATABASE[path](self._snapshot, self._selectors)
        top, _, below = path.partition("/")
        if top == self._schema:
            return definition_sql(self._snapshot, self._files_of_schema().files[below])
        name = self._selectors.users_table if path == USERS else self._records()[path.removeprefix(f"{RECORDS}/")]
        return table_rows(self._snapshot, self._snapshot.table(name), "csv")

    def _rendered_names(self) -> set[str]:
        if not self._has_database():
            return {MANIFEST}
        selectors, tables = self._selectors, set(self._records().values())
        names = {MANIFEST, USERS, *_OF_A_DATABASE}
        if selectors.users_table not in tables:
            names -= {USERS, "users_with_encrypted_passwords.sql"}
        if not any(tables_of("user_roles", tables, selectors)):
            names.remove("user_roles_complete.sql")
        if selectors.history_table not in tables:
            names.remove("migration_history.sql")
        return names

    def _records(self) -> dict[str, TableName]:
        """File name in data_records -> table."""
        if self._tables is None:
            files = table_files(item.name for item in self._snapshot.tables())
            self._tables = {f"{path}.csv": name for path, name in files.items()}
        return self._tables

    def _files_of_schema(self) -> DefinitionFiles:
        if self._definitions is None:
            self._definitions = DefinitionFiles(self._snapshot.order())
        return self._definitions

    def _defined(self, below: str) -> ViewEntry:
        path = f"{self._schema}/{below}"
        return self._directory(path) if self._files_of_schema().is_folder(below) else self._rendered(path)

    def _has_database(self) -> bool:
        return self._snapshot.manifest.database is not None

    def _folders(self) -> tuple[str, ...]:
        """Top folders of what is rendered."""
        return (RECORDS, self._schema) if self._has_database() else ()

    def _root(self, recursive: bool) -> Iterator[ViewEntry]:
        directories = [*self._snapshot.manifest.directories, *self._folders()]
        for name in sorted({*directories, *self._rendered_names()}):
            if name not in directories:
                yield self._rendered(name)
                continue
            yield self._directory(name)
            if recursive:
                yield from self.ls(name, recursive=True)

    def _rendered(self, path: str) -> ViewEntry:
        mode = _RENDERED_PROGRAM if path == SCRIPT else _RENDERED_FILE
        return ViewEntry(path=path, kind="file", size_bytes=None, mtime_ns=self._taken_ns(), mode=mode)

    def _directory(self, name: str) -> ViewEntry:
        captured = name if name in self._snapshot.manifest.directories else ""
        return ViewEntry(
            path=name,
            kind="directory",
            size_bytes=None,
            mtime_ns=self._taken_ns(),
            mode=_RENDERED_DIRECTORY,
            directory=captured,
        )

    def _taken_ns(self) -> int:
        return self.taken_ms * 1_000_000

    # --- captured ----------------------------------------------------------------------------

    def _captured(self, directory: str, below: bytes, recursive: bool) -> Iterator[ViewEntry]:
        prefix = below + b"/" if below else b""
        below_it = with_folders(self._snapshot.files_below(directory, below), mtime_ns=self._taken_ns())
        for item in below_it:
            if item.path.startswith(prefix) and (recursive or b"/" not in item.path[len(prefix) :]):
                yield _file_entry(directory, item)

    def _files(self, directory: str) -> Iterator[FileItem]:
        return with_folders(self._snapshot.files(directory), mtime_ns=self._taken_ns())

    def _file_entry(self, directory: str, path: bytes) -> ViewEntry | None:
        try:
            return _file_entry(directory, self._snapshot.file(directory, path))
        except NotThere:
            if self._snapshot.has_below(directory, path):
                return _file_entry(directory, folder(path, mtime_ns=self._taken_ns()))
            return None

    def _not_there(self, path: str) -> NotThere:
        near = nearest(path, islice(self._names_near(path), _NAMES_FOR_A_GUESS))
        hint = (
            f"did you mean {one_line(near)}?"
            if near
            else f"list what there is with: pgvault ls {self._snapshot.id.hex()[:12]}"
        )
        return NotThere(f"no {one_line(path)} in the snapshot", hint=hint)

    def _names_near(self, path: str) -> Iterable[str]:
        yield from sorted(self._rendered_names())
        yield from (f"{RECORDS}/{name}" for name in self._records())
        top = path.partition("/")[0]
        yield from self._folders()
        if top == self._schema and self._has_database():
            yield from (f"{top}/{name}" for name in self._files_of_schema().below("", recursive=True))
        for name in self._snapshot.manifest.directories:
            yield name
            if name == top:
                yield from (f"{name}/{path_text(item.path)}" for item in self._files(name))


def _file_entry(directory: str, item: FileItem) -> ViewEntry:
    return ViewEntry(
        path=f"{directory}/{path_text(item.path)}",
        kind=_KINDS[item.type],
        size_bytes=item.size if item.type is FileType.FILE else None,
        mtime_ns=item.mtime_ns,
        mode=item.mode,
        directory=directory,
        item=item,
    )
