"""A bucket of somebody else's, read and written object by object, with every key as it is. S3 alone. Spec 88-files, "Buckets".

Nothing here knows of paths. Each object is read under the condition that it still has the etag it was listed with; bytes of two
states never become one stream. May be used from several threads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse
from itertools import chain
from typing import Final

from vault.bucket.connections import AGAIN, ATTEMPTS, Answer, Connections, RestRequest
from vault.bucket.credentials import Access, find_access
from vault.bucket.endpoints import GOOGLE, Storage, storage_at
from vault.bucket.listing import ListedObject, header_time_ns, plain_etag, read_buckets, read_page
from vault.bucket.multipart import MultipartUpload, is_completed, is_gone
from vault.bucket.place import ALL_BUCKETS, BucketPlace
from vault.errors import AlreadyExists, CredentialsRefused, NotFound, StoreError

PIECE_BYTES: Final = 1024 * 1024
UNKNOWN: Final = -1
"""Size of what is sent in chunks, as proxies do."""
PART_BYTES: Final = 5 * 1024 * 1024
"""What is longer is sent in parts, each held in memory; S3 takes none that are shorter."""
PART_GROWS_EVERY: Final = 1000
"""S3 takes 10,000 parts: growing by PART_BYTES after every so many, they hold 268 GiB."""
HEADERS: Final = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_META: Final = "x-amz-meta-"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no line of a header holds; every other byte it does."""


class Changed(Exception):
    """The object has not the etag any more that was asked for."""


class Archived(Exception):
    """The object lies in an archive and has to be asked back first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenObject:
    """What is read: its state, its attributes as in `model.Stamp`, and its bytes, once."""

    object: ListedObject
    attributes: tuple[tuple[str, str], ...]
    blocks: Iterator[bytes]


def storage_of(place: BucketPlace, environment: Mapping[str, str]) -> Storage:
    """Where its requests go, for comparison; Google's storage speaks S3 as well. Raises  as `find_access`"""
    if place.scheme == "gs":
        return storage_at(GOOGLE)
    return storage_at(str(find_access(place, environment).options.get("endpoint", "")))


