"""Buckets as directories, for tests: opened over a real server, and what a test does to them in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from tests.bucket_servers import BucketServer
from vault.bucket.objects import BucketObjects
from vault.bucket.place import parse_directory
from vault.ports import SourceFile
from vault.source.files.bucket import BucketFiles


def objects_of(server: BucketServer, url: str, **environment: str) -> BucketObjects:
    given = {**server.environment, **environment}
    return BucketObjects(parse_directory(url), given, lambda: time.time_ns() // 10**6)


def fill(server: BucketServer, url: str, contents: Mapping[bytes, bytes], **attributes: str) -> None:
    objects = objects_of(server, url)
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    for key, content in contents.items():
        objects.put(key, iter([content]), named, replace=True)


def empty(server: BucketServer, url: str, *keys: str) -> None:
    """Remove these objects."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    for key in keys:
        server.s3().delete_object(Bucket=bucket, Key=f"{prefix}/{key}" if prefix else key)


class Meanwhile(BucketFiles):
    """`happens` after the listing and before the first object is read."""

    happens: Callable[[], None] = staticmethod(lambda: None)

    def scan(self) -> Iterator[SourceFile]:
        found = list(super().scan())
        self.happens()
        yield from found
