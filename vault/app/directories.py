"""Directories that are captured or restored to, of this machine or a bucket's, as ports. Part of the composition root.

A bucket may have credentials of its own beside those of the repository: `bucket_environment` says which.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app.places import Place, local_path
from vault.app.stores import system_entropy
from vault.bucket.place import ALL_BUCKETS, BucketPlace, names_bucket, parse_directory
from vault.errors import UnsafeError, UsageError, VaultError

if TYPE_CHECKING:
    from vault.bucket.objects import BucketObjects
    from vault.ports import Clock, DirectorySource
    from vault.ports_of_buckets import BucketSource
    from vault.source.files.bucket_target import BucketWriter
    from vault.source.files.dataset_target import BucketDataset, FolderDataset
    from vault.source.files.sqlite_target import SqliteFile
    from vault.source.files.target import DirectoryWriter

VARIABLE_PREFIX: Final = "PGVAULT_DIR_"
_KEPT: Final = frozenset({"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"})
"""Files that say nothing of who asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAccess:
    """What a bucket's directories are reached with. `profiles`: directory -> profile of Amazon's files; `clock` signs."""

    environment: Mapping[str, str] = field(repr=False)
    clock: Clock
    profiles: Mapping[str, str] = field(default_factory=dict)

    def environment_of(self, name: str) -> Mapping[str, str]:
        return bucket_environment(self.environment, name, self.profiles.get(name))

    def objects(self, name: str, url: str) -> BucketObjects:
        """Nothing is sent. Raises  UsageError: no bucket's name; CredentialsRefused, Misconfigured, UnsafeError"""
        from vault.bucket.objects import BucketObjects

        place = parse_directory(url)
        try:
            return BucketObjects(place, self.environment_of(name), self.clock.now_ms)
        except VaultError as error:
            error.message = f"--dir {name}: {error.message}"
            error.args = (error.message,)
            raise


def bucket_environment(environment: Mapping[str, str], name: str, profile: str | None) -> Mapping[str, str]:
    """For the bucket of directory `name`: what PGVAULT_DIR_NAME_... or the configuration says for it alone, else what is for all.

    Where one of them says anything, no key, profile, region or endpoint of the repository's takes part.
    """
    prefix = f"{VARIABLE_PREFIX}{name.upper().replace('-', '_')}_"
    own = {key.removeprefix(prefix): value for key, value in environment.items() if key.startswith(prefix)}
    if profile is not None:
        own.setdefault("AWS_PROFILE", profile)
    if not own:
        return environment
    others = {key: value for key, value in environment.items() if not key.startswith("AWS_") or key in _KEPT}
    return {**others, **own}


def is_bucket(path: str) -> bool:
    return names_bucket(path)


def directory_sources(
    directories: Mapping[str, str], exclude: Sequence[str], access: BucketAccess
) -> dict[str, DirectorySource | BucketSource]:
    """Raises  UsageError: a path is not a directory, or one of `exclude` no pattern of gitignore; as `BucketAccess.objects`"""
    from vault.source.files.directory import DirectoryFiles

    found: dict[str, DirectorySource | BucketSource] = {}
    for name, path in directories.items():
        if is_bucket(path):
            from vault.source.files.bucket import BucketFiles

            found[name] = BucketFiles(access.objects(name, path), exclude)
            continue
        if not Path(path).is_dir():
            raise UsageError(
                f"--dir {name}: {path} is not a directory", hint=f"--dir {name}=PATH, or s3://BUCKET/PREFIX"
            )
        found[name] = DirectoryFiles(Path(path), exclude)
    return found


def refuse_own_repository(directories: Mapping[str, str], repository: Place, access: BucketAccess) -> None:
    """Raises  UnsafeError: every backup would hold all those before it once more, or a restore would write into one"""
    for name, path in directories.items():
        within = (
            _meets(name, path, repository=repository, access=access) if is_bucket(path) else repository.lies_in(path)
        )
        if within:
            raise UnsafeError(
                f"--dir {name}: the repository lies in {path}",
                why="every backup would store all earlier ones once more",
                hint="name the directories beside it, or keep the repository elsewhere",
            )


