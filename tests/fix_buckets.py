"""Servers of buckets for tests: one of each kind a process of pytest, started when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.bucket_servers import SERVERS, BucketServer


class BucketServers:
    """By kind, as Majors are by major."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, BucketServer] = {}

    def __getitem__(self, kind: str) -> BucketServer:
        """The server of `kind`. Raises LookupError without moto; skips the test without another one"""
        if kind not in self._started:
            try:
                self._started[kind] = self._stack.enter_context(SERVERS[kind]())
            except LookupError as missing:
                pytest.skip(str(missing))
        return self._started[kind]


@pytest.fixture(scope="session")
def bucket_servers() -> Iterator[BucketServers]:
    with ExitStack() as stack:
        yield BucketServers(stack)


@pytest.fixture(scope="session", params=list(SERVERS))
def bucket_server(request: pytest.FixtureRequest, bucket_servers: BucketServers) -> BucketServer:
    """Each kind of server in turn."""
    return bucket_servers[request.param]


@pytest.fixture(scope="session")
def s3_server(bucket_servers: BucketServers) -> BucketServer:
    """The one that is there everywhere."""
    return bucket_servers["moto"]
