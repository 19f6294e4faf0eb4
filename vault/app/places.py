"""Where the repository is, and what this machine's own records, which need no key, know of that place."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from vault.app import jobs, state
from vault.app.settings import Settings, config_to_write
from vault.bucket.place import BucketPlace, names_bucket, parse_place
from vault.errors import Misconfigured, NoRepository, StateUnusable, UnsafeError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A directory of this machine, or a bucket's: exactly one of the two."""

    path: Path | None = None
    bucket: BucketPlace | None = None

    @property
    def name(self) -> str:
        """What tells repositories apart on this machine, wherever it is said from."""
        return str(self.path.absolute()) if self.path is not None else self.typed

    @property
    def typed(self) -> str:
        """As a flag of the next command can have it."""
        if self.path is not None:
            return str(self.path)
        assert self.bucket is not None
        return self.bucket.url

    def holds(self, path: Path) -> bool:
        """Whether a file of this machine would lie in it."""
        return self.path is not None and path.resolve().is_relative_to(self.path.resolve())

    def lies_in(self, directory: str) -> bool:
        """Whether who captures that directory of this machine would capture the repository with it."""
        return self.path is not None and self.path.resolve().is_relative_to(Path(directory).resolve())


def repository_at(settings: Settings) -> Place:
    """Raises  UsageError: none is named, or it is of a kind that is not known; Misconfigured: and no flag says so"""
    try:
        return _place(settings.repository)
    except UsageError as error:
        said = settings.origins.get("repository.url")
        if said is not None and said.kind == "flag":
            raise
        raise Misconfigured(error.message, why=error.why, hint=error.hint) from error


def _place(location: str | None) -> Place:
    if not location:
        raise UsageError(
            "no repository is named",
            why="neither --repo, PGVAULT_REPOSITORY nor pgvault.toml names one",
            hint="add -r PATH, set PGVAULT_REPOSITORY, or make one here: pgvault init",
        )
    scheme, separator, _ = location.partition("://")
    if not separator and (meant := _MISTYPED.match(location)):
        url = f"{meant[1]}://{location[meant.end() :]}"
        raise UsageError(
            f"{location}: is {url} meant?",
            why="as it stands it would be a directory of this machine",
            hint=f"-r {url}; a directory of that name is ./{location}",
        )
    if not separator:
        return Place(path=local_path(location, "the repository"))
    if scheme == "file":
        try:
            parts = urlsplit(location)
        except ValueError as error:
            raise UsageError("a file:// URL names a local path", hint="file:///path/to/repository") from error
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise UsageError("a file:// URL names a local path", hint="file:///path/to/repository")
        return Place(path=Path(unquote(parts.path)))
    if names_bucket(location):
        return Place(bucket=parse_place(location))
    raise UsageError(
        f"unknown kind of repository {scheme}://",
        hint="use a path, or s3://BUCKET/PREFIX, gs:// or az:// (pgvault help buckets)",
    )


_MISTYPED: Final = re.compile(r"(s3|gs|az)(?::/?|//+)(?!/)")
"""One sign of `://` is missing."""


def repository_place(settings: Settings) -> str:
    """What tells repositories apart on this machine. Raises  as `repository_at`"""
    return repository_at(settings).name


def local_path(text: str, what: str) -> Path:
    """`text` as a path of this machine; `~` is the home directory.

    Raises  UsageError: it names another machine, a drive or a share, which would become an odd name in this directory
    """
    if ":" in text.partition("/")[0] or text.startswith("\\\\"):
        raise UsageError(
            f"{text}: not a path of this machine",
            why=f"{what} is a local directory or a bucket's; sftp:, HOST:PATH, C:\\ and shares are not known",
            hint=f"mount it and name the directory; a local one of that name is ./{text}; a bucket is s3://BUCKET/PREFIX",
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
            why=f"{_was_here(saved_ms)}; {_perhaps(settings)}",
            hint="mount it, or name where it is; or choose another place with -r; or, if it is gone for good, pgvault init --anew",
        )


def missing(settings: Settings, url: str) -> NoRepository:
    """The error for a place without a repository; where one was, that it was."""
    message = f"no repository at {url}"
    if (saved_ms := last_saved_ms(settings)) is None:
        place = repository_at(settings)
        named = settings.origins.get("repository.url")
        typed = "" if named is not None and named.kind == "file" else f" -r {shlex.quote(place.typed)}"
        hint = f"name another with -r; or create one: pgvault init{typed}"
        return NoRepository(message, why="there is no file `config`", hint=hint)
    hint = (
        "mount it, then the same again"
        if repository_at(settings).bucket is None
        else "correct that, then the same again"
    )
    return NoRepository(message, why=f"{_was_here(saved_ms)}; {_perhaps(settings)}", hint=hint)


def _perhaps(settings: Settings) -> str:
    if repository_at(settings).bucket is None:
        return "is the disk mounted?"
    return "are the endpoint and the account those of then?"


def _was_here(saved_ms: int) -> str:
    from datetime import UTC, datetime

    return f"it was here on {datetime.fromtimestamp(saved_ms // 1000, UTC):%Y-%m-%d %H:%M} UTC, when this machine saved a snapshot"
