"""A bucket that a snapshot is restored into. Replaces only when told to, removes nothing. Inverse of `vault.source.files.bucket`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from vault.bucket.objects import BucketObjects
from vault.errors import CredentialsRefused, PermissionMissing, UnsafeError
from vault.model import Stamp
from vault.model.files import path_text
from vault.model.object_keys import key_of
from vault.source.files.bucket import translated


class BucketWriter:
    """Implements ports_of_buckets.BucketTarget. `merge`: it may hold something. Use as a context."""

    def __init__(self, objects: BucketObjects, *, merge: bool = False) -> None:
        self._objects = objects
        self._merge = merge

    def __enter__(self) -> Self:
        """Raises  UnsafeError: it holds something, and `merge` is off; SourceError; PermissionMissing; Unreachable"""
        if not self._merge and holds_something(self._objects):
            raise UnsafeError(
                f"{self._objects.url} is not empty", why="objects in it could be replaced", hint="name an empty prefix"
            )
        return self

    def __exit__(self, *_: object) -> None:
        return

    def write_object(
        self, path: bytes, blocks: Iterator[bytes], *, stamp: Stamp | None, replace: bool
    ) -> tuple[str, ...]:
        key = path if stamp is None else key_of(path)
        attributes = {} if stamp is None else dict(stamp.attributes)
        try:
            with translated(f"cannot restore {path_text(path)}"):
                return self._objects.put(key, blocks, attributes, replace=replace)
        except PermissionMissing as error:
            if isinstance(error.__cause__, CredentialsRefused):  # no other object would fare better
                raise error.__cause__ from None
            raise

    def cancel(self) -> None:
        self._objects.cancel()


def holds_something(objects: BucketObjects) -> bool:
    """Raises  SourceError, PermissionMissing, Unreachable"""
    with translated(f"cannot list {objects.url}"):
        return next(objects.list(first=1), None) is not None
