"""What the user has configured: flags > environment > the project's pgvault.toml > the user's.

The only reader of pgvault's environment and configuration files. Unknown keys are refused, never ignored.
A configuration holds no secret; passphrases come through `vault.app.secret`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vault.app.conninfo import refuse_password
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.model import TableName
    from vault.ops.project.components import Selectors
    from vault.ops.retention.policy import Policy

CONFIG_NAME: Final = "pgvault.toml"
_SUPABASE_CONFIG: Final = Path("supabase", "config.toml")
_FROM_ENVIRONMENT: Final = re.compile(r"env\((\w+)\)")
SECRET_VARIABLES: Final = frozenset(
    f"PGVAULT_{kind}{suffix}" for kind in ("PASSWORD", "NEW_PASSWORD") for suffix in ("", "_FILE", "_COMMAND")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`[source.NAME]`. Relative directories are relative to the configuration file."""

    database: str | None = None
    directories: Mapping[str, str] = field(default_factory=dict)
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    accepted_gaps: tuple[str, ...] = ()
    components: Selectors | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Effective values. `environment` is the process's own, and the only copy that is passed on. `timezone`: of the policy."""

    repository: str | None = None
    password_file: str | None = None
    password_command: str | None = None
    cache_dir: Path | None = None
    state_dir: Path | None = None
    source: str | None = None
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    retention: Policy | None = None
    timezone: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def chosen_source(self) -> SourceSettings:
        """The source's section: the one named by --source, else the only one, else nothing configured.

        Raises  UsageError: several sections, and none is chosen
        """
        if self.source is not None:
            return self.sources.get(self.source, SourceSettings())
        if len(self.sources) > 1:
            names = ", ".join(sorted(self.sources))
            raise UsageError("several sources are configured", why=f"they are: {names}", hint="add --source NAME")
        return next(iter(self.sources.values()), SourceSettings())

    def selectors(self, source: str) -> Selectors:
        """What the project of the snapshot's `source` calls its things: its own section, else the chosen one, else the defaults."""
        from vault.ops.project.components import SUPABASE

        name = source if source in self.sources else self.source_name()
        section = self.sources.get(name or "", SourceSettings())
        return section.components or SUPABASE

    def source_name(self) -> str | None:
        return self.source or (next(iter(self.sources)) if len(self.sources) == 1 else None)

    def project_id(self) -> str | None:
        """Of the Supabase project around the working directory. Raises  UsageError: its config.toml cannot be read"""
        here = Path.cwd()
        config = next((path for folder in (here, *here.parents) if (path := folder / _SUPABASE_CONFIG).is_file()), None)
        named = None if config is None else parsed(config).get("project_id")
        if not isinstance(named, str) or not named:
            return None
        match = _FROM_ENVIRONMENT.fullmatch(named)
        return named if match is None else self.environment.get(match[1]) or None

    def child_environment(self) -> dict[str, str]:
        """For programs that pgvault starts: everything but our own secrets."""
        return {name: value for name, value in self.environment.items() if name not in SECRET_VARIABLES}

    def names_database(self) -> bool:
        """Whether libpq's own variables say which database is meant."""
        return any(self.environment.get(name) for name in ("PGDATABASE", "PGSERVICE", "PGHOST", "PGHOSTADDR"))


def load_settings(*, repository: str | None, source: str | None) -> Settings:
    """Read files and environment; flags that are None are not set.

    Raises  UsageError: a file cannot be read, or has an unknown key or a wrong type
    """
    environment = dict(os.environ)
    settings = Settings(environment=environment)
    for path in _config_files(environment):
        settings = _with_file(settings, path)
    return replace(
        settings,
        repository=repository or environment.get("PGVAULT_REPOSITORY") or settings.repository,
        cache_dir=_cache_dir(environment, settings.cache_dir),
        state_dir=_own_dir(environment, "PGVAULT_STATE_DIR", xdg="XDG_STATE_HOME", below=".local/state"),
        source=source or settings.source,
    )


def _cache_dir(environment: Mapping[str, str], configured: Path | None) -> Path | None:
    if configured is not None and not environment.get("PGVAULT_CACHE_DIR"):
        return configured
    return _own_dir(environment, "PGVAULT_CACHE_DIR", xdg="XDG_CACHE_HOME", below=".cache")


def _own_dir(environment: Mapping[str, str], variable: str, *, xdg: str, below: str) -> Path | None:
    """What the variable names, else pgvault's place in the directory that XDG or HOME names."""
    if chosen := environment.get(variable):
        return _home(chosen)
    base = environment.get(xdg) or (f"{home}/{below}" if (home := environment.get("HOME")) else None)
    return Path(base) / "pgvault" if base else None


# --- files ---------------------------------------------------------------------------------------


def _config_files(environment: Mapping[str, str]) -> list[Path]:
    """Least important first. PGVAULT_CONFIG replaces both."""
    if explicit := environment.get("PGVAULT_CONFIG"):
        if not _home(explicit).is_file():
            raise UsageError(f"no configuration file {explicit}", why="PGVAULT_CONFIG names it")
        return [_home(explicit)]
    base = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if (home := environment.get("HOME")) else None)
    paths = [Path(base) / "pgvault" / CONFIG_NAME] if base else []
    here = Path.cwd()
    paths += [folder / CONFIG_NAME for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file()][:1]
    return [path for path in paths if path.is_file()]


