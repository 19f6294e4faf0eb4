"""The store of a repository in a bucket of the tests' servers."""

from __future__ import annotations

from typing import Final

from tests.bucket_servers import BucketServer
from vault.bucket.client import Patience, connect
from vault.bucket.place import parse_place
from vault.store.object_storage import ObjectStorage

LONG: Final = Patience(retries=10, seconds=60)
SHORT: Final = Patience(retries=2, seconds=20)
"""For what is to fail in the end: each further try waits longer."""
PREFIX: Final = "pre fix/ü+&='(1)~"
"""Every character that a part of a URL, a query or a signature writes in a way of its own."""


def store_in(server: BucketServer, url: str = "", *, patience: Patience = LONG) -> ObjectStorage:
    """Of `url`, else of a new bucket."""
    place = parse_place(url or f"{server.new_bucket()}/{PREFIX}")
    return ObjectStorage(connect(place, server.environment, quick=patience, patient=patience))
