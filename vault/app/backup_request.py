"""What a backup is asked to take: flags over the configuration, checked before anything is opened. Pure."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vault.app.database import ChosenDatabase, DatabaseFlags, around, flagged, of_configuration, refuse_flags
from vault.app.project import Project, find_project
from vault.app.settings import Settings, SourceSettings
from vault.app.source_here import default_name
from vault.errors import Misconfigured, UsageError
from vault.model.words import nearest
from vault.ops.project import backup_selection


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions:
    """The command's flags, as typed."""

    database: str | None = None
    local: bool = False
    linked: bool = False
    directories: tuple[str, ...] = ()
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    full: bool = False
    allow_gaps: bool = False
    allow_cleartext: bool = False
    server_moved: bool = False
    accept_rollback: bool = False
    every: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """`conninfo` is None when no database is backed up; empty when libpq's variables say which.

    variables  for libpq's environment, a password among them; notes: what was found and not typed, for the user to see
    warnings   what most likely was not meant, told also when quiet
    project    that it is the database of
    major      that the server is expected to be of; advice: what to type if it cannot be reached
    """

    source: str
    conninfo: str | None
    directories: Mapping[str, str]
    tags: Mapping[str, str]
    selection: str
    options: BackupOptions = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    project: Project | None = None
    major: int | None = None
    advice: str = ""
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    accepted_gaps: tuple[str, ...] = ()
    bucket_profiles: Mapping[str, str] = field(default_factory=dict)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What narrows the definitions, as the user would type it; what leaves rows alone out is told of each table."""
        flags = {name: flag for name, flag in backup_selection.FLAGS.items() if name != "exclude_table_data"}
        lists = ((flag, getattr(self, name)) for name, flag in flags.items())
        return tuple(f"{flag} {pattern}" for flag, patterns in lists for pattern in dict.fromkeys(patterns))


def plan_backup(settings: Settings, options: BackupOptions) -> BackupPlan:
    """Raises  UsageError: nothing to back up, a password in a flag, a wrong pair"""
    from vault.ops.view.paths import RESERVED_NAMES

    configured = settings.chosen_source()
    chosen = _database(settings, options, configured)
    conninfo = chosen.conninfo
    typed = pairs("--dir", options.directories, "edge_functions=supabase/functions")
    directories = {**_directories(chosen, configured), **typed}
    for name in directories:
        if not _NAME.fullmatch(name) or name in RESERVED_NAMES:
            raise UsageError(
                f"--dir {name}: not a possible name",
                why=f"lower-case letters, digits, _ and -, and not {' or '.join(sorted(RESERVED_NAMES))}",
            )
    if conninfo is None and not directories:
        raise _nothing(settings)
    unknown, aside = _unknown(settings, options)
    patterns = {name: getattr(options, name) or getattr(configured, name) for name in _LISTS}
    named = settings.source if _contradicts(chosen, configured) else settings.source_name()
    source = named or ("+".join(sorted(directories)) if conninfo is None else default_name(settings, chosen))
    for text in (source, *options.tags, *(pattern for listed in patterns.values() for pattern in listed)):
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            shown = text.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"{shown}: not UTF-8", why="names of sources, tags and patterns are stored as text")
    return BackupPlan(
        source=source,
        conninfo=conninfo,
        directories=directories,
        tags=pairs("--tag", options.tags, "release=1.4"),
        selection=backup_selection.encode(conninfo is not None, sorted(directories), patterns),
        options=options,
        variables=chosen.variables,
        notes=(*_notes(chosen, directories), *_left_out(settings, options, chosen, directories), *aside),
        warnings=unknown,
        project=chosen.project,
        advice=chosen.advice,
        major=None if chosen.project is None or chosen.kind != "local" else chosen.project.major,
        accepted_gaps=configured.accepted_gaps,
        bucket_profiles=configured.bucket_profiles,
        **patterns,
    )


def refuse_wrong(options: BackupOptions) -> None:
    """What is wrong with the flags whatever the configuration is. Raises  UsageError"""
    refuse_flags(DatabaseFlags(database=options.database, local=options.local, linked=options.linked), command="backup")
    pairs("--dir", options.directories, "edge_functions=supabase/functions")
    pairs("--tag", options.tags, "release=1.4")


def _database(settings: Settings, options: BackupOptions, configured: SourceSettings) -> ChosenDatabase:
    """Directories alone, typed or configured, are a backup too: a project around adds no database to them.

    Of all sources those that name no database have none: what PGDATABASE names would be taken once for each of them.
    """
    flags = DatabaseFlags(database=options.database, local=options.local, linked=options.linked)
    chosen = flagged(settings, flags, configured=configured, command="backup") or of_configuration(settings, configured)
    alone = bool(options.directories) or configured.directories is not None
    if chosen is None and not options.every and (settings.names_database() or not alone):
        chosen = around(settings)
    return chosen or ChosenDatabase()


def _contradicts(chosen: ChosenDatabase, configured: SourceSettings) -> bool:
    """Whether the section is that of the project's other database, so that its name cannot be meant."""
    return configured.supabase is not None and chosen.kind is not None and chosen.kind != configured.supabase


def _directories(chosen: ChosenDatabase, configured: SourceSettings) -> Mapping[str, str]:
    if configured.directories is not None:
        return configured.directories
    return {} if chosen.project is None else chosen.project.directories


