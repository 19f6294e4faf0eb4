"""Where the repository is, and what this machine's own records, which need no key, know of that place."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from vault.app import jobs, state
from vault.app.settings import Settings, config_to_write
from vault.errors import Misconfigured, NoRepository, StateUnusable, UnsafeError, UsageError

LATER = ("s3", "gs", "az")
"""Schemes of object storage, which comes later."""


def repository_path(settings: Settings) -> Path:
    """Raises  UsageError: none is named, or it is of a kind that is not built yet; Misconfigured: and no flag says so"""
    try:
        return _repository_path(settings)
    except UsageError as error:
        said = settings.origins.get("repository.url")
        if said is not None and said.kind == "flag":
            raise
        raise Misconfigured(error.message, why=error.why, hint=error.hint) from error


def _repository_path(settings: Settings) -> Path:
    location = settings.repository
    if not location:
        raise UsageError(
            "no repository is named",
            why="neither --repo, PGVAULT_REPOSITORY nor pgvault.toml names one",
            hint="add -r PATH, set PGVAULT_REPOSITORY, or make one here: pgvault init",
        )
    scheme, separator, _ = location.partition("://")
    if not separator:
        return local_path(location, "the repository")
    if scheme == "file":
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise UsageError("a file:// URL names a local path", hint="file:///path/to/repository")
        return Path(unquote(parts.path))
    if scheme in LATER:
        raise UsageError(
            f"{scheme}:// repositories are not built yet",
            why="object storage comes later",
            hint="use a path or a file:// URL",
        )
    raise UsageError(f"unknown kind of repository {scheme}://", hint="use a path or a file:// URL")


def repository_place(settings: Settings) -> str:
    """What tells repositories apart on this machine. Raises  as `repository_path`"""
    return str(repository_path(settings).absolute())


def local_path(text: str, what: str) -> Path:
    """`text` as a path of this machine; `~` is the home directory.

    Raises  UsageError: it names another machine, a drive or a share, which would become an odd name in this directory
    """
    if ":" in text.partition("/")[0] or text.startswith("\\\\"):
        raise UsageError(
            f"{text}: not a path of this machine",
            why=f"{what} is a local directory; sftp:, HOST:PATH, C:\\ and shares are not known",
            hint=f"mount it and name the directory; a local one of that name is ./{text}",
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home directory", hint="name the whole path") from error


def places_of_jobs(settings: Settings) -> list[str]:
    """Which repository the records of jobs name: that one, if one is named; and last, for jobs of a configuration that could not be
    read, the file that would say which."""
    unread = str(config_to_write(settings.environment).absolute())
    try:
        return [repository_place(settings), unread]
    except UsageError:
        return [unread]


def last_saved_ms(settings: Settings) -> int | None:
    """When a job of this machine last saved a snapshot into this very place; None: none that is remembered."""
    try:
        directory, place = state.state_directory(settings), repository_place(settings)
        recorded = [jobs.load(directory, name) for name in directory.jobs()]
    except (StateUnusable, UsageError):
        return None
    saved = [one.job for one in recorded if one is not None and one.job is not None and one.job.snapshot]
    times = [job.ended_ms or job.started_ms for job in saved if job.repository == place]
    return max(times, default=0) or None


def refuse_lost(settings: Settings) -> None:
    """Raises  UnsafeError: a new repository would hide that the old one is not there"""
    if (saved_ms := last_saved_ms(settings)) is not None:
        raise UnsafeError(
            f"a repository was at {repository_place(settings)}, and is not there now",
            why=f"{_was_here(saved_ms)}; is the disk mounted?",
            hint="mount it; or choose another place with -r; or, if it is gone for good, pgvault init --anew",
        )


def missing(settings: Settings, url: str) -> NoRepository:
    """The error for a place without a repository; where one was, that it was."""
    message = f"no repository at {url}"
    if (saved_ms := last_saved_ms(settings)) is None:
        hint = "create one with: pgvault init -r PATH, or name another with -r"
        return NoRepository(message, why="there is no file `config`", hint=hint)
    return NoRepository(
        message, why=f"{_was_here(saved_ms)}; is the disk mounted?", hint="mount it, then the same again"
    )


def _was_here(saved_ms: int) -> str:
    from datetime import UTC, datetime

    return f"it was here on {datetime.fromtimestamp(saved_ms // 1000, UTC):%Y-%m-%d %H:%M} UTC, when this machine saved a snapshot"
