"""One bucket, as calls that either did what they say or raise one of our errors. The only module that knows the client library.

The library repeats requests that found no answer or an overloaded storage, with growing pauses; nothing here sleeps. A bucket that
has answered before is asked again with more patience, so that a wrong endpoint is told soon and an outage of minutes is waited for.
No request has a total timeout worth the name: a slow uplink is no error. Reads and small writes end when nothing moves for a minute.
Calls block and do not hear SIGINT: `repo.workers` puts them on threads. May be used from several threads. Spec 70-store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from vault.bucket.credentials import Access, find_access
from vault.bucket.errors import broke_off, conditions_unknown, tell_origin, translate, unanswered
from vault.bucket.place import BucketPlace
from vault.errors import (
    AlreadyExists,
    LimitExceeded,
    Malformed,
    Misconfigured,
    NotFound,
    StoreError,
    Unavailable,
    VaultError,
)

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    Client = S3Store | GCSStore | AzureStore

T = TypeVar("T")

CONNECT_S: Final = 10
IDLE_S: Final = 60
"""Without a byte of an answer; a request's own bytes count into it, so large writes have no such limit."""
REQUEST_S: Final = 3600
"""96 MiB, the largest pack, at 27 KB a second."""
SMALL_BYTES_MAX: Final = 256 * 1024
"""A write that passes in IDLE_S at 4 KB a second, and uses the connections of the reads."""
BROKEN_OFF_TRIES: Final = 4
"""Of what the storage began to answer; a page of a listing that came starts the count anew."""
PAGE: Final = 1000
"""Names an answer to LIST has at most, in every storage."""
DELETES_MAX: Final = 1000
"""Names a request to delete many takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketObject:
    """`key` is below the place's prefix; `modified_ms` is the storage's clock; `etag` is empty where none is told."""

    key: str
    size: int
    modified_ms: int
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and for how long from the first request on, the library asks again. A test may have less."""

    retries: int
    seconds: float


QUICK: Final = Patience(retries=6, seconds=20)
"""Pauses of 0.1 s that grow by half: about 2 s where the connection is refused at once."""
PATIENT: Final = Patience(retries=24, seconds=180)


def connect(
    place: BucketPlace, environment: Mapping[str, str], *, quick: Patience = QUICK, patient: Patience = PATIENT
) -> Bucket:
    """Nothing is sent yet.

    Raises  Misconfigured: the extra is not installed, or what the environment says makes no sense; CredentialsRefused: it says
            nothing; UnsafeError: plain http that nobody allowed
    """
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise Misconfigured(
            f"{place.url}: the client of object storage is not installed",
            why="it is an extra of pgvault",
            hint="pip install 'pgvault[s3]'",
        ) from error
    return Bucket(place, find_access(place, environment), quick=quick, patient=patient)


