"""Every setting that is in effect, with where it was said. Never a secret: of each only where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vault.app import secret
from vault.app.backup_request import BackupOptions, BackupPlan, plan_backup
from vault.app.conninfo import redacted
from vault.app.quantities import age_text
from vault.app.settings import Settings, ValueOrigin
from vault.app.toml.document import dotted
from vault.bucket.place import names_bucket
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.ops.retention.policy import Policy

Value = str | int | bool | tuple[str, ...] | None
SECTIONS: Final = ("guard", "schedule", "background", "signals", "drill")
_MILLISECONDS: Final = "_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSetting:
    """`key` as in a configuration file; `origin` is None for a default. `value` None: there is none."""

    key: str
    value: Value
    origin: ValueOrigin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """`untold`: what is wrong with a source, whose own settings are then as they were written."""

    settings: tuple[EffectiveSetting, ...]
    untold: tuple[UsageError, ...] = ()


def effective(settings: Settings) -> Effective:
    """In the order of a configuration file."""
    shown = [*_repository(settings), *_retention(settings)]
    for name in SECTIONS:
        shown += _section(settings, name)
    untold: list[UsageError] = []
    for one in [replace(settings, source=name) for name in settings.sources] or [settings]:
        try:
            shown += _source(one, plan_backup(one, BackupOptions()))
        except UsageError as error:
            if settings.sources or settings.source is not None or not _is_nothing(error):
                untold.append(error)
    return Effective(settings=tuple(shown), untold=tuple(untold))


def _is_nothing(error: UsageError) -> bool:
    """Whether it says that there is no source at all, which is no mistake of a configuration."""
    return error.message == "nothing to back up"


def _repository(settings: Settings) -> Iterator[EffectiveSetting]:
    origins = settings.origins
    place = None if settings.repository is None else _place(settings.repository)
    yield EffectiveSetting(key="repository.url", value=place, origin=origins.get("repository.url"))
    yield _passphrase(settings)
    for key, path in (("cache_dir", settings.cache_dir), ("state_dir", settings.state_dir)):
        yield EffectiveSetting(key=key, value=None if path is None else str(path), origin=origins.get(key))


def _place(typed: str) -> str:
    """A bucket's is refused with a password or a query in it, and is shown all the same."""
    return redacted(re.split(r"[?#]", typed)[0] if names_bucket(typed) else typed)


def _passphrase(settings: Settings) -> EffectiveSetting:
    """The path of its file is shown; of a command the program alone, because the rest may hold more than it should."""
    found = secret.origin(settings)
    words = found.value.split()
    value = {
        secret.Kind.VALUE: "in the environment",
        secret.Kind.FILE: f"file {found.value}",
        secret.Kind.COMMAND: f"command {words[0] if words else ''}{' ...' if len(words) > 1 else ''}",
        secret.Kind.KIT: f"recovery kit {found.value}",
        secret.Kind.TERMINAL: "asked for on the terminal",
    }[found.kind]
    said = settings.origins.get(found.name)
    if said is None and found.kind is not secret.Kind.TERMINAL:
        said = ValueOrigin(kind="environment", name=found.name)
    return EffectiveSetting(key="passphrase", value=value, origin=said)


def _retention(settings: Settings) -> Iterator[EffectiveSetting]:
    policy, origins = settings.retention, settings.origins
    if policy is None:
        yield EffectiveSetting(key="retention", value=None)
        return
    for key, value in _rules(policy):
        full = f"retention.{key}"
        yield EffectiveSetting(key=full, value=value, origin=origins.get(full, origins.get("retention.preset")))
    zone = settings.timezone or "UTC"
    yield EffectiveSetting(key="retention.timezone", value=zone, origin=origins.get("retention.timezone"))


def _rules(policy: Policy) -> Iterator[tuple[str, Value]]:
    from vault.ops.retention.policy import UNLIMITED
    from vault.ops.retention.policy_words import COUNTS, SPANS

    for key in SPANS:
        if (span := getattr(policy, key.removeprefix("keep_"))) is not None:
            yield key, str(span)
    for key in COUNTS:
        if count := getattr(policy, key.removeprefix("keep_")):
            yield key, "unlimited" if count == UNLIMITED else count
    if policy.tags:
        yield "keep_tag", policy.tags


def _section(settings: Settings, name: str) -> Iterator[EffectiveSetting]:
    """Of a field that its class does not print, a URL that is half a secret, the host alone."""
    section = getattr(settings, name)
    for field in fields(section):
        value: Any = getattr(section, field.name)
        key = f"{name}.{field.name.removesuffix(_MILLISECONDS)}"
        if value is not None and field.name.endswith(_MILLISECONDS):
            value = age_text(value)
        if value is not None and not field.repr:
            value = _without_path(str(value))
        yield EffectiveSetting(key=key, value=value, origin=settings.origins.get(key))


def _without_path(url: str) -> str:
    """The name of the variable that holds it, or its host."""
    if url.startswith("env("):
        return url
    try:
        return f"a URL of {urlsplit(url).hostname or 'no host'}"
    except ValueError:
        return "no URL"


def _source(settings: Settings, plan: BackupPlan) -> Iterator[EffectiveSetting]:
    """What `backup` would take of it."""
    name, origins = settings.source_name(), settings.origins
    prefix = dotted(("source", plan.source))
    project = None if plan.project is None else ValueOrigin(kind="project", name=str(plan.project.config))
    written = dotted(("source", name)) if name is not None and name in settings.sources else ""
    if not written:
        said = origins.get("source") or project
        yield EffectiveSetting(key="source", value=plan.source, origin=said)
    own = origins.get(f"{written}.supabase") or origins.get(f"{written}.database")
    if plan.conninfo is not None:
        shown = redacted(plan.conninfo) or "as libpq's variables say"
        yield EffectiveSetting(key=f"{prefix}.database", value=shown, origin=own or project or _of_libpq(settings))
    for directory, path in sorted(plan.directories.items()):
        origin = origins.get(f"{written}.directories.{directory}") or project
        yield EffectiveSetting(key=f"{prefix}.directories.{directory}", value=path, origin=origin)
    if written:
        for key in origins:
            parts = key.removeprefix(f"{written}.").split(".")
            if key.startswith(f"{written}.") and parts[0] not in ("database", "supabase", "directories"):
                yield EffectiveSetting(key=key, value=_written(settings, name or "", parts), origin=origins[key])


def _of_libpq(settings: Settings) -> ValueOrigin:
    named = [name for name in ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE") if settings.environment.get(name)]
    return ValueOrigin(kind="environment", name=", ".join(named))


def _written(settings: Settings, name: str, parts: list[str]) -> Value:
    """A list of the section, or one of its components."""
    section: Any = settings.sources[name]
    if parts[0] == "bucket_profiles":
        return str(section.bucket_profiles.get(parts[-1], ""))
    value = getattr(section.components if parts[0] == "components" else section, parts[-1], ())
    return tuple(sorted(map(_text, value))) if isinstance(value, (tuple, frozenset)) else _text(value)


def _text(value: object) -> str:
    from vault.model import TableName
    from vault.sql.names import show_name

    return show_name(value) if isinstance(value, TableName) else str(value)