class BucketObjects:
    """Keys are below the place's prefix."""

    def __init__(self, place: BucketPlace, environment: Mapping[str, str], now_ms: Callable[[], int]) -> None:
        """Nothing is sent. Raises  CredentialsRefused, Misconfigured, UnsafeError: as `find_access`; or no keys that can sign"""
        access = find_access(place, environment)
        _require_keys(place, access)
        self._place = place
        self._prefix = f"{place.prefix}/".encode() if place.prefix else b""
        self._connections = Connections(access, environment, now_ms)
        self._conditions = True
        self._every = place.bucket == ALL_BUCKETS

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def whole_bucket(self) -> str:
        """Its name, if keys are those of all of one bucket; else empty."""
        return "" if self._prefix or self._every else self._place.bucket

    def cancel(self) -> None:
        """End what runs in other threads. Never raises."""
        self._connections.cancel()

    def list(self, *, first: int = 1000) -> Iterator[ListedObject]:
        """Every object, bucket by bucket in the store's order. `first`: how many a page has at most. Raises  StoreError"""
        if not self._every:
            yield from self._list(b"/" + self._place.bucket.encode(), first=first)
            return
        for name in self._buckets():
            for item in self._list(b"/" + name.encode(), first=first):
                yield replace(item, key=name.encode() + b"/" + item.key)

    def _buckets(self) -> Sequence[str]:
        message = f"cannot list the buckets of {self.url}"
        answer = self._connections.ask(RestRequest(method="GET", path=b"/"))
        if answer.status != 200:
            raise self._connections.refused(answer, message)
        try:
            return read_buckets(answer.body)
        except ValueError as error:
            raise _no_storage(message) from error

    def _list(self, path: bytes, *, first: int) -> Iterator[ListedObject]:
        query = {"list-type": "2", "encoding-type": "url", "max-keys": str(first)}
        if self._prefix:
            query["prefix"] = self._prefix.decode()
        message, token = f"cannot list {self.url}", ""
        while True:
            asked = {**query, "continuation-token": token} if token else query
            answer = self._connections.ask(RestRequest(method="GET", path=path, query=asked))
            if answer.status != 200:
                raise self._connections.refused(answer, message)
            try:
                page = read_page(answer.body, self._prefix)
            except ValueError as error:
                raise _no_storage(message) from error
            yield from page.objects
            if not page.next:
                return
            if page.next == token:
                raise StoreError(message, why="the storage gives the same page again and again")
            token = page.next

    def stat(self, key: bytes) -> ListedObject | None:
        """Its state now, its time in full seconds; None if it is not there. Raises  StoreError"""
        answer = self._ask("HEAD", key)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._connections.refused(answer, f"cannot look at it in {self.url}")
        return _state(key, answer, int(answer.headers.get("content-length", "0")))

    def open(self, key: bytes, etag: str) -> OpenObject:
        """Read it as it was when it had `etag`; an empty one takes what is there.

        Raises  Changed; Archived; NotFound; StoreDenied; StoreError; Unavailable. So does taking its bytes
        """
        stream = self._stream(key, etag, 0)
        answer, blocks = next(stream), (piece for piece in stream if isinstance(piece, bytes))
        assert isinstance(answer, Answer)
        size = int(answer.headers.get("content-length", UNKNOWN))
        return OpenObject(object=_state(key, answer, size), attributes=_attributes(answer.headers), blocks=blocks)

    def put(
        self, key: bytes, blocks: Iterator[bytes], attributes: Mapping[str, str], *, replace: bool
    ) -> tuple[str, ...]:
        """All of `blocks`, or nothing; which of `attributes` are left out, as no header here can say them.

        Raises  AlreadyExists: it is there, unless `replace`; StoreDenied; StoreFull; StoreError; Unavailable
        """
        parts = _parts(blocks)
        first, second = next(parts, b""), next(parts, None)
        said = _headers(attributes)
        headers = dict(said.values())
        condition = {} if replace else {"if-none-match": "*"}
        if second is None:
            self._put_new(key, first, headers=headers, condition=condition)
        else:
            self._put_parts(key, chain((first, second), parts), headers=headers, condition=condition)
        return tuple(sorted(attributes.keys() - said.keys()))

    # --- how ---------------------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        key: bytes,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        return self._connections.ask(
            RestRequest(method=method, path=self._path(key), query=query or {}, headers=headers or {}, body=body)
        )

    def _path(self, key: bytes) -> bytes:
        """Of all buckets, keys begin with their names."""
        return b"/" + key if self._every else b"/".join((b"", self._place.bucket.encode(), self._prefix + key))

    def _stream(self, key: bytes, etag: str, offset: int) -> Iterator[Answer | bytes]:
        """The first answer, then its bytes; where the connection breaks they go on from where they stopped."""
        total: int | None = None
        attempt = 0
        while True:
            headers = {"if-match": f'"{etag}"'} if etag and not etag.startswith("W/") else {}
            if offset:
                headers["range"] = f"bytes={offset}-"
            request = RestRequest(method="GET", path=self._path(key), headers=headers)
            try:
                with self._connections.opened(request) as (answer, response):
                    if answer.status not in AGAIN:
                        self._require(answer, response, etag, partial=bool(offset))
                        if total is None:
                            etag = etag or plain_etag(answer.headers.get("etag", ""))
                            total = int(answer.headers.get("content-length", UNKNOWN))
                            yield answer
                        while piece := response.read(PIECE_BYTES):
                            yield piece
                            offset, attempt = offset + len(piece), 0
                        if offset >= total or total == UNKNOWN:  # in chunks: one that is missing has raised
                            return
                    elif attempt + 1 == ATTEMPTS:
                        raise self._connections.refused(_with_body(answer, response), f"cannot read it in {self.url}")
            except (OSError, HTTPException) as error:
                if attempt + 1 == ATTEMPTS:
                    raise self._connections.unavailable(error) from error
            self._connections.pause(attempt)
            attempt += 1

    def _require(self, answer: Answer, response: HTTPResponse, etag: str, *, partial: bool) -> None:
        """Raises  Changed; as `Connections.refused`"""
        message = f"cannot read it in {self.url}"
        if answer.status in (412, 416) or (partial and answer.status == 200):
            response.read()
            raise Changed("while it was read")
        if answer.status not in (200, 206):
            answer = _with_body(answer, response)
            if b"<Code>InvalidObjectState</Code>" in answer.body:
                raise Archived
            raise self._connections.refused(answer, message)
        told = plain_etag(answer.headers.get("etag", ""))
        if etag and told != etag:
            raise Changed("since it was listed")

    def _put_new(self, key: bytes, body: bytes, *, headers: Mapping[str, str], condition: Mapping[str, str]) -> None:
        message = f"cannot write it in {self.url}"
        for attempt in range(ATTEMPTS):
            if condition and not self._conditions and self.stat(key) is not None:
                raise _taken(message)
            asked = condition if self._conditions else {}
            answer = self._ask("PUT", key, headers={**headers, **asked}, body=body)
            if answer.status == 501 and asked:
                self._conditions = False
                continue
            if answer.status == 409 and attempt + 1 < ATTEMPTS:  # another conditional request for it is under way
                self._connections.pause(attempt)
                continue
            if answer.status == 412:
                if answer.repeated and self._holds(
                    key, len(body), sha256=hashlib.sha256(body).digest(), headers=headers
                ):
                    return  # the answer to our own was lost
                raise _taken(message)
            if answer.status != 200:
                raise self._connections.refused(answer, message)
            return
        raise _taken(message)

    def _put_parts(
        self, key: bytes, parts: Iterator[bytes], *, headers: Mapping[str, str], condition: Mapping[str, str]
    ) -> None:
        message = f"cannot write it in {self.url}"
        if condition and self.stat(key) is not None:
            raise _taken(message)
        upload = MultipartUpload(self._connections, self._path(key), message)
        upload.begin(headers)
        try:
            for part in parts:
                upload.send(part)
            answer = self._completed(key, upload, condition)
            if is_completed(answer):
                return
            broken = answer.status == 200 and b"<Error>" not in answer.body
            lost = answer.repeated and (answer.status in (404, 412) or is_gone(answer))
            if (broken or lost) and self._holds(key, upload.size, sha256=upload.sha256, headers=headers):
                return  # by the request whose answer was lost
            if answer.status == 412:
                raise _taken(message)
            raise _no_storage(message) if broken else upload.refusal(answer)
        except BaseException:
            upload.abort()
            raise

    def _completed(self, key: bytes, upload: MultipartUpload, condition: Mapping[str, str]) -> Answer:
        if condition and self._conditions:
            answer = upload.complete(condition)
            if answer.status != 501:
                return answer
            self._conditions = False
        if condition and self.stat(key) is not None:
            raise _taken(f"cannot write it in {self.url}")
        return upload.complete({})

    def _holds(self, key: bytes, size: int, *, sha256: bytes, headers: Mapping[str, str]) -> bool:
        """Whether what stands there is what was sent, byte for byte and with its attributes. Its bytes are read as a stream."""
        found = self.stat(key)
        if found is None or found.size != size:
            return False
        digest = hashlib.sha256()
        try:
            opened = self.open(key, found.etag)
            if not set(_attributes(headers)) <= set(opened.attributes):
                return False
            for block in opened.blocks:
                digest.update(block)
        except (Changed, Archived, NotFound):
            return False
        return digest.digest() == sha256


