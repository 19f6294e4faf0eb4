"""The effective settings as one value, each with its origin. Reads nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from vault.app import project
from vault.app.settings.background import BackgroundSettings
from vault.app.settings.drill import DrillSettings
from vault.app.settings.guard import GuardSettings
from vault.app.settings.schedule import ScheduleSettings
from vault.app.settings.signals import SignalSettings
from vault.app.settings.source import SourceSettings
from vault.errors import Misconfigured

if TYPE_CHECKING:
    from vault.ops.project.components import Selectors
    from vault.ops.retention.policy import Policy

SECRET_VARIABLES: Final = frozenset(
    f"PGVAULT_{kind}{suffix}" for kind in ("PASSWORD", "NEW_PASSWORD") for suffix in ("", "_FILE", "_COMMAND")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOrigin:
    """Where a value was said: `name` is the flag, the variable or the file; `line` of a file, where it is known for certain."""

    kind: Literal["flag", "environment", "file", "project"]
    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Effective values. `environment` is the process's own, and the only copy that is passed on. `timezone`: of the policy.

    origins  by the keys of a configuration file, as `repository.url`; what has none has its default
    """

    repository: str | None = None
    password_file: str | None = None
    password_command: str | None = None
    cache_dir: Path | None = None
    state_dir: Path | None = None
    source: str | None = None
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    retention: Policy | None = None
    timezone: str | None = None
    guard: GuardSettings = field(default_factory=GuardSettings)
    signals: SignalSettings = field(default_factory=SignalSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    drill: DrillSettings = field(default_factory=DrillSettings)
    origins: Mapping[str, ValueOrigin] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def chosen_source(self) -> SourceSettings:
        """The source's section: the one named by --source, else the only one, else nothing configured.

        Raises  Misconfigured: several sections, and none is chosen
        """
        if self.source is not None:
            return self.sources.get(self.source, SourceSettings())
        if len(self.sources) > 1:
            names = sorted(self.sources)
            hint = f"add --source {shlex.quote(names[0])}, or another of them"
            raise Misconfigured("several sources are configured", why=f"they are: {', '.join(names)}", hint=hint)
        return next(iter(self.sources.values()), SourceSettings())

    def selectors(self, source: str) -> Selectors:
        """What the project of the snapshot's `source` calls its things: its own section, else the chosen one, else the defaults."""
        from vault.ops.project.components import SUPABASE

        return self.section_of(source).components or SUPABASE

    def section_of(self, source: str) -> SourceSettings:
        """Of the snapshot's `source`: its own, else the chosen one, else an empty one."""
        name = source if source in self.sources else self.source_name()
        return self.sources.get(name or "", SourceSettings())

    def source_name(self) -> str | None:
        return self.source or (next(iter(self.sources)) if len(self.sources) == 1 else None)

    def project_id(self) -> str | None:
        """Of the Supabase project around the working directory. Raises  Misconfigured: its config.toml cannot be read"""
        return project.project_id(Path.cwd(), self.environment)

    def with_variables(self, variables: Mapping[str, str]) -> Settings:
        """The same with these in the environment."""
        return replace(self, environment={**self.environment, **variables}) if variables else self

    def child_environment(self) -> dict[str, str]:
        """For programs that pgvault starts: everything but our own secrets."""
        return {
            name: value
            for name, value in self.environment.items()
            if name not in SECRET_VARIABLES and not name.startswith("PGVAULT_DIR_")
        }

    def names_database(self) -> bool:
        """Whether libpq's own variables say which database is meant."""
        return any(self.environment.get(name) for name in ("PGDATABASE", "PGSERVICE", "PGHOST", "PGHOSTADDR"))
