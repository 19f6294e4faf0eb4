"""The signature of S3's requests, on the example of Amazon's own page."""

from __future__ import annotations

import hashlib

from vault.bucket.credentials import StaticKeys
from vault.bucket.signature import quoted_path, quoted_query, sign

KEYS = StaticKeys(key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
MAY_24_2013_MS = 1_369_353_600_000
EMPTY = hashlib.sha256(b"").hexdigest()


def test_the_example_of_the_documentation_that_gets_an_object() -> None:
    signed = sign(
        "GET",
        "/test.txt",
        "",
        headers={"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9"},
        body_sha256=EMPTY,
        keys=KEYS,
        region="us-east-1",
        now_ms=MAY_24_2013_MS,
    )
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_the_example_of_the_documentation_that_lists() -> None:
    signed = sign(
        "GET",
        "/",
        quoted_query({"prefix": "J", "max-keys": "2"}),
        headers={"host": "examplebucket.s3.amazonaws.com"},
        body_sha256=EMPTY,
        keys=KEYS,
        region="us-east-1",
        now_ms=MAY_24_2013_MS,
    )
    assert signed["authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_a_session_token_is_signed_and_no_value_shows_a_secret() -> None:
    keys = StaticKeys(key_id="K", secret="geheim", token="token")
    signed = sign(
        "GET", "/", "", headers={"host": "h"}, body_sha256=EMPTY, keys=keys, region="r", now_ms=MAY_24_2013_MS
    )
    assert signed["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in signed["authorization"]
    assert "geheim" not in repr(keys) + repr(signed)


def test_every_byte_of_a_key_is_quoted_once_and_slashes_stay() -> None:
    assert quoted_path(b"/b//a/../%25\xff +~") == "/b//a/../%2525%FF%20%2B~"


def test_what_proxies_change_is_not_signed_and_what_decides_is() -> None:
    given = ["host", "range", "if-match", "if-none-match", "content-type", "content-encoding", "x-amz-meta-a"]
    passing = ["accept-encoding", "user-agent", "cache-control", "expires"]
    signed = sign(
        "PUT",
        "/",
        "",
        headers=dict.fromkeys([*given, *passing], "v"),
        body_sha256=EMPTY,
        keys=KEYS,
        region="r",
        now_ms=MAY_24_2013_MS,
    )
    names = signed["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert names == sorted([*given, "x-amz-content-sha256", "x-amz-date"])
    assert set(passing) <= signed.keys()