def config_to_write(environment: Mapping[str, str]) -> Path:
    """Where this project's configuration is, or is to be: PGVAULT_CONFIG's, the nearest above, else beside `supabase/`, else here."""
    if explicit := environment.get("PGVAULT_CONFIG"):
        return _home(explicit)
    here = Path.cwd()
    folders = (here, *here.parents)
    existing = (folder / CONFIG_NAME for folder in folders if (folder / CONFIG_NAME).is_file())
    beside = (folder / CONFIG_NAME for folder in folders if (folder / _SUPABASE_CONFIG).is_file())
    return next(existing, None) or next(beside, None) or here / CONFIG_NAME


def parsed(path: Path) -> dict[str, Any]:
    """A file of TOML. Raises  UsageError: it cannot be read, or is none"""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror or "") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no TOML", why=str(error)) from error


def _with_file(settings: Settings, path: Path) -> Settings:
    reader = _Table(path, "", parsed(path))
    reader.only("version", "repository", "source", "cache_dir", "retention")
    if reader.integer("version", 1) != 1:
        raise UsageError(f"{path}: version is not 1", why="this program knows version 1 only")
    repository = reader.table("repository")
    repository.only("url", "password_file", "password_command")
    cache_dir = reader.text("cache_dir")
    sources = reader.table("source")
    retention = reader.table("retention")
    return replace(
        settings,
        repository=_location(path, repository.text("url")) or settings.repository,
        password_file=_beside(path, repository.text("password_file")) or settings.password_file,
        password_command=repository.text("password_command") or settings.password_command,
        cache_dir=path.parent / _home(cache_dir) if cache_dir else settings.cache_dir,
        sources={**settings.sources, **{name: _source(path, sources.table(name)) for name in sources.values}},
        retention=_policy(retention) if "retention" in reader.values else settings.retention,
        timezone=retention.text("timezone") or settings.timezone,
    )


def _policy(section: _Table) -> Policy:
    from vault.ops.retention.words import COUNTS, RULES, read_policy

    section.only("timezone", *RULES)
    for key in section.values:
        if key == "keep_tag":
            section.texts(key)
        elif key not in COUNTS:
            section.text(key)
    return read_policy(section.values, lambda key: f"{section.path}: {section.name}.{key}")


def _source(path: Path, section: _Table) -> SourceSettings:
    tables = ("include_schemas", "exclude_schemas", "include_tables", "exclude_tables", "exclude_table_data")
    lists = (*tables, "exclude", "accepted_gaps")
    section.only("database", "directories", "components", *lists)
    database = section.text("database")
    if database is not None:
        refuse_password(database, where=f"{path}: {section.name}.database")
    directories = section.table("directories")
    folders = {name: str(path.parent / _home(directories.text(name) or "")) for name in directories.values}
    return SourceSettings(
        database=database,
        directories=folders,
        components=_selectors(section.table("components")) if "components" in section.values else None,
        **{name: section.texts(name) for name in lists},
    )


def _selectors(section: _Table) -> Selectors:
    from vault.ops.project.components import SUPABASE, Selectors

    section.only(*Selectors.__dataclass_fields__)
    values: dict[str, Any] = {key: _selector(section, key, getattr(SUPABASE, key)) for key in section.values}
    return replace(SUPABASE, **values)


def _selector(section: _Table, key: str, default: object) -> object:
    """A value of the default's type. Table names follow psql's rules."""
    from vault.model import TableName

    if isinstance(default, TableName):
        return _table_name(section, key, section.text(key) or "")
    if isinstance(default, str):
        return _expression(section, key) if key == "encryption_names" else section.text(key)
    texts = section.texts(key)
    if isinstance(default, frozenset):
        return frozenset(texts)
    if isinstance(default, tuple) and isinstance(default[0], TableName):
        return tuple(_table_name(section, key, text) for text in texts)
    return texts


def _table_name(section: _Table, key: str, text: str) -> TableName:
    from vault.model import TableName
    from vault.sql.names import split_name

    try:
        schema, name = split_name(text)
    except (UsageError, ValueError):
        raise section.wrong(key, "SCHEMA.TABLE, with double quotes as in SQL") from None
    return TableName(schema=schema, name=name)


def _expression(section: _Table, key: str) -> str:
    text = section.text(key) or ""
    try:
        re.compile(text)
    except re.error:
        raise section.wrong(key, "a regular expression of Python") from None
    return text


def _beside(path: Path, value: str | None) -> str | None:
    return str(path.parent / _home(value)) if value else None


def _location(path: Path, value: str | None) -> str | None:
    """What is no plain path stays as it is, to be refused where it is used."""
    return value if value is None or ":" in value.partition("/")[0] else _beside(path, value)


def _home(text: str) -> Path:
    """With `~` as the home directory. Raises  UsageError: there is none"""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home directory", hint="name the whole path") from error


@dataclass(frozen=True, slots=True)
class _Table:
    """A TOML table whose keys and types are checked as they are taken."""

    path: Path
    name: str
    values: Mapping[str, Any]

    def only(self, *known: str) -> None:
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise UsageError(
                    f"{self.path}: unknown key {self._full(key)!r}",
                    why=f"known here: {', '.join(known)}",
                    hint=f"did you mean {near[0]!r}?" if near else "remove it",
                )

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "text")
        return value

    def integer(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "an integer")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def table(self, key: str) -> _Table:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return _Table(self.path, self._full(key), value)

    def _full(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def wrong(self, key: str, wanted: str) -> UsageError:
        return UsageError(f"{self.path}: {self._full(key)} must be {wanted}")
