"""A bucket as a directory: the Protocols of reading and writing it, beside those of `ports`. Spec 88-files, "Buckets"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vault.model import Stamp
from vault.ports import SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An object as it is: `file` with all of its stamp, or with a `problem` and no bytes; `blocks` once, of at most 1 MiB each."""

    file: SourceFile
    blocks: Iterator[bytes]


@runtime_checkable
class BucketSource(Protocol):
    """A bucket as a directory (spec 88-files). `fetch` and `cancel` may be called from several threads, `scan` and `state` from one."""

    @property
    def bucket(self) -> str:
        """The bucket's name, if all of one is meant; empty for a part of one, and for all buckets, whose names keys begin with."""

    def scan(self) -> Iterator[SourceFile]:
        """Every object, ascending bytewise by path. Raises  SourceError, PermissionMissing, Unreachable"""

    def state(self, path: bytes, *, stamped: bool) -> SourceFile | None:
        """As `scan` gives it, of the object that `path` is the key of; None if there is none. `stamped`: the path is one that a
        scan gave. Raises  as `scan`"""

    def fetch(self, file: SourceFile) -> Fetched:
        """The object in the state of `file`. Raises  Incoherent: it has another one, as taking its bytes may; Unreachable"""

    def now(self, file: SourceFile) -> SourceFile | None:
        """Its state at this moment; None if it is gone. Raises  as `scan`"""

    def cancel(self) -> None:
        """Have what runs in other threads end soon. Never raises."""


class BucketTarget(Protocol):
    """A bucket that is written into, by any number of threads. `Stamp` as in the snapshot."""

    def write_object(
        self, path: bytes, blocks: Iterator[bytes], *, stamp: Stamp | None, replace: bool
    ) -> tuple[str, ...]:
        """All of `blocks` or nothing; what is there stays unless `replace`. `path` as of `BucketSource.state`.
        Gives the names of attributes that the bucket cannot have.

        Raises  UnsafeError: it came meanwhile; SourceError; PermissionMissing: for this object; CredentialsRefused: for all; Unreachable
        """

    def cancel(self) -> None:
        """As of BucketSource."""
