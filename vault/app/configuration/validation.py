"""Whether the configuration makes sense: every mistake, with its place. Asks no server and opens no repository."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app import secret, wiring
from vault.app.backup_request import BackupOptions, BackupPlan, plan_backup
from vault.app.conninfo import redacted
from vault.app.settings import Settings, ValueOrigin, read_settings
from vault.app.toml.document import dotted
from vault.errors import UsageError, VaultError

if TYPE_CHECKING:
    from vault.app.toml.document import Problem

_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`place` is FILE:LINE, a variable or a flag; empty where it is nowhere in particular."""

    place: str
    message: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """`files` were read, the least important first."""

    files: tuple[Path, ...]
    mistakes: tuple[Mistake, ...]


def validate(*, repository: str | None, source: str | None) -> Validation:
    """What the files say wrongly; and if nothing, whether what they name is there."""
    try:
        read = read_settings(repository=repository, source=source)
    except UsageError as error:
        return Validation(files=(), mistakes=(_mistake(error, None),))
    mistakes = [_of_problem(problem) for problem in read.problems]
    if not mistakes:
        mistakes = [*_repository(read.settings), *_named_files(read.settings), *_sources(read.settings)]
    return Validation(files=read.settings.files, mistakes=tuple(mistakes))


def _of_problem(problem: Problem) -> Mistake:
    place = f"{problem.path}:{problem.line}" if problem.line else str(problem.path)
    return _told(place, problem.message, why=problem.why, fix=problem.hint)


def _mistake(error: VaultError, origin: ValueOrigin | None) -> Mistake:
    return _told(str(origin or ""), error.message, why=error.why, fix=error.hint)


def _told(place: str, message: str, *, why: str, fix: str) -> Mistake:
    return Mistake(place=place, message=redacted(message), why=redacted(why), fix=redacted(fix))


def _repository(settings: Settings) -> Iterator[Mistake]:
    """One that is not named may come with -r."""
    if settings.repository:
        origin = settings.origins.get("repository.url")
        try:
            wiring.require_repository(wiring.open_store(settings), settings)
        except VaultError as error:
            yield _mistake(error, origin)
    found = secret.origin(settings)
    said = settings.origins.get(found.name) or ValueOrigin(kind="environment", name=found.name)
    try:
        if found.kind is secret.Kind.FILE:
            secret.unattended(settings, patience_s=_PATIENCE_S)
        elif found.kind is secret.Kind.KIT:
            secret.recovery_kit(settings)
    except VaultError as error:
        yield _mistake(error, said)
    if found.kind is secret.Kind.COMMAND and (program := _missing_program(settings, found.value)):
        yield Mistake(
            place=str(said), message=f"no program {program}", why="it is not on PATH", fix="name its whole path"
        )


def _missing_program(settings: Settings, command: str) -> str:
    """The command's program if it is not there; empty if it is. A command that is no text of a shell has none."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command.split()[0]
    there = words and shutil.which(words[0], path=settings.environment.get("PATH", ""))
    return "" if there else words[0] if words else '""'


def _named_files(settings: Settings) -> Iterator[Mistake]:
    """The calendar of the policy, files that hold a URL, and the directory of one that is written."""
    if settings.timezone is not None:
        from vault.ops.retention.time_zone import named_zone

        try:
            named_zone(settings.timezone)
        except VaultError as error:
            yield _mistake(error, settings.origins.get("retention.timezone"))
    yield from _urls(settings)
    written = settings.signals.prometheus_file
    if written is not None and not (folder := Path(written).parent).is_dir():
        place = str(settings.origins.get("signals.prometheus_file") or "")
        yield Mistake(place=place, message=f"{folder} is no directory", fix=f"mkdir -p {folder}")


def _urls(settings: Settings) -> Iterator[Mistake]:
    """Of pings and webhooks: their form, and the files that hold them; nobody is asked."""
    from vault.app.signals.send import ping_endpoint, webhook_endpoint

    for endpoint in (ping_endpoint(settings.signals), webhook_endpoint(settings.signals)):
        if endpoint is not None:
            key = endpoint.key if endpoint.file is None else f"{endpoint.key}_file"
            try:
                endpoint.read(settings.environment)
            except UsageError as error:
                hint = error.hint or "https://HOST/PATH, as the service shows it"
                place = str(settings.origins.get(key) or "")
                yield _told(place, error.message, why=error.why, fix=hint)


def _sources(settings: Settings) -> Iterator[Mistake]:
    """Of each what a backup of it would refuse before it connects."""
    for name in settings.sources:
        key = dotted(("source", name))
        within = [origin for said, origin in settings.origins.items() if said.startswith(f"{key}.")]
        origin = next(iter(within), None)
        try:
            plan = plan_backup(replace(settings, source=name), BackupOptions())
        except UsageError as error:
            yield _mistake(error, origin)
            continue
        yield from _directories(settings, plan, key)


def _directories(settings: Settings, plan: BackupPlan, key: str) -> Iterator[Mistake]:
    access = wiring.bucket_access(settings, plan.bucket_profiles)
    for name, path in plan.directories.items():
        one = {name: path}
        try:
            wiring.directory_sources(one, plan.exclude, access)
            if settings.repository:
                wiring.refuse_own_repository(one, wiring.repository_at(settings), access)
        except VaultError as error:
            yield _mistake(error, settings.origins.get(f"{key}.directories.{name}"))