def _meets(name: str, url: str, *, repository: Place, access: BucketAccess) -> bool:
    """Whether a bucket's directory and the repository hold a key in common, in one storage however that is named."""
    from vault.bucket.objects import storage_of

    place, own = parse_directory(url), repository.bucket
    if own is None or not _overlap(place, own):
        return False
    environment = access.environment_of(name) if name else access.environment
    try:
        return storage_of(place, environment) == storage_of(own, access.environment)
    except VaultError:
        return False  # without credentials nothing is read or written, which is told where they are needed


def _overlap(one: BucketPlace, other: BucketPlace) -> bool:
    if ALL_BUCKETS in (one.bucket, other.bucket):
        return True
    below = [f"{place.prefix}/" if place.prefix else "" for place in (one, other)]
    return one.bucket == other.bucket and (below[0].startswith(below[1]) or below[1].startswith(below[0]))


def directory_target(path: str, *, merge: bool = False, replace: bool = False) -> DirectoryWriter:
    """A directory to write into, new or empty unless `merge`; use as a context."""
    from vault.source.files.target import DirectoryWriter

    return DirectoryWriter(local_path(path, "the target"), system_entropy, merge=merge, replace=replace)


def bucket_target(name: str, url: str, access: BucketAccess, *, merge: bool = False) -> BucketWriter:
    """A bucket to write into; use as a context. Raises  as `BucketAccess.objects`"""
    from vault.source.files.bucket_target import BucketWriter

    return BucketWriter(access.objects(name, url), merge=merge)


def directory_there(path: str) -> DirectorySource | None:
    """What a directory of this machine holds that is to be written into; None if it is new or empty. Raises  SourceError, PermissionMissing"""
    from vault.source.files.directory import DirectoryFiles

    root = local_path(path, "the target")
    files = DirectoryFiles(root)
    return files if os.path.lexists(root) and next(files.scan(), None) is not None else None


def bucket_there(name: str, url: str, access: BucketAccess) -> BucketSource | None:
    """The same of a bucket. Raises  as `BucketAccess.objects`; SourceError, PermissionMissing, Unreachable"""
    from vault.source.files.bucket import BucketFiles
    from vault.source.files.bucket_target import holds_something

    objects = access.objects(name, url)
    return BucketFiles(objects) if holds_something(objects) else None


# --- data for other engines ------------------------------------------------------------------------


def dataset_folder(path: str, *, mtime_ns: int, marks: tuple[str, str] | None = None) -> FolderDataset:
    """A directory for files of a dataset, new or empty; use as a context. `marks`: of one that grows, the file that says so, and the one that comes last."""
    from vault.source.files.dataset_target import FolderDataset, Marks

    known = None if marks is None else Marks(dataset=marks[0], done=marks[1])
    return FolderDataset(local_path(path, "the output"), system_entropy, marks=known, mtime_ns=mtime_ns)


def dataset_bucket(url: str, access: BucketAccess, *, marks: tuple[str, str], repository: Place) -> BucketDataset:
    """The same in a bucket. Raises  UnsafeError: it is the repository's place; UsageError; CredentialsRefused, Misconfigured"""
    from vault.bucket.objects import BucketObjects
    from vault.source.files.dataset_target import BucketDataset, Marks

    if _meets("", url, repository=repository, access=access):
        raise UnsafeError(f"the repository lies in {url}", why="nothing else is kept there", hint="name another prefix")
    objects = BucketObjects(parse_directory(url), access.environment, access.clock.now_ms)
    return BucketDataset(objects, marks=Marks(dataset=marks[0], done=marks[1]))


def sqlite_file(path: str) -> SqliteFile:
    """A new file; use as a context."""
    from vault.source.files.sqlite_target import SqliteFile

    return SqliteFile(local_path(path, "the output"), system_entropy)
