"""A bucket as a directory that is read: its objects as files, by path, whatever their keys are. Spec 88-files, "Buckets".

Never changes anything, and never drops an object silently: what cannot be captured is given with its `problem`. The inverse of
`vault.source.files.bucket_target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Final

from vault.bucket.listing import ListedObject
from vault.bucket.objects import UNKNOWN, Archived, BucketObjects, Changed
from vault.errors import (
    AlreadyExists,
    CredentialsRefused,
    Incoherent,
    NoRepository,
    NotFound,
    PermissionMissing,
    SourceError,
    StoreDenied,
    StoreError,
    Unavailable,
    Unreachable,
    UnsafeError,
)
from vault.model import FileType, Missing, Stamp, State
from vault.model.files import path_text
from vault.model.object_keys import key_of, path_of
from vault.ports import SourceFile
from vault.ports_of_buckets import Fetched
from vault.source.files.exclude import Exclude
from vault.source.files.sorted_listing import SortedListing

MODE: Final = 0o600
"""A bucket has no modes; whoever restores to a disk is the one who reads."""
_AGAIN: Final = "run the backup again"


class BucketFiles:
    """Implements ports_of_buckets.BucketSource over `objects`."""

    def __init__(self, objects: BucketObjects, exclude: Sequence[str] = ()) -> None:
        """`exclude`: patterns in gitignore's syntax, over paths. Raises  UsageError: one is none"""
        self._objects = objects
        self._exclude = Exclude(exclude)
        self._listing: SortedListing | None = None

    @property
    def bucket(self) -> str:
        return self._objects.whole_bucket

    def scan(self) -> Iterator[SourceFile]:
        """As the port; nothing is given before the whole listing is read. Of what `exclude` leaves out, the highest folder."""
        with translated(f"cannot list {self._objects.url}"):
            listing = SortedListing(self._objects.list())
        with closing(listing):
            left_out = b""
            for path, item in listing.by_path():
                if left_out and path.startswith(left_out):
                    continue
                file = _file(path, item)
                above, pattern = self._pattern_for(path)
                if pattern is not None:
                    left_out = above + b"/" if above != path else b""
                    told = Missing(item=path_text(above), state=State.NOT_SELECTED, why=pattern)
                    file = replace(file, path=above, problem=told)
                yield file

    def state(self, path: bytes, *, stamped: bool) -> SourceFile | None:
        """As the port; of one listing, which the first call takes."""
        key = key_of(path) if stamped else path
        if self._listing is None:
            with translated(f"cannot list {self._objects.url}"):
                self._listing = SortedListing(self._objects.list())
        found = self._listing.find(key)
        return None if found is None else _file(path_of(key), found)

    def now(self, file: SourceFile) -> SourceFile | None:
        """As the port; its time in full seconds."""
        with translated(f"cannot look at {path_text(file.path)}"):
            found = self._objects.stat(key_of(file.path))
        return None if found is None else _file(file.path, found)

    def fetch(self, file: SourceFile) -> Fetched:
        assert file.stamp is not None
        message = f"cannot read {path_text(file.path)}"
        try:
            opened = self._objects.open(key_of(file.path), file.stamp.etag)
        except (Archived, NotFound, StoreDenied, StoreError) as error:
            return Fetched(file=replace(file, problem=_problem(file, error)), blocks=iter(()))
        except Changed as error:
            raise Incoherent(message, why=f"it changed {error}", hint=_AGAIN) from error
        attributes = Stamp(etag=file.stamp.etag or opened.object.etag, attributes=opened.attributes)
        read = replace(file, stamp=attributes)
        if opened.object.size not in (file.size, UNKNOWN):
            raise Incoherent(
                message, why=f"it has {opened.object.size} bytes, and was listed with {file.size}", hint=_AGAIN
            )
        return Fetched(file=read, blocks=_told(opened.blocks, message))

    def cancel(self) -> None:
        self._objects.cancel()

    def close(self) -> None:
        if self._listing is not None:
            self._listing.close()

    def _pattern_for(self, path: bytes) -> tuple[bytes, str | None]:
        """What is left out, `path` or a folder above it, and by which pattern."""
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            above = b"/".join(parts[:depth])
            if (pattern := self._exclude.pattern_for(above, directory=True)) is not None:
                return above, pattern
        return path, self._exclude.pattern_for(path, directory=False)


def _told(blocks: Iterator[bytes], message: str) -> Iterator[bytes]:
    try:
        with translated(message):
            yield from blocks
    except Changed as error:
        raise Incoherent(message, why=f"it changed {error}", hint=_AGAIN) from error


def _file(path: bytes, item: ListedObject) -> SourceFile:
    return SourceFile(
        path=path,
        type=FileType.FILE.value,
        mode=MODE,
        mtime_ns=item.modified_ns,
        size=item.size,
        ctime_ns=0,
        inode=0,
        target=b"",
        stamp=Stamp(etag=item.etag),
    )


def _problem(file: SourceFile, error: Exception) -> Missing:
    """Of one object; what no other object would fare better with is raised. Raises  Unreachable; PermissionMissing; SourceError"""
    item = path_text(file.path)
    if isinstance(error, Archived):
        return Missing(
            item=item,
            state=State.NOT_EXPORTABLE,
            why="it is in an archive class and cannot be read at once",
            fix="bring it back to a standard class (S3: RestoreObject), then run the backup again",
        )
    if isinstance(error, NotFound):
        return Missing(item=item, state=State.FAILED, why="it vanished after it was listed", fix=_AGAIN)
    if isinstance(error, StoreDenied):
        fix = "give the key the right to read it (s3:GetObject)"
        return Missing(item=item, state=State.NOT_PERMITTED, why=error.why, fix=fix)
    if isinstance(error, (Unavailable, CredentialsRefused, NoRepository)) or not isinstance(error, StoreError):
        with translated(f"cannot read {item}"):
            raise error
    return Missing(item=item, state=State.FAILED, why=error.why, fix=error.hint or _AGAIN)


@contextmanager
def translated(message: str) -> Iterator[None]:
    """What a bucket says of itself, as of any other source or target."""
    try:
        yield
    except AlreadyExists as error:
        raise UnsafeError(message, why=error.why or "it came meanwhile", hint="restore again") from error
    except Unavailable as error:
        raise Unreachable(message, why=f"{error.message}: {error.why}", hint=error.hint) from error
    except NoRepository as error:  # as of a repository it is said that there is no bucket
        raise Unreachable(message, why=error.why, hint=error.hint) from error
    except (StoreDenied, CredentialsRefused) as error:
        raise PermissionMissing(message, why=error.why, hint=error.hint) from error
    except StoreError as error:
        raise SourceError(message, why=error.why, hint=error.hint) from error
