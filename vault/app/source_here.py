"""Which source is meant where the user names none: one home for what backup, forget, status and words like `latest` ask.

Only text and the project's files are looked at; nothing is connected to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app.conninfo import database_name, place_of, project_of, settings_of
from vault.app.database import ChosenDatabase, DatabaseFlags, around, typed_again
from vault.app.project import find_project
from vault.app.settings import Settings, SourceSettings
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.ops.guard.way_back import Way
    from vault.repo.lineage import Known

_PLATFORM_DATABASE: Final = "postgres"


def sources_here(settings: Settings, there: Collection[str]) -> frozenset[str]:
    """--source, else the configuration's, else of those `there` the project's around; none if nothing here says.

    Raises  UsageError: the project's configuration cannot be read
    """
    if settings.source is not None:
        return frozenset({settings.source})
    if settings.sources:
        return frozenset(settings.sources)
    project = settings.project_id()
    return frozenset(name for name in there if project is not None and _is_of(name, project))


def sources_of_words(settings: Settings, there: Collection[str]) -> frozenset[str]:
    """Whose snapshot `latest`, a date or a tag means: that which a backup would take here, which may be none of those `there`.

    The configuration's only source, else this project's; all where several are configured, or nothing here says.
    Raises  UsageError: as `sources_here`
    """
    named = settings.source_name()
    if named is not None:
        return frozenset({named})
    if settings.sources:
        return frozenset(there)
    chosen = around(settings)
    taken = frozenset() if chosen is None else frozenset({default_name(settings, chosen)})
    if taken & frozenset(there):
        return taken
    project = find_project(Path.cwd(), settings.environment)
    if project is None or project.id is None:
        return frozenset(there)
    linked = project.linked()
    mine = frozenset(name for name in there if linked is not None and _is_of(name, linked.reference))
    return sources_here(settings, there) or mine or frozenset({project.id})


def default_name(settings: Settings, chosen: ChosenDatabase) -> str:
    """Of the source of a database: what tells projects apart, for every Supabase database is called postgres.

    The project's reference or id, with the database's name where that is another; else database@host:port.
    """
    conninfo, environment = chosen.conninfo or "", settings.environment
    project = project_of(conninfo, environment)
    if project is None:
        project = settings.project_id() if chosen.project is None else chosen.project.id
    name = _database_name(conninfo, environment)
    if project is not None:
        return project if name in (None, _PLATFORM_DATABASE) else f"{name}@{project}"
    place = place_of(conninfo, environment)
    return place if name is None else f"{name}@{place}"


def _is_of(name: str, project: str) -> bool:
    return name == project or name.endswith(f"@{project}")


def _database_name(conninfo: str, environment: Mapping[str, str]) -> str | None:
    """As libpq finds it; None if only a service file tells."""
    keywords = dict(settings_of(conninfo)) if conninfo else {}
    named = (database_name(conninfo) if conninfo else None) or environment.get("PGDATABASE")
    if named or keywords.get("service") or environment.get("PGSERVICE"):
        return named
    return keywords.get("user") or environment.get("PGUSER") or environment.get("USER")


def ways_of(settings: Settings, known: Collection[Known]) -> dict[str, Way]:
    """Of each source of these snapshots, oldest first: where a restore of it goes."""
    from vault.ops.guard.way_back import Way

    ways: dict[str, Way] = {}
    for _, manifest in known:
        if manifest.database is not None or manifest.source not in ways:
            named = "" if manifest.database is None else manifest.database.server.database
            ways[manifest.source] = Way(
                database=typed_again(settings, DatabaseFlags(), manifest.source, named=named),
                directories=directories_of(settings, manifest.source),
            )
    return ways


def directories_of(settings: Settings, source: str) -> Mapping[str, str]:
    """Where the source's directories lie, as far as the configuration or the project around says it."""
    section = settings.sources.get(source, SourceSettings())
    if section.directories is not None:
        return section.directories
    try:
        project = find_project(section.folder or Path.cwd(), settings.environment)
    except UsageError:
        return {}
    is_its = project is not None and (section.supabase is not None or _is_of(source, project.id or ""))
    return project.directories if project is not None and is_its else {}
