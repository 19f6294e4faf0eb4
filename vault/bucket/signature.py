"""Amazon's signature, version 4, of one request to S3. Pure: the time is an argument.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html; the example there is a test.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from vault.bucket.credentials import StaticKeys

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNRESERVED: Final = "-_.~"
_SIGNED: Final = ("host", "range")
_SIGNED_BEGINNINGS: Final = ("x-amz-", "if-", "content-")
"""What decides over the effect of a request; the rest belongs to whoever passes it on."""
_SPACES: Final = re.compile(" +")


def quoted_path(path: bytes) -> str:
    """As it stands in the request and in what is signed: S3 encodes once, and keeps empty parts."""
    return quote(path, safe="/" + _UNRESERVED)


def quoted_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe=_UNRESERVED)}={quote(query[name], safe=_UNRESERVED)}" for name in sorted(query))


def sign(
    method: str,
    path: str,
    query: str,
    *,
    headers: Mapping[str, str],
    body_sha256: str,
    keys: StaticKeys,
    region: str,
    now_ms: int,
) -> dict[str, str]:
    """`headers`, with those that sign them. `path` and `query` are quoted; `headers` have lower-case names, `host` among them, and
    values as they go over the line: each character a byte. What proxies change (`accept-encoding`, `user-agent`) is not signed."""
    now = _EPOCH + timedelta(milliseconds=now_ms)
    time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    given = {**headers, "x-amz-content-sha256": body_sha256, "x-amz-date": time}
    if keys.token:
        given["x-amz-security-token"] = keys.token
    signed = sorted(name for name in given if name in _SIGNED or name.startswith(_SIGNED_BEGINNINGS))
    names = ";".join(signed)
    lines = "".join(f"{name}:{_as_signed(given[name])}\n" for name in signed)
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{body_sha256}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode("latin-1")).hexdigest()))
    key = f"AWS4{keys.secret}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={keys.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**given, "authorization": authorization}


def _as_signed(value: str) -> str:
    """Spaces alone are counted once: of a text in UTF-8, 0x85 and 0xA0 are parts of letters."""
    return _SPACES.sub(" ", value.strip(" \t"))