def _parts(blocks: Iterator[bytes]) -> Iterator[bytes]:
    part, number = bytearray(), 0
    for block in blocks:
        part += block
        length = PART_BYTES * (1 + number // PART_GROWS_EVERY)
        while len(part) >= length:
            yield bytes(part[:length])
            del part[:length]
            number += 1
    if part:
        yield bytes(part)


def _state(key: bytes, answer: Answer, size: int) -> ListedObject:
    return ListedObject(
        key=key,
        size=size,
        modified_ns=header_time_ns(answer.headers.get("last-modified", "")),
        etag=plain_etag(answer.headers.get("etag", "")),
    )


def _attributes(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers come as Latin-1 and mean UTF-8 where they are."""
    own = {f"meta-{name.removeprefix(_META)}": value for name, value in headers.items() if name.startswith(_META)}
    known = {name: headers[name] for name in HEADERS if headers.get(name)}
    return tuple(sorted((_utf8(name), _utf8(value)) for name, value in {**own, **known}.items()))


def _headers(attributes: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """By the names of `attributes`, what goes over the line: name and value of each that can be a header here.

    White space at the ends is none of a header's value: servers take it off, each its own kinds, also before they compare signatures.
    """
    found: dict[str, tuple[str, str]] = {}
    for attribute, value in attributes.items():
        own = attribute.startswith("meta-")
        name, line = _META + attribute.removeprefix("meta-") if own else attribute, value.encode().decode("latin-1")
        if (
            (own or attribute in HEADERS)
            and _NAME.fullmatch(name)
            and not _CONTROL.search(line)
            and value == value.strip()
        ):
            found[attribute] = name, line
    return found


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _require_keys(place: BucketPlace, access: Access) -> None:
    """Raises  CredentialsRefused: signing wants keys that are known here"""
    if access.keys is None and not access.options.get("skip_signature"):
        raise CredentialsRefused(
            f"no keys for {place.url}",
            why="a bucket that is a directory is asked with a key id and a secret; roles and single sign-on obtain none here",
            hint='eval "$(aws configure export-credentials --format env)", then run the command again',
        )


def _with_body(answer: Answer, response: HTTPResponse) -> Answer:
    return Answer(status=answer.status, headers=answer.headers, body=response.read(65536))


def _no_storage(message: str) -> StoreError:
    return StoreError(message, why="what answers there is no object storage", hint="check the endpoint")


def _taken(message: str) -> AlreadyExists:
    return AlreadyExists(message, why="it is there already")
