"""The Supabase project around a directory: where its database, its migrations and its functions are.

Everything that reads `supabase/` goes through here. Reads files alone; runs nothing, connects to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from vault.app.toml.document import Document, Table, read_document, read_json
from vault.errors import Misconfigured

_FOLDER: Final = "supabase"
_CONFIGS: Final = ("config.json", "config.toml")
"""The Supabase CLI takes the first of them that is there."""

_PORT: Final = 54322
_FROM_ENVIRONMENT: Final = re.compile(r"env\((\w+)\)")
_REFERENCE: Final = re.compile(r"[a-z0-9]{16,32}")
_PLATFORM: Final = re.compile(r"[a-z0-9-]+\.pooler\.supabase\.(?:co|com|red|net|green)")
SESSION_PORT: Final = 5432
"""Of Supabase's pooler; 6543 is its transaction mode, which cannot hold one snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """The hosted project of `supabase link`. `pooler`: user and host of its pooler as USER@HOST, None if the CLI knew none."""

    reference: str
    pooler: str | None = None

    @property
    def url(self) -> str:
        """Of its session pooler, else the direct connection."""
        place = self.pooler or f"postgres@db.{self.reference}.supabase.co"
        return f"postgresql://{place}:{SESSION_PORT}/postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`port` and `major` are those of the local database; `directories` those that are there, by their names for `--dir`."""

    root: Path
    config: Path
    id: str | None = None
    port: int = _PORT
    major: int | None = None
    directories: Mapping[str, str]

    FOLDERS: ClassVar[Mapping[str, str]] = {"migrations": "migrations", "edge_functions": "functions"}

    LOCAL_HOST: ClassVar[str] = "127.0.0.1"

    def folder(self, name: str) -> Path:
        """Where a directory of the project is, or would be."""
        return self.config.parent / self.FOLDERS[name]

    @property
    def local_url(self) -> str:
        return f"postgresql://postgres@{self.LOCAL_HOST}:{self.port}/postgres"

    def linked(self) -> Linked | None:
        """As `supabase link` wrote it. Raises  Misconfigured: what it wrote makes no sense, or is of two projects"""
        folder = self.config.parent / ".temp"
        reference = _line(folder / "project-ref")
        if reference is None:
            return None
        if not _REFERENCE.fullmatch(reference):
            raise Misconfigured(
                f"{folder / 'project-ref'} holds no reference of a project",
                why="it is 20 lower-case letters",
                hint="supabase link --project-ref REF",
            )
        return Linked(reference=reference, pooler=_pooler(folder / "pooler-url", reference))


def root_of(here: Path) -> Path | None:
    """The nearest directory from `here` upwards that has a project in it."""
    return next((folder for folder in (here, *here.parents) if _config_of(folder) is not None), None)


def project_id(here: Path, environment: Mapping[str, str]) -> str | None:
    """Raises  Misconfigured: the project's configuration cannot be read"""
    project = find_project(here, environment)
    return None if project is None else project.id


def find_project(here: Path, environment: Mapping[str, str]) -> Project | None:
    """The nearest from `here` upwards. Raises  Misconfigured: its configuration is half-written, or names no possible port"""
    root = root_of(here)
    config = None if root is None else _config_of(root)
    if root is None or config is None:
        return None
    document = read_json(config) if config.suffix == ".json" else read_document(config)
    document.require()
    return _project(root, document, environment)


def _config_of(folder: Path) -> Path | None:
    return next((path for name in _CONFIGS if (path := folder / _FOLDER / name).is_file()), None)


def _project(root: Path, document: Document, environment: Mapping[str, str]) -> Project:
    top = document.top()
    if not document.values:
        top.refuse(None, "it is empty", why="a project's configuration never is", hint="is it still being written?")
    database = top.table("db")
    port = _number(database, "port", environment, low=1, high=65_535)
    major = _number(database, "major_version", environment, low=1, high=999)
    document.require()
    named = top.values.get("project_id")
    folders = {name: document.path.parent / folder for name, folder in Project.FOLDERS.items()}
    return Project(
        root=root,
        config=document.path,
        id=_resolved(named, environment) or None if isinstance(named, str) else None,
        port=port or _PORT,
        major=major,
        directories={name: str(path) for name, path in folders.items() if path.is_dir()},
    )


def _number(table: Table, key: str, environment: Mapping[str, str], *, low: int, high: int) -> int | None:
    """Of the file, or of the variable that its `env(NAME)` names."""
    value = table.values.get(key)
    if isinstance(value, str) and (match := _FROM_ENVIRONMENT.fullmatch(value)):
        said = environment.get(match[1], "")
        if not said.isdecimal() or not low <= int(said) <= high:
            why = "it is no such number" if said else "it is not set (a .env file is not read)"
            table.refuse(
                key, f"{table.full(key)} is env({match[1]})", why=why, hint=f"export {match[1]}=..., or name it with -d"
            )
            return None
        return int(said)
    return table.integer(key, low, low=low, high=high) if key in table.values else None


def _resolved(text: str, environment: Mapping[str, str]) -> str:
    match = _FROM_ENVIRONMENT.fullmatch(text)
    return text if match is None else environment.get(match[1], "")


def _pooler(path: Path, reference: str) -> str | None:
    """USER@HOST of the URL that the CLI wrote, without the password's place holder and without its port.

    Raises  Misconfigured: it leads to another project, or to a host that is not the platform's
    """
    text = _line(path)
    if text is None:
        return None
    hint = "supabase link, once more; or remove the file for the direct connection"
    try:
        parts = urlsplit(text.replace(":[YOUR-PASSWORD]", ""))
        user, host = parts.username or "", parts.hostname or ""
    except ValueError:
        user, host = "", ""
    if not _PLATFORM.fullmatch(host) or user.partition(".")[2] != reference:
        raise Misconfigured(f"{path} is not of project {reference}", why="its user or its host is another's", hint=hint)
    return f"{user}@{host}"


def _line(path: Path) -> str | None:
    """The text of a small file; None if it is not there or empty."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Misconfigured(f"cannot read {path}", why=why, hint="supabase link, once more") from error
