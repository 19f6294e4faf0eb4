"""A repository that lies in a bucket that is to be saved, by whatever name its endpoint has."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest

from vault.app.directories import BucketAccess, refuse_own_repository
from vault.app.places import Place
from vault.app.wiring import SystemClock
from vault.bucket.place import parse_place
from vault.errors import UnsafeError

KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
GOOGLE = "https://storage.googleapis.com"


@pytest.mark.parametrize(
    ("repository", "own", "directory", "refused"),
    [
        ("s3://bucket/repo", "http://localhost:9000", "http://127.0.0.1:9000", True),
        ("s3://bucket/repo", "https://h", "https://h:443", True),
        ("s3://bucket/repo", "https://h", "https://other", False),
        ("s3://other/repo", "https://h", "https://h:443", False),
        ("gs://bucket/repo", "", GOOGLE, True),
        ("gs://bucket/repo", "", "https://h", False),
    ],
)
def test_the_same_bucket_by_another_name_is_refused(
    repository: str, own: str, directory: str, *, refused: bool
) -> None:
    environment = {
        **KEYS,
        "AWS_ENDPOINT_URL": own,
        "PGVAULT_DIR_FILES_AWS_ENDPOINT_URL": directory,
        **{f"PGVAULT_DIR_FILES_{name}": value for name, value in KEYS.items()},
    }
    access = BucketAccess(environment=environment, clock=SystemClock())
    expected: AbstractContextManager[object] = pytest.raises(UnsafeError, match="lies in") if refused else nullcontext()
    with expected:
        refuse_own_repository({"files": "s3://bucket"}, Place(bucket=parse_place(repository)), access)
