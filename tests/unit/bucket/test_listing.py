"""Answers to ListObjectsV2: what is read from them, and what is none."""

from __future__ import annotations

import pytest

from vault.bucket.listing import header_time_ns, plain_etag, read_page

HEAD = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
CONTENTS = (
    "<Contents><Key>{}</Key><LastModified>2026-11-30T09:57:28.123Z</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>5</Size></Contents>"
)
QUOTED = "<EncodingType>url</EncodingType>"


def page(*keys: str, before: str = "") -> bytes:
    return (HEAD + before + "".join(CONTENTS.format(key) for key in keys) + "</ListBucketResult>").encode()


def test_an_object_of_a_listing() -> None:
    (found,) = read_page(page("p/a"), b"p/").objects
    assert (found.key, found.size, found.etag) == (b"a", 5, "abc")
    assert found.modified_ns == 1_796_032_648_123_000_000


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b%2Bc", b"a b+c"),
        ("a%01%FF", b"a\x01\xff"),
        ("%252F", b"%2F"),
        ("..%2F%2Fx", b"..//x"),
        ("", b""),
    ],
)
def test_keys_of_a_quoted_listing_are_bytes(written: str, key: bytes) -> None:
    assert read_page(page(written, before=QUOTED), b"").objects[0].key == key


def test_keys_of_a_plain_listing_stand_for_themselves() -> None:
    assert read_page(page("a+b%2B &amp;"), b"").objects[0].key == b"a+b%2B &"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome</body></html>",
        b"",
        b"not xml",
        page("other/a"),
        page("a", before="<IsTruncated>true</IsTruncated>"),
        page("a").replace(b"<Size>5</Size>", b""),
        page("a").replace(b"2026-", b"soon-"),
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + page("a"),
        b"<!--" + b" " * 5_000 + b'--><!DOCTYPE x [<!ENTITY a "aaaa">]>' + page("&a;").partition(b"?>")[2],
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + page("&a;").decode().partition("?>")[2]).encode("utf-16"),
        b'<?xml version="1.0" encoding="no-such"?><ListBucketResult/>',
        page("a").replace(b"<Size>5</Size>", b"<Size>" + b"9" * 5_000 + b"</Size>"),
    ],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says is not shown
        read_page(body, b"p/" if b"other" in body else b"")


def test_etags_without_their_quotes_and_times_of_headers() -> None:
    assert [plain_etag(etag) for etag in ('"a-2"', "a", 'W/"a"', "")] == ["a-2", "a", "W/a", ""]
    assert header_time_ns("Mon, 30 Nov 2026 09:57:28 GMT") == 1_796_032_648_000_000_000
    assert header_time_ns("soon") == 0
    assert header_time_ns("Mon, 30 Nov 99999999999 09:57:28 GMT") == 0
