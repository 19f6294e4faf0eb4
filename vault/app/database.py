"""Which database is meant: -d, --local, --linked, else the configuration, else libpq's variables, else the project around.

Only text and the project's files are looked at; nothing is connected to.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vault.app.conninfo import as_conninfo, redacted, refuse_unusable
from vault.app.passfile import names_password
from vault.app.project import Project, find_project
from vault.app.settings import Settings, SourceSettings
from vault.app.settings.source import SupabaseDatabase
from vault.errors import Misconfigured, UsageError

PLATFORM_PASSWORD: Final = "SUPABASE_DB_PASSWORD"
_LOCAL_PASSWORD: Final = "postgres"
"""Of every `supabase start` on every machine, unless somebody changed it: no secret."""

_LEADING_ELSEWHERE: Final = ("PGHOSTADDR", "PGSERVICE")
"""Variables that libpq follows although a host and a port are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFlags:
    """As typed. `database`: of -d, which is --db-url too."""

    database: str | None = None
    local: bool = False
    linked: bool = False

    @property
    def kind(self) -> SupabaseDatabase | None:
        return "local" if self.local else "linked" if self.linked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenDatabase:
    """`conninfo` is None for no database, empty where libpq's variables say which.

    variables  for libpq's environment, a password among them; `kind` and `project`: if it is one of a Supabase project
    """

    conninfo: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: SupabaseDatabase | None = None
    project: Project | None = None

    @property
    def advice(self) -> str:
        """What to type if it cannot be reached; empty where nothing special is known."""
        return "" if self.kind is None else _ADVICE[self.kind]


_ADVICE: Final[Mapping[SupabaseDatabase, str]] = {
    "local": "supabase start; or name another database with -d",
    "linked": f"the password: in {PLATFORM_PASSWORD} or PGPASSFILE; without IPv6: `supabase link` again, for its session pooler",
}


def typed_again(settings: Settings, flags: DatabaseFlags, source: str, *, named: str = "") -> str:
    """Words by which `restore --into-source` reaches the database that a backup of the source reads; empty where it needs none.

    named  the database by its name, for where nothing here says which one it is
    """
    if flags.database is not None:
        return f"-d {shlex.quote(redacted(flags.database))}"
    if flags.kind is not None:
        return f"--{flags.kind}"
    section = settings.sources.get(source)
    if section is not None and (section.supabase is not None or section.database is not None):
        return ""
    try:
        chosen = around(settings)
    except UsageError:
        chosen = None
    if chosen is not None and chosen.kind is not None:
        return f"--{chosen.kind}"
    return f"-d {shlex.quote(named)}" if named else "-d DATABASE"


def flagged(
    settings: Settings, flags: DatabaseFlags, *, configured: SourceSettings, command: str
) -> ChosenDatabase | None:
    """Of the flags; None without any. Raises  UsageError: two of them, a password in one, no project, one that cannot be read"""
    refuse_flags(flags, command=command)
    if flags.database is not None:
        return ChosenDatabase(conninfo=as_conninfo(flags.database))
    if flags.kind is not None:
        return of_project(settings, flags.kind, configured=configured)
    return None


def refuse_flags(flags: DatabaseFlags, *, command: str) -> None:
    """Raises  UsageError: two of them, or a password in one"""
    _refuse_two(flags)
    if flags.database is not None:
        refuse_unusable(flags.database, command=command)


def of_project(settings: Settings, kind: SupabaseDatabase, *, configured: SourceSettings) -> ChosenDatabase:
    """As a flag says it. Raises  UsageError: as `flagged`"""
    return _of_project(settings, kind, _project(settings, configured, f"--{kind}"))


def of_configuration(settings: Settings, configured: SourceSettings) -> ChosenDatabase | None:
    """What the source's section names; None if it names none. Raises  UsageError: as `flagged`"""
    if configured.supabase is not None:
        return _of_project(settings, configured.supabase, _project(settings, configured, "the key `supabase`"))
    return None if configured.database is None else ChosenDatabase(conninfo=as_conninfo(configured.database))


def around(settings: Settings) -> ChosenDatabase | None:
    """What nobody named: libpq's variables, else the local database of the project around. Raises  UsageError: as `flagged`"""
    if settings.names_database():
        return ChosenDatabase(conninfo="")
    project = find_project(Path.cwd(), settings.environment)
    return None if project is None else _of_project(settings, "local", project)


def _refuse_two(flags: DatabaseFlags) -> None:
    given = [
        name
        for name, there in (
            ("-d/--db-url", flags.database is not None),
            ("--local", flags.local),
            ("--linked", flags.linked),
        )
        if there
    ]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other", why="each names a database", hint="leave one of them"
        )


def _project(settings: Settings, configured: SourceSettings, wanted_by: str) -> Project:
    """Around the configuration that says `supabase`, else around the working directory."""
    here = configured.folder or Path.cwd()
    project = find_project(here, settings.environment)
    if project is None:
        raise Misconfigured(
            "no Supabase project is here",
            why=f"{wanted_by} wants one: supabase/config.toml in {here} or above it",
            hint="go to the project's directory, or name the database with -d",
        )
    return project


def _of_project(settings: Settings, kind: SupabaseDatabase, project: Project) -> ChosenDatabase:
    for name in _LEADING_ELSEWHERE:
        if settings.environment.get(name):
            raise Misconfigured(
                f"{name} is set, and would lead elsewhere than to the project's database",
                why=f"the {kind} database of {project.root} is meant",
                hint=f"unset {name}, or name the database with -d",
            )
    if kind == "local":
        return ChosenDatabase(
            conninfo=project.local_url, variables=_local_password(settings, project), kind=kind, project=project
        )
    linked = project.linked()
    if linked is None:
        raise Misconfigured(
            "the project is not linked",
            why=f"{project.config.parent / '.temp' / 'project-ref'} is not there",
            hint="supabase link --project-ref REF, or name the database with -d",
        )
    password = settings.environment.get(PLATFORM_PASSWORD)
    variables = {"PGPASSWORD": password} if password else {}
    return ChosenDatabase(conninfo=linked.url, variables=variables, kind=kind, project=project)


def _local_password(settings: Settings, project: Project) -> Mapping[str, str]:
    """Nothing where libpq finds one in its own places."""
    environment = settings.environment
    if environment.get("PGPASSWORD"):
        return {}
    place = environment.get("PGPASSFILE") or os.path.join(os.path.expanduser(environment.get("HOME") or "~"), ".pgpass")
    if names_password(Path(place), (project.LOCAL_HOST, str(project.port), "postgres", "postgres")):
        return {}
    return {"PGPASSWORD": _LOCAL_PASSWORD}
