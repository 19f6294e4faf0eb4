"""What a scheduler will be told for these settings: absolute paths, no secret, and no more of the environment than a run needs."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.app import project
from vault.app.backup_request import BackupOptions, plan_backup
from vault.app.directories import VARIABLE_PREFIX
from vault.app.schedule.task import CARRIED, Task, task_name
from vault.app.settings import Settings
from vault.errors import UsageError
from vault.ops.schedule.timetable import Timetable, read_timetable

STANDARD_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin")
DELAY_S: Final = 10 * 60
"""Runs start up to so much later, so that machines with one time do not all begin at once."""
_PATHS: Final = frozenset(
    {
        *("PGVAULT_CONFIG", "PGVAULT_STATE_DIR", "PGVAULT_CACHE_DIR", "PGVAULT_PASSWORD_FILE"),
        *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "PGVAULT_CA_BUNDLE"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_FEDERATED_TOKEN_FILE"),
        *("PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where and by whom `schedule install` was typed. `program`: words that start pgvault, the first an absolute path."""

    folder: Path
    program: tuple[str, ...]
    home: str
    host: str


def program_words(typed: str, interpreter: str) -> tuple[str, ...]:
    """typed  sys.argv[0]: the command's script, or the module's file where it was `python -m vault`"""
    path = os.path.abspath(typed)
    if path.endswith(".py") or not os.access(path, os.X_OK):
        return (os.path.abspath(interpreter), "-m", "vault")
    return (path,)


def plan_task(settings: Settings, *, at: str | None, every: str | None, here: Here) -> Task:
    """Raises  UsageError: a time that no timetable has, no repository, a name that no schedule can hold"""
    if not settings.repository:
        raise UsageError(
            "no repository is named",
            why="a scheduled run would not know where to save",
            hint="pgvault init, or set repository.url in pgvault.toml",
        )
    place, name = place_of(settings, here), name_of(settings, here)
    options = []
    if settings.source is not None:
        options.append(f"--source={settings.source}")
    if _typed_repository(settings):
        options.append(f"--repo={_absolute_location(settings.repository, here.folder)}")
    several = settings.source is None and len(settings.sources) > 1
    what = settings.source or settings.source_name() or ("all sources" if several else "the project")
    return Task(
        name=name,
        title=f"pgvault backup of {what} ({place})",
        words=(*here.program, "schedule", "run", *options),
        folder=str(folder_of(settings, here)),
        timetable=timetable_of(settings, at=at, every=every, here=here),
        environment=environment_of(settings, here),
        delay_s=DELAY_S,
        rehearsal=(*here.program, "doctor", *options, "--json"),
    )


def sources_of(settings: Settings) -> tuple[str, ...]:
    """Names of what a run saves; none where the configuration does not say, as far as it can be read now."""
    if settings.source is not None or settings.sources:
        return (settings.source,) if settings.source is not None else tuple(sorted(settings.sources))
    try:
        return (plan_backup(settings, BackupOptions()).source,)
    except UsageError:
        return ()


def timetable_of(settings: Settings, *, at: str | None, every: str | None, here: Here) -> Timetable:
    """Flags over the configuration; what neither says is chosen for this machine and task. Raises  UsageError"""
    spread = f"{here.host} {name_of(settings, here)}"
    return read_timetable(at or settings.schedule.at, every or settings.schedule.every, spread=spread)


def name_of(settings: Settings, here: Here) -> str:
    place = place_of(settings, here)
    if _typed_repository(settings):
        place += f"\0{_absolute_location(settings.repository or '', here.folder)}"
    return task_name(place, settings.source)


def place_of(settings: Settings, here: Here) -> str:
    """What tells schedules of one source apart: the configuration file, or without one of a project the directory."""
    config = _own_config(settings, here)
    return str(config if config is not None else folder_of(settings, here))


def _own_config(settings: Settings, here: Here) -> Path | None:
    """The project's file, or that of PGVAULT_CONFIG; the user's own file is for all projects alike."""
    if not settings.files:
        return None
    newest = here.folder / settings.files[-1]
    explicit = bool(settings.environment.get("PGVAULT_CONFIG"))
    return newest if explicit or newest.parent in (here.folder, *here.folder.parents) else None


def folder_of(settings: Settings, here: Here) -> Path:
    """Where the run starts, so that it finds the same configuration and project: the deeper of their two directories."""
    explicit = bool(settings.environment.get("PGVAULT_CONFIG"))
    config, root = _own_config(settings, here), project.root_of(here.folder)
    above = [path for path in (root, None if explicit or config is None else config.parent) if path is not None]
    if above:
        return max(above, key=lambda path: len(path.parts))
    return config.parent if config is not None else here.folder


def environment_of(settings: Settings, here: Here) -> dict[str, str]:
    """For the run: what is not secret and names something, with absolute paths, and a PATH of known places."""
    given = settings.environment
    of_buckets = (name for name in given if name.startswith(VARIABLE_PREFIX) and not _is_secret(name))
    carried = {name: _absolute(name, given[name], here.folder) for name in (*CARRIED, *of_buckets) if given.get(name)}
    if _typed_repository(settings):
        carried.pop("PGVAULT_REPOSITORY", None)
    return {**carried, "HOME": here.home, "PATH": _search_path(settings, here)}


def _search_path(settings: Settings, here: Here) -> str:
    """Directories of what a run starts, in the order in which they are found now, then the standard ones."""
    path = settings.environment.get("PATH", "")
    wanted = [os.path.dirname(here.program[0])]
    for program in ("pg_dump", _first_word(settings.password_command)):
        if program and (found := shutil.which(program, path=path)) and os.path.isabs(found):
            wanted.append(os.path.dirname(found))
    known = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]
    ordered = sorted(wanted, key=lambda folder: known.index(folder) if folder in known else len(known))
    return os.pathsep.join(dict.fromkeys([*ordered, *STANDARD_PATH]))


def _first_word(command: str | None) -> str:
    try:
        return next(iter(shlex.split(command or "")), "")
    except ValueError:
        return ""


def _typed_repository(settings: Settings) -> bool:
    origin = settings.origins.get("repository.url")
    return origin is not None and origin.kind == "flag"


def _absolute(name: str, value: str, folder: Path) -> str:
    if name == "PGVAULT_REPOSITORY":
        return _absolute_location(value, folder)
    return str(folder / os.path.expanduser(value)) if name in _PATHS else value


def _absolute_location(text: str, folder: Path) -> str:
    """A repository: a plain path becomes absolute, a URL stays as it is."""
    return text if ":" in text.partition("/")[0] else os.path.normpath(folder / os.path.expanduser(text))


def carried_secrets(environment: Mapping[str, str]) -> list[str]:
    """Names of variables that are set now, and that no schedule takes along."""
    secrets = (
        "PGVAULT_PASSWORD",
        "PGVAULT_PASSWORD_COMMAND",
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_CLIENT_SECRET",
    )
    of_buckets = [name for name in sorted(environment) if name.startswith(VARIABLE_PREFIX) and _is_secret(name)]
    return [name for name in (*secrets, *of_buckets) if environment.get(name)]


def _is_secret(name: str) -> bool:
    """Of a variable of one directory: as of the variable that it stands for."""
    return not name.endswith(tuple(f"_{carried}" for carried in CARRIED if not carried.startswith(("PG", "XDG"))))