def _notes(chosen: ChosenDatabase, directories: Mapping[str, str]) -> tuple[str, ...]:
    """What a Supabase project gave, and what it lacks."""
    project = chosen.project
    if project is None:
        return ()
    named = f"project {project.id}" if project.id else "the project"
    taken = [f"its {chosen.kind} database", *sorted(directories)]
    notes = [f"{named} of {project.config}: {', '.join(taken)}"]
    lacking = sorted(set(project.FOLDERS) - set(directories))
    return (*notes, *(f"no {name.replace('_', ' ')}: {project.folder(name)} is not there" for name in lacking))


def _left_out(
    settings: Settings, options: BackupOptions, chosen: ChosenDatabase, directories: Collection[str]
) -> tuple[str, ...]:
    """What the project around has, and words for something else keep out: a section's own list of directories is an answer, they are none."""
    configured = settings.chosen_source()
    if chosen.project is not None or configured.directories is not None or options.every:
        return ()
    try:
        project = find_project(configured.folder or Path.cwd(), settings.environment)
    except Misconfigured:  # whoever reads the project's database hears of it
        return ()
    if project is None:
        return ()
    lacking = {name: path for name, path in sorted(project.directories.items()) if name not in directories}
    words = [shlex.join(["--dir", f"{name}={os.path.relpath(path)}"]) for name, path in lacking.items()]
    left = [*([] if chosen.conninfo is not None else ["the database"]), *lacking]
    if not left:
        return ()
    named = f"project {project.id}" if project.id else f"the project of {project.config}"
    why = (
        "--dir names directories alone"
        if chosen.conninfo is None
        else f"{_named_by(settings, options)} a database alone"
    )
    add = [*([] if chosen.conninfo is not None else ["--local"]), *words]
    return (
        f"not in this snapshot: {', '.join(left)} of {named}, because {why}; to have them too, add {' '.join(add)}",
    )


def _named_by(settings: Settings, options: BackupOptions) -> str:
    if options.database is not None:
        return "-d names"
    return "the configuration names" if settings.chosen_source().database is not None else "libpq's variables name"


def _nothing(settings: Settings) -> UsageError:
    """With the section that was meant, if its name is nearly that of --source."""
    hint = (
        "in the directory of a Supabase project: pgvault backup; else name a database, as in pgvault backup -d "
        "postgresql://localhost/postgres, or a directory, as in pgvault backup --dir files=."
    )
    if settings.source is None or not settings.sources or settings.source in settings.sources:
        return Misconfigured("nothing to back up", why="no database and no directory is named", hint=hint)
    return _not_configured(settings, settings.source, hint=hint)


def _not_configured(settings: Settings, source: str, *, hint: str) -> UsageError:
    near = nearest(source, settings.sources)
    return UsageError(
        f"no source {source} is configured",
        why=f"the configuration has: {', '.join(sorted(settings.sources))}; and no database and no directory is named",
        hint=f"did you mean --source {near}?" if near else hint,
    )


def _unknown(settings: Settings, options: BackupOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is said where another name is given: as a warning, and else as a note.

    Raises  UsageError: to what was found, not typed, and a configured one is nearly named
    """
    source, typed = settings.source, (options.database, options.local, options.linked, options.directories)
    if source is None or not settings.sources or source in settings.sources:
        return (), ()
    near = nearest(source, settings.sources)
    if near and not any(typed):
        raise _not_configured(settings, source, hint="")
    names = ", ".join(sorted(settings.sources))
    text = f"no source {source} is configured, and one of this name is saved; the configuration has: {names}"
    return ((), (text,)) if any(typed) and not near else ((text,), ())


def plan_all(settings: Settings, options: BackupOptions) -> dict[str, BackupPlan | UsageError]:
    """Name of each configured source -> what is taken of it, or what is wrong with its section.

    Raises  UsageError: no source is configured, or an option says what only one source can be asked
    """
    if not settings.sources:
        raise UsageError(
            "no source is configured", why="--all takes every [source.NAME] of pgvault.toml", hint="pgvault help backup"
        )
    named = {
        "--source": settings.source,
        "-d": options.database,
        "--local": options.local,
        "--linked": options.linked,
        "--dir": options.directories,
        "--exclude": options.exclude,
        **{flag: getattr(options, name) for name, flag in backup_selection.FLAGS.items()},
        "--server-moved": options.server_moved,
        "--accept-rollback": options.accept_rollback,
    }
    for flag, value in named.items():
        if value:
            raise UsageError(
                f"{flag} and --all cannot be used together",
                why=f"{flag} is about one source",
                hint="leave --all out and name the source with --source NAME, or write it into its section of pgvault.toml",
            )
    plans: dict[str, BackupPlan | UsageError] = {}
    for name in sorted(settings.sources):
        try:
            plans[name] = plan_backup(replace(settings, source=name), options)
        except UsageError as error:
            plans[name] = error
    return plans


_NAME = re.compile(r"[a-z0-9_-]+")
_LISTS = (*backup_selection.FLAGS, "exclude")
assert set(_LISTS) <= set(SourceSettings.__dataclass_fields__)


def pairs(flag: str, given: Sequence[str], example: str) -> dict[str, str]:
    """`NAME=VALUE` arguments. Raises  UsageError: no name, no value, or a name twice"""
    values: dict[str, str] = {}
    for pair in given:
        name, _, value = pair.partition("=")
        if not (name and value):
            raise UsageError(f"{flag} {pair}: not NAME=VALUE", hint=f"{flag} {example}")
        if name in values:
            raise UsageError(f"{flag} {name} is given twice")
        values[name] = value
    return values
