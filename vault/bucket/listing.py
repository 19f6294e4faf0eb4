"""Answers of S3 to ListObjectsV2, as values. Pure. Keys are bytes: what a key may be is nobody's rule here."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """`key` below the prefix, perhaps empty; `etag` without its quotes, empty where none is told."""

    key: bytes
    size: int
    modified_ns: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`next`: the token of the page after it, or empty."""

    objects: tuple[ListedObject, ...]
    next: str


def read_page(body: bytes, prefix: bytes) -> Page:
    """Objects in the order of the answer, `prefix` taken off. Raises  ValueError: it is no such answer"""
    root = _root(body, "ListBucketResult")
    quoted = _text(root, "EncodingType") == "url"
    objects = tuple(_object(child, prefix, quoted=quoted) for child in root if _name(child) == "Contents")
    more = _text(root, "IsTruncated") == "true"
    token = _text(root, "NextContinuationToken")
    if more and not token:
        raise ValueError("a page without the token of the next")
    return Page(objects=objects, next=token if more else "")


def read_buckets(body: bytes) -> list[str]:
    """Names of the buckets in an answer to ListBuckets. Raises  ValueError: it is no such answer"""
    root = _root(body, "ListAllMyBucketsResult")
    found = next((child for child in root if _name(child) == "Buckets"), None)
    return [] if found is None else sorted(_text(child, "Name") for child in found)


def plain_etag(etag: str) -> str:
    return etag.strip().replace('"', "")


def header_time_ns(text: str) -> int:
    """Of a header, in full seconds; 0 where it makes no sense."""
    try:
        return _ns(parsedate_to_datetime(text))
    except (TypeError, ValueError, OverflowError):
        return 0


class _WithoutDocumentType(ET.TreeBuilder):
    """A document type is what entities are made in, which may grow to anything, or name files. No storage sends one."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("a document type")


def parse_xml(body: bytes) -> ET.Element:
    """Raises  ValueError: no XML, or one with a document type"""
    try:
        return ET.fromstring(body, parser=ET.XMLParser(target=_WithoutDocumentType()))
    except (ET.ParseError, LookupError) as error:
        raise ValueError("no XML") from error


def _root(body: bytes, name: str) -> ET.Element:
    root = parse_xml(body)
    if _name(root) != name:
        raise ValueError("another document")
    return root


def _object(element: ET.Element, prefix: bytes, *, quoted: bool) -> ListedObject:
    text = _text(element, "Key")
    key = unquote_to_bytes(text.replace("+", " ")) if quoted else text.encode()
    if not key.startswith(prefix):
        raise ValueError("a key without the prefix")
    return ListedObject(
        key=key[len(prefix) :],
        size=int(_text(element, "Size")),
        modified_ns=_ns(datetime.fromisoformat(_text(element, "LastModified"))),
        etag=plain_etag(_text(element, "ETag")),
    )


def _ns(time: datetime) -> int:
    return (time.replace(tzinfo=time.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def _text(element: ET.Element, name: str) -> str:
    return next((child.text or "" for child in element if _name(child) == name), "")


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
