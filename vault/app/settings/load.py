"""Read what the user has configured: flags > environment > the project's pgvault.toml > the user's.

The only reader of pgvault's environment and configuration files. Unknown keys are refused, never ignored.
A configuration holds no secret; passphrases come through `vault.app.secret`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app import project
from vault.app.settings.background import read_background
from vault.app.settings.drill import read_drill
from vault.app.settings.guard import read_guard
from vault.app.settings.schedule import read_schedule
from vault.app.settings.signals import read_signals
from vault.app.settings.source import read_source
from vault.app.settings.values import Settings, ValueOrigin
from vault.app.toml.document import Document, Problem, Table, dotted, home_path, read_document
from vault.errors import Misconfigured

if TYPE_CHECKING:
    from vault.ops.retention.policy import Policy

CONFIG_NAME: Final = "pgvault.toml"
SECTIONS: Final = ("repository", "source", "retention", "guard", "signals", "schedule", "background", "drill")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """`settings` are those of what is right; `problems` in the order of the files."""

    settings: Settings
    problems: tuple[Problem, ...]


def load_settings(*, repository: str | None, source: str | None) -> Settings:
    """Read files and environment; flags that are None are not set.

    Raises  Misconfigured: a file cannot be read, or has an unknown key or a wrong value
    """
    loaded = read_settings(repository=repository, source=source)
    if loaded.problems:
        raise loaded.problems[0].error(others=len(loaded.problems) - 1)
    return loaded.settings


def read_settings(*, repository: str | None, source: str | None) -> ReadSettings:
    """As `load_settings`, with all that is wrong in the files. Raises  Misconfigured: PGVAULT_CONFIG or a directory names nothing"""
    environment = dict(os.environ)
    settings = Settings(environment=environment)
    problems: list[Problem] = []
    for path in _config_files(environment):
        document = read_document(path)
        settings = _with_file(settings, document)
        problems += document.problems
    return ReadSettings(settings=_with_words(settings, repository=repository, source=source), problems=tuple(problems))


def process_environment() -> dict[str, str]:
    """For a program that runs whatever the configuration is."""
    return dict(os.environ)


def settings_without_files(*, repository: str | None, source: str | None) -> Settings:
    """What flags and environment say alone, for what is told where the files cannot be read. Raises  Misconfigured: as `home_path`"""
    return _with_words(Settings(environment=dict(os.environ)), repository=repository, source=source)


def _with_words(settings: Settings, *, repository: str | None, source: str | None) -> Settings:
    """With what flags and environment say."""
    environment, origins = settings.environment, dict(settings.origins)
    if repository:
        origins["repository.url"] = ValueOrigin(kind="flag", name="--repo")
    elif environment.get("PGVAULT_REPOSITORY"):
        origins["repository.url"] = ValueOrigin(kind="environment", name="PGVAULT_REPOSITORY")
    if environment.get("PGVAULT_CACHE_DIR"):
        origins["cache_dir"] = ValueOrigin(kind="environment", name="PGVAULT_CACHE_DIR")
    if environment.get("PGVAULT_STATE_DIR"):
        origins["state_dir"] = ValueOrigin(kind="environment", name="PGVAULT_STATE_DIR")
    if source:
        origins["source"] = ValueOrigin(kind="flag", name="--source")
    return replace(
        settings,
        repository=repository or environment.get("PGVAULT_REPOSITORY") or settings.repository,
        cache_dir=_cache_dir(environment, settings.cache_dir),
        state_dir=_own_dir(environment, "PGVAULT_STATE_DIR", xdg="XDG_STATE_HOME", below=".local/state"),
        source=source or settings.source,
        origins=origins,
    )


def _cache_dir(environment: Mapping[str, str], configured: Path | None) -> Path | None:
    if configured is not None and not environment.get("PGVAULT_CACHE_DIR"):
        return configured
    return _own_dir(environment, "PGVAULT_CACHE_DIR", xdg="XDG_CACHE_HOME", below=".cache")


def _own_dir(environment: Mapping[str, str], variable: str, *, xdg: str, below: str) -> Path | None:
    """What the variable names, else pgvault's place in the directory that XDG or HOME names."""
    if chosen := environment.get(variable):
        return home_path(chosen)
    base = environment.get(xdg) or (f"{home}/{below}" if (home := environment.get("HOME")) else None)
    return Path(base) / "pgvault" if base else None