class Bucket:
    """Keys are relative to the place's prefix."""

    def __init__(self, place: BucketPlace, access: Access, *, quick: Patience, patient: Patience) -> None:
        self._place = place
        self._access = access
        self._quick, self._patient = quick, patient
        self._clients: dict[tuple[Patience, bool], Client] = {}
        self._answered = False
        self.conditions = True
        """False once the storage refused a condition: then nothing stops two writers of one key."""

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def begins_anywhere(self) -> bool:
        """Whether a listing that goes on behind a key costs nothing for what lies before it. Azure lists from the start."""
        return self._place.scheme != "az"

    def put_new(self, key: str, data: bytes) -> None:
        """Create `key`. Where the storage has no conditions (`conditions`) it is looked for, then put.

        Raises  AlreadyExists: it is there, perhaps by this very call, whose first answer was lost; Unavailable: it may come to be
                there yet; StoreFull; StoreDenied; StoreError
        """
        if self.conditions:
            try:
                self._put(key, data, "create")
                return
            except _NoConditions:
                self.conditions = False
        try:
            self.stat(key)
        except NotFound:
            self._put(key, data, "overwrite")
        else:
            raise AlreadyExists(f"{key} exists already in {self.url}")

    def put(self, key: str, data: bytes) -> None:
        """Create or replace `key`. Raises  as `put_new`, but never AlreadyExists"""
        self._put(key, data, "overwrite")

    def get(self, key: str, *, bytes_max: int) -> bytes:
        """Raises  NotFound; LimitExceeded: it has more than `bytes_max`; Unavailable; StoreError"""

        def read(client: Client) -> bytes:
            result = client.get(key)
            size = result.meta["size"]
            self._require_storage(f"cannot read {key} in {self.url}", result.meta)
            if size > bytes_max:
                raise LimitExceeded(
                    f"{key} is too large", why=f"it has {size} bytes, {bytes_max} are allowed", file=key
                )
            return self._exactly(key, bytes(result.bytes()), size)

        return self._call(f"cannot read {key} in {self.url}", read, key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, of which there is at least one. Raises  NotFound; Malformed: the object is shorter; Unavailable; StoreError"""
        assert offset >= 0
        assert length > 0
        data = self._call(
            f"cannot read {key} in {self.url}",
            lambda client: bytes(client.get_range(key, start=offset, length=length)),
            key,
        )
        return self._exactly(key, data, length)

    def stat(self, key: str) -> BucketObject:
        """Raises  NotFound, which of a HEAD may also mean that there is no such bucket; Unavailable; StoreError"""
        message = f"cannot look at {key} in {self.url}"
        meta = self._call(message, lambda client: client.head(key), key)
        self._require_storage(message, meta)
        return _object(meta)

    def list(self, directory: str = "", *, after: str = "") -> Iterator[BucketObject]:
        """Objects below `directory`, which is empty or ends in a slash, in the storage's order, page by page; `after`: a key, to go
        on behind it."""
        assert directory == "" or directory.endswith("/")
        message = f"cannot list {directory or 'the objects'} of {self.url}"
        last, ordered, tries = after, True, BROKEN_OFF_TRIES
        while True:
            try:
                for page in self._pages(message, directory, after, first=tries == BROKEN_OFF_TRIES):
                    tries = BROKEN_OFF_TRIES
                    for found in map(_object, page):
                        if after and found.key <= after:
                            continue  # given already, by storage that cannot begin there
                        ordered = ordered and found.key > last
                        last = found.key
                        yield found
                return
            except Unavailable:
                # A page that broke off is not asked for again by the library: go on behind the last key.
                tries -= 1
                if not (self._answered and ordered and tries):
                    raise
                after = last

    def _pages(self, message: str, directory: str, after: str, *, first: bool) -> Iterator[Sequence[Any]]:
        client = self._client(self._quick if first else self._patient, large=False)
        pages = client.list(directory[:-1] or None, offset=after or None, chunk_size=PAGE)
        while (page := self._translated(message, lambda: next(pages, None), tries=1)) is not None:
            self._answered = True
            yield page

    def delete(self, keys: Sequence[str]) -> None:
        """Remove them, a thousand at a time. A key that is not there is no error.

        Raises  StoreDenied, Unavailable, StoreError: at least one of them is still there
        """
        for start in range(0, len(keys), DELETES_MAX):
            some = list(keys[start : start + DELETES_MAX])
            message = f"cannot delete {some[0] if len(some) == 1 else f'{len(some)} files'} in {self.url}"
            try:
                self._call(message, partial(_delete, some))
            except NotFound:
                # Google and Azure say so of one that is not there, and of the others nothing.
                if len(some) > 1:
                    for key in some:
                        self.delete([key])

    # --- how ---------------------------------------------------------------------------------------

    def _put(self, key: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        """Raises  _NoConditions: `create` is a kind of request that the storage does not know"""
        from obstore.exceptions import BaseError

        def write(client: Client) -> None:
            try:
                client.put(key, data, mode=mode, use_multipart=False)
            except BaseError as error:
                if mode == "create" and conditions_unknown(str(error)):
                    raise _NoConditions from error
                raise

        self._call(f"cannot write {key} in {self.url}", write, key, large=len(data) > SMALL_BYTES_MAX)

    def _require_storage(self, message: str, meta: Any) -> None:
        """Any page with status 200 would do otherwise. Raises  StoreError"""
        if not meta["e_tag"]:
            raise StoreError(message, why="what answers there is no object storage", hint="check the endpoint")

    def _exactly(self, key: str, data: bytes, length: int) -> bytes:
        if len(data) != length:
            raise Malformed(
                f"{key} is too short", why=f"{length} bytes of it were asked for, {len(data)} came", file=key
            )
        return data

    def _call(self, message: str, call: Callable[[Client], T], key: str = "", *, large: bool = False) -> T:
        tries = 1 if large else BROKEN_OFF_TRIES
        try:
            result = self._translated(message, lambda: call(self._client(self._quick, large=large)), key, tries=tries)
        except Unavailable:
            if not self._answered:
                raise
            result = self._translated(message, lambda: call(self._client(self._patient, large=large)), key, tries=tries)
        self._answered = True
        return result

    def _translated(self, message: str, call: Callable[[], T], key: str = "", *, tries: int) -> T:
        """`tries`: how often to ask for what broke off in the middle, after which the library does not ask again."""
        from obstore.exceptions import BaseError

        while True:
            try:
                return call()
            except (BaseError, FileNotFoundError, ValueError, OSError) as error:
                text = str(error)
                if broke_off(text) or not unanswered(text):
                    self._answered = True
                tries -= 1
                if not (broke_off(text) and tries):
                    failed = translate(text, message, kind=type(error).__name__, file=key, place=self._place)
                    tell_origin(failed, place=self._access.place, who=self._access.who)
                    raise self._without_secrets(failed) from None

    def _without_secrets(self, error: VaultError) -> VaultError:
        for secret in self._access.secrets():
            error.message, error.why = error.message.replace(secret, "..."), error.why.replace(secret, "...")
        error.args = (error.message,)
        return error

    def _client(self, patience: Patience, *, large: bool) -> Client:
        kept = self._clients.get((patience, large))
        if kept is None:
            kept = self._clients[patience, large] = _make_client(self._place, self._access, patience, large=large)
        return kept


def _delete(keys: Sequence[str], client: Client) -> None:
    client.delete(keys)


class _NoConditions(Exception):
    """The storage has no If-None-Match."""


def _object(meta: Any) -> BucketObject:
    return BucketObject(
        key=meta["path"],
        size=meta["size"],
        modified_ms=int(meta["last_modified"].timestamp() * 1000),
        etag=meta["e_tag"] or "",
    )


def _make_client(place: BucketPlace, access: Access, patience: Patience, *, large: bool) -> Client:
    from obstore.store import AzureStore, GCSStore, S3Store

    client_options: dict[str, Any] = {
        "allow_http": access.allow_http,
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "timeout": timedelta(seconds=REQUEST_S),
        "user_agent": "pgvault",
    }
    if not large:
        client_options["read_timeout"] = timedelta(seconds=IDLE_S)
    if access.certificates:
        client_options["root_certificate"] = access.certificates
    common: dict[str, Any] = {
        "prefix": place.prefix or None,
        "config": dict(access.options),
        "client_options": client_options,
        "retry_config": {"max_retries": patience.retries, "retry_timeout": timedelta(seconds=patience.seconds)},
    }
    if place.scheme == "gs":
        return GCSStore(place.bucket, **common)
    if place.scheme == "az":
        return AzureStore(place.bucket, **common)
    if provider := _provider(access):
        common["credential_provider"] = provider
    return S3Store(place.bucket, **common)


def _provider(access: Access) -> Callable[[], Any] | None:
    """What gives the library its keys. So they are in no configuration of its own, and none of its own search is mixed with them."""
    if access.keys is not None:
        keys = access.keys

        def static() -> dict[str, Any]:
            return {
                "access_key_id": keys.key_id,
                "secret_access_key": keys.secret,
                "token": keys.token or None,
                "expires_at": None,
            }

        return static
    return _boto3_provider(access.boto3_profile) if access.boto3_profile else None


def _boto3_provider(profile: str) -> Callable[[], Any]:
    """Raises  Misconfigured: boto3 is not installed"""
    try:
        import boto3  # type: ignore[import-untyped]
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise Misconfigured(
            f"profile {profile} has no keys of its own",
            why="single sign-on, roles and programs of a profile are obtained by boto3, which is not installed",
            hint=f'pip install boto3; or: eval "$(aws configure export-credentials --profile {profile} --format env)"',
        ) from error
    provider: Callable[[], Any] = Boto3CredentialProvider(boto3.Session(profile_name=profile))
    return provider
