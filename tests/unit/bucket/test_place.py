"""What a bucket is called, and what is refused."""

from __future__ import annotations

import pytest

from vault.bucket.place import BucketPlace, names_bucket, parse_place
from vault.errors import UsageError


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://backups", "backups", ""),
        ("s3://backups/", "backups", ""),
        ("s3://backups/app", "backups", "app"),
        ("gs://back.ups-1/a/b c/ü/", "back.ups-1", "a/b c/ü"),
        ("az://container/x", "container", "x"),
    ],
)
def test_place_is_a_bucket_and_a_prefix(text: str, bucket: str, prefix: str) -> None:
    place = parse_place(text)
    assert (place.bucket, place.prefix) == (bucket, prefix)
    assert place.url == text.rstrip("/")
    assert parse_place(place.url) == place


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3:///prefix",
        "s3://a",
        "s3://bucket//x",
        "s3://bucket/a//b",
        "s3://bucket/a/../b",
        "s3://bucket/./a",
        "s3://bucket/a//",
        "s3://bucket/a%2Fb",
        "s3://bucket/a\\b",
        "s3://bucket/a*",
        "s3://bucket/a\nb",
        "s3://buck et/a",
        "s3://bücket/a",
        "s3://bucket/" + "a" * 513,
        "ftp://bucket/a",
    ],
)
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_place(text)
    assert "://" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hunter2hunter2@bucket/prefix",
        "s3://hunter2hunter2@bucket",
        "gs://bucket:hunter2hunter2/prefix",
        "az://container/prefix?sig=hunter2hunter2",
        "az://container/prefix#hunter2hunter2",
    ],
)
def test_a_credential_in_a_name_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_place(text)
    error = caught.value
    assert "hunter2" not in f"{error.message} {error.why} {error.hint} {error.args}"


def test_a_bucket_is_told_from_a_path_by_its_scheme() -> None:
    assert [names_bucket(text) for text in ("s3://b", "S3://b", "gs://b", "az://b")] == [True] * 4
    assert [names_bucket(text) for text in ("/s3/b", "s3:b", "file:///b", "b")] == [False] * 4
    assert BucketPlace(scheme="s3", bucket="b-1").url == "s3://b-1"
