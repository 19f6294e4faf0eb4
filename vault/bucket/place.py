"""What a bucket and a prefix in it are called: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`. Pure.

Invariant: a place never holds a credential, and no refusal repeats a text that might.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from vault.errors import UsageError

Scheme = Literal["s3", "gs", "az"]
SCHEMES: Final = ("s3", "gs", "az")
KIND: Final = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}

PREFIX_BYTES_MAX: Final = 512
"""Keys have 1,024 bytes everywhere; names below a prefix take at most 255 of them."""
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
"""Names that were made before today's rules are longer and have capitals; nothing here has a `@`, a `:` or a space."""
_NO_SEGMENTS: Final = ("", ".", "..")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlace:
    """`prefix` has no slash at its ends; empty is the whole bucket."""

    scheme: Scheme
    bucket: str
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def names_bucket(text: str) -> bool:
    """Whether `text` is meant as a bucket's, right or wrong."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def parse_place(text: str) -> BucketPlace:
    """Raises  UsageError: no such scheme, no bucket, a credential or a query in it, or a prefix that is no part of a key everywhere"""
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        raise UsageError(
            f"unknown kind of bucket {scheme}://",
            hint="s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
        )
    bucket, _, path = rest.partition("/")
    example = f"{scheme}://BUCKET/PREFIX"
    if "@" in bucket or ":" in bucket:
        raise UsageError(
            f"a {scheme}:// name holds a bucket and a prefix, nothing else",
            why="what stands before an @ or behind a : could be a secret, and names are shown in lists and messages",
            hint=f"{example}; keys and endpoints come from the environment: pgvault help buckets",
        )
    if any(sign in rest for sign in "?#"):
        raise UsageError(
            f"a {scheme}:// name has no ? and no #",
            why="nothing is set in it",
            hint=f"{example}; see pgvault help buckets",
        )
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{text}: not a bucket's name", why="letters, digits, dots, hyphens", hint=example)
    prefix = path[:-1] if path.endswith("/") else path
    if fault := _prefix_fault(prefix):
        raise UsageError(f"{text}: not a prefix", why=fault, hint=example)
    return BucketPlace(scheme=cast(Scheme, scheme), bucket=bucket, prefix=prefix)


ALL_BUCKETS: Final = "*"
"""In the place of a bucket's name: all that the endpoint has, each the first part of its keys."""


def parse_directory(text: str) -> BucketPlace:
    """Of a directory that is a bucket: as `parse_place`, or `s3://*`. Raises  as `parse_place`; UsageError: of another kind than S3"""
    if text.rstrip("/") == f"s3://{ALL_BUCKETS}":
        return BucketPlace(scheme="s3", bucket=ALL_BUCKETS)
    place = parse_place(text)
    if place.scheme != "s3":
        hint = "copy it to a directory, and name that"
        if place.scheme == "gs":
            hint = "Google's storage speaks S3 too: s3://BUCKET, with AWS_ENDPOINT_URL=https://storage.googleapis.com and HMAC keys"
        raise UsageError(
            f"{text}: not a directory yet",
            why=f"buckets of {KIND[place.scheme]} are not read object by object",
            hint=hint,
        )
    return place


def _prefix_fault(prefix: str) -> str:
    if prefix == "":
        return ""
    if len(prefix.encode("utf-8", "surrogateescape")) > PREFIX_BYTES_MAX:
        return f"it has more than {PREFIX_BYTES_MAX} bytes"
    if any(segment in _NO_SEGMENTS for segment in prefix.split("/")):
        return "a part between slashes is empty, . or .."
    if not prefix.isprintable() or any(sign in prefix for sign in "%\\*"):
        return "it has a control character, %, * or a backslash, which some storage reads in its own way"
    return ""