# --- files ---------------------------------------------------------------------------------------


def _config_files(environment: Mapping[str, str]) -> list[Path]:
    """Least important first. PGVAULT_CONFIG replaces both."""
    if explicit := environment.get("PGVAULT_CONFIG"):
        if not home_path(explicit).is_file():
            raise Misconfigured(f"no configuration file {explicit}", why="PGVAULT_CONFIG names it")
        return [home_path(explicit)]
    base = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if (home := environment.get("HOME")) else None)
    paths = [Path(base) / "pgvault" / CONFIG_NAME] if base else []
    here = Path.cwd()
    paths += [folder / CONFIG_NAME for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file()][:1]
    return [path for path in paths if path.is_file()]


def config_to_write(environment: Mapping[str, str]) -> Path:
    """Where this project's configuration is, or is to be: PGVAULT_CONFIG's, the nearest above, else beside `supabase/`, else here."""
    if explicit := environment.get("PGVAULT_CONFIG"):
        return home_path(explicit)
    here = Path.cwd()
    existing = (folder / CONFIG_NAME for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file())
    return next(existing, None) or (project.root_of(here) or here) / CONFIG_NAME


def _with_file(settings: Settings, document: Document) -> Settings:
    top = document.top()
    top.only("version", "cache_dir", *SECTIONS)
    if top.integer("version", 1) != 1:
        top.refuse("version", "version is not 1", why="this program knows version 1 only", hint="version = 1")
    repository = top.table("repository")
    repository.only("url", "password_file", "password_command")
    cache_dir = top.path("cache_dir")
    retention = top.table("retention")
    return replace(
        settings,
        repository=_location(repository) or settings.repository,
        password_file=repository.path("password_file") or settings.password_file,
        password_command=repository.text("password_command") or settings.password_command,
        cache_dir=Path(cache_dir) if cache_dir else settings.cache_dir,
        sources={**settings.sources, **{name: read_source(section) for name, section in top.table("source").tables()}},
        retention=_policy(retention) if "retention" in top.values else settings.retention,
        timezone=retention.text("timezone") or settings.timezone,
        guard=read_guard(top.table("guard")) if "guard" in top.values else settings.guard,
        signals=read_signals(top.table("signals")) if "signals" in top.values else settings.signals,
        schedule=read_schedule(top.table("schedule")) if "schedule" in top.values else settings.schedule,
        background=read_background(top.table("background")) if "background" in top.values else settings.background,
        drill=read_drill(top.table("drill")) if "drill" in top.values else settings.drill,
        origins=_origins(settings.origins, document),
        files=(*settings.files, document.path),
    )


def _origins(below: Mapping[str, ValueOrigin], document: Document) -> dict[str, ValueOrigin]:
    """A section of a file takes the place of the whole section of a less important one, but for [repository]."""
    values = document.values
    sources = values.get("source")
    replaced = [f"{name}." for name in SECTIONS if name in values and name not in ("repository", "source")]
    replaced += [f"{dotted(('source', name))}." for name in (sources if isinstance(sources, dict) else ())]
    kept = {key: origin for key, origin in below.items() if not key.startswith(tuple(replaced))}
    path = str(document.path)
    own = {dotted(keys): ValueOrigin(kind="file", name=path, line=line) for keys, line in document.leaves()}
    return {**kept, **own}


def _policy(section: Table) -> Policy:
    """Each rule is looked at alone first, so that all that are wrong are told."""
    from vault.ops.retention.policy_words import COUNTS, RULES, read_policy

    section.only("timezone", *RULES)
    section.text("timezone")
    right: dict[str, object] = {}
    for key in RULES:
        value: object = section.values.get(key)
        example = f"{key} = 7" if key in COUNTS else f'{key} = "production"' if key == "preset" else f'{key} = "7d"'
        if key == "keep_tag":
            value = section.texts(key) or None
        elif key not in COUNTS:
            value = section.text(key)
        if section.read(key, value, partial(_rule, key, section), hint=example) is not None:
            right[key] = value
    return read_policy(right, section.full)


def _rule(key: str, section: Table, value: object) -> Policy:
    from vault.ops.retention.policy_words import read_policy

    return read_policy({key: value}, section.full)


def _location(repository: Table) -> str | None:
    """What is no plain path stays as it is, to be refused where it is used."""
    value = repository.text("url")
    return value if value is None or ":" in value.partition("/")[0] else repository.path("url")
