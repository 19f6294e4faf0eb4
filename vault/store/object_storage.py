"""A store in a bucket of S3, Google Cloud Storage or Azure.

put      one request with the condition that the name is new; a name that is said to be taken is read back, since that is also what
         the first answer of this very put looks like when it was lost, and so is any put that was not answered
barrier  nothing: what a put returned from is durable

Invariant: a name never changes its bytes by what is done here. Never tries again itself: the client does. Spec 70-store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.bucket.client import Bucket, BucketObject
from vault.errors import AlreadyExists, LimitExceeded, Malformed, NotFound, StoreError, Unavailable
from vault.limits import PACK_BYTES_MAX
from vault.ports import StoredFile
from vault.store.names import is_name, validate_name, validate_prefix

_CONFIG: Final = "config"
_LAST: Final = "sweeps/"
"""The last directory of a repository, and an empty one on most days: a listing of it can begin before it and end with it."""


class ObjectStorage:
    """Files are objects below the bucket's prefix. Safe for threads and for several processes."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._is_repository = False
        """Whether `config` was seen here: from then on it is always there."""
        self._before_last = ""
        """The last name before `_LAST` that was seen here."""

    @property
    def url(self) -> str:
        return self._bucket.url

    @property
    def conditions(self) -> bool:
        """Whether nothing else is known than that the storage refuses what is not new, as it should."""
        return self._bucket.conditions

    @property
    def network(self) -> str:
        """Empty: S3, Google Cloud Storage and Azure list what was put."""
        return ""

    def put(self, name: str, data: bytes) -> None:
        """As the port. A name that has the very bytes of `data` counts as put by this call."""
        validate_name(name)
        try:
            self._bucket.put_new(name, data)
        except AlreadyExists as taken:
            if not self._holds(name, data, taken):
                raise
        except Unavailable as lost:
            try:
                there = self._has(name, data)
            except StoreError:
                raise lost from None
            if not there:
                raise AlreadyExists(f"{name} exists already in {self.url}") from None
        else:
            if not self._bucket.conditions:
                self._confirm(name, data)
        self._note(name)

    def get(self, name: str) -> bytes:
        """As the port; an object above PACK_BYTES_MAX is not loaded. Raises  LimitExceeded"""
        validate_name(name)
        data = self._bucket.get(name, bytes_max=PACK_BYTES_MAX)
        self._note(name)
        return data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        validate_name(name)
        if length == 0:
            return self._no_bytes(name, offset)
        return self._bucket.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """As the port. What cannot be a name is left out.

        Raises  StoreError: the storage lists in no order, or nothing at all where `config` is
        """
        validate_prefix(prefix)
        return self._list(prefix)

    def delete(self, *names: str) -> None:
        for name in names:
            validate_name(name)
            if name == self._before_last:
                self._before_last = ""
        self._bucket.delete(names)

    def barrier(self) -> None:
        """Return at once: what a put returned from is durable."""

    def _list(self, prefix: str) -> Iterator[StoredFile]:
        directory, slash, _ = prefix.rpartition("/")
        last = ""
        for found in self._objects(directory + slash):
            if found.key <= last:
                raise StoreError(
                    f"cannot use what {self.url} lists",
                    why="its names come in no order",
                    hint="use a bucket of the ordinary kind",
                )
            last = found.key
            if found.key.startswith(prefix) and is_name(found.key):
                self._note(found.key)
                yield StoredFile(name=found.key, size=found.size, modified_ms=found.modified_ms)
        if not last:
            self._before_last = ""
            self._prove_empty(directory + slash)

    def _objects(self, directory: str) -> Iterator[BucketObject]:
        """Those of a directory; of the last one behind a name that was there, which proves that an empty one is empty."""
        if directory == _LAST and self._before_last and self._bucket.begins_anywhere:
            return self._bucket.list(after=_just_before(self._before_last))
        return self._bucket.list(directory)

    def _note(self, name: str) -> None:
        self._is_repository = self._is_repository or name == _CONFIG
        if self._before_last < name < _LAST:
            self._before_last = name

    def _prove_empty(self, directory: str) -> None:
        """A page of anybody's with status 200 reads like an empty listing: of a repository there is always `config` to be listed.

        Raises  StoreError: it is not
        """
        if directory and next(self._bucket.list(), None) is not None:
            return
        if not self._is_repository:
            try:
                self._bucket.stat(_CONFIG)
            except NotFound:
                return  # there is no repository yet
        raise StoreError(
            f"cannot list {directory or 'the files'} of {self.url}",
            why="the answer names nothing at all, not even config, which is there",
            hint="check the endpoint, and what stands before it; then run the command again",
        )

    def _holds(self, name: str, data: bytes, taken: AlreadyExists) -> bool:
        """As `_has`, of a name that was just said to be taken. Raises  AlreadyExists: then it was said not to be there"""
        try:
            return self._has(name, data)
        except NotFound:
            taken.why = "the storage says so, and then that it is not there: removed meanwhile, or an old version holds the name"
            raise taken from None

    def _has(self, name: str, data: bytes) -> bool:
        """Whether `name` has exactly these bytes. Raises  NotFound; Unavailable; StoreError"""
        try:
            return self._bucket.get(name, bytes_max=len(data)) == data
        except LimitExceeded:
            return False

    def _confirm(self, name: str, data: bytes) -> None:
        """For storage without conditions: of names that are no hash, `config`, another writer's may have replaced ours."""
        if "/" not in name and not self._has(name, data):
            raise AlreadyExists(f"{name} exists already in {self.url}", why="another client wrote it at the same time")

    def _no_bytes(self, name: str, offset: int) -> bytes:
        """A range of nothing, which no storage can be asked for."""
        size = self._bucket.stat(name).size
        if offset > size:
            raise Malformed(
                f"{name} is too short", why=f"it has {size} bytes, bytes {offset} to {offset} are needed", file=name
            )
        return b""


def _just_before(name: str) -> str:
    return name[:-1] + chr(ord(name[-1]) - 1)
