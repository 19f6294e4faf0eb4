"""What an answer of object storage means: the one table from providers' codes to our errors. Pure. Spec 70-store, "Object storage".

The client library says what went wrong as text alone; everything that is known of that text is here.
Invariant: no header, no signature, no URL and no body of an answer reaches an error, but for the provider's one-line message.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vault.bucket.place import BucketPlace
from vault.errors import (
    AlreadyExists,
    CredentialsRefused,
    Malformed,
    NoRepository,
    NotFound,
    StoreDenied,
    StoreError,
    StoreFull,
    Unavailable,
    VaultError,
)

MESSAGE_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Meaning:
    error: type[VaultError]
    why: str
    hint: str = ""


_KEYS: Final = "check the key and its secret; where they are looked for: pgvault help buckets"
_AGAIN: Final = "run the command again"
_RIGHTS: Final = "which rights are needed: pgvault help buckets"
_REGION: Final = "set AWS_REGION to the bucket's region"
_ROOM: Final = "raise the quota or free space there, then run the command again"

_NO_BUCKET: Final = Meaning(
    NoRepository, "there is no such bucket", "check the name and the endpoint; pgvault makes no buckets"
)
_DENIED: Final = Meaning(StoreDenied, "the credentials lack the right to do this", _RIGHTS)
_UNKNOWN_KEY: Final = Meaning(CredentialsRefused, "the storage does not know these credentials", _KEYS)
_WRONG_KEY: Final = Meaning(CredentialsRefused, "the secret does not belong to the key", _KEYS)
_EXPIRED: Final = Meaning(
    CredentialsRefused, "the credentials have expired", "sign in again, then run the command again"
)
_CLOCK: Final = Meaning(
    CredentialsRefused,
    "this machine's clock and the storage's differ too much",
    "set the clock (NTP), then run the command again",
)
_WRONG_REGION: Final = Meaning(StoreError, "the bucket is in another region", _REGION)
_FULL: Final = Meaning(StoreFull, "the storage is full, or a quota is used up", _ROOM)
_BUSY: Final = Meaning(Unavailable, "the storage is overloaded or not ready", _AGAIN)
_TAKEN: Final = Meaning(AlreadyExists, "the name is taken")
_GONE: Final = Meaning(NotFound, "there is no such object")
_FOREIGN: Final = Meaning(
    Unavailable,
    "something says that nothing is there, and it is not the storage",
    "check the endpoint, then run the command again",
)
_SHORT: Final = Meaning(Malformed, "the object is shorter than the range that was asked for")
_HELD: Final = Meaning(StoreDenied, "a lock or a retention rule holds it", "it can be removed when the lock has ended")
_MANGLED: Final = Meaning(Unavailable, "the bytes arrived otherwise than they were sent", _AGAIN)
_ARCHIVED: Final = Meaning(
    StoreError,
    "the object is in an archive class and cannot be read at once",
    "restore it to a standard class first, and keep lifecycle rules off the repository's prefix",
)
_UNBUILT: Final = Meaning(StoreError, "the storage does not know this kind of request")

CODES: Final[Mapping[str, Meaning]] = {
    # Amazon S3 and those that speak it
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchKey": _GONE,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": _DENIED,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidToken": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "PermanentRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "PreconditionFailed": _TAKEN,
    "ConditionalRequestConflict": _BUSY,
    "InvalidRange": _SHORT,
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "InsufficientCapacity": _FULL,
    "SlowDown": _BUSY,
    "InternalError": _BUSY,
    "ServiceUnavailable": _BUSY,
    "OperationAborted": _BUSY,
    "RequestTimeout": _BUSY,
    "TooManyRequests": _BUSY,
    "BadDigest": _MANGLED,
    "XAmzContentSHA256Mismatch": _MANGLED,
    "IncompleteBody": _MANGLED,
    "InvalidObjectState": _ARCHIVED,
    "ObjectLocked": _HELD,
    "NotImplemented": _UNBUILT,
    # Google Cloud Storage
    "InvalidSecurity": _UNKNOWN_KEY,
    "AuthenticationRequired": _UNKNOWN_KEY,
    "UserProjectAccountProblem": _DENIED,
    "RetentionPolicyNotMet": _HELD,
    "ObjectUnderActiveHold": _HELD,
    # Azure Blob Storage
    "ContainerNotFound": _NO_BUCKET,
    "ContainerBeingDeleted": _NO_BUCKET,
    "ContainerDisabled": _NO_BUCKET,
    "BlobNotFound": _GONE,
    "AuthorizationFailure": _DENIED,
    "AuthorizationPermissionMismatch": _DENIED,
    "AuthorizationProtocolMismatch": _DENIED,
    "InsufficientAccountPermissions": _DENIED,
    "PublicAccessNotPermitted": _DENIED,
    "AccountIsDisabled": _DENIED,
    "AuthenticationFailed": _WRONG_KEY,
    "InvalidAuthenticationInfo": _WRONG_KEY,
    "NoAuthenticationInformation": _UNKNOWN_KEY,
    "BlobAlreadyExists": _TAKEN,
    "ConditionNotMet": _TAKEN,
    "ServerBusy": _BUSY,
    "OperationTimedOut": _BUSY,
    "Md5Mismatch": _MANGLED,
    "BlobArchived": _ARCHIVED,
    "BlobImmutableDueToPolicy": _HELD,
    "BlobImmutableDueToLegalHold": _HELD,
}
"""By the code in an answer's body. Spec 70-store has the same table; a test compares the two."""

STATUS: Final[Mapping[int, Meaning]] = {
    301: _WRONG_REGION,
    307: _WRONG_REGION,
    401: _UNKNOWN_KEY,
    403: _DENIED,
    404: _FOREIGN,
    408: _BUSY,
    409: _TAKEN,
    412: _TAKEN,
    416: _SHORT,
    429: _BUSY,
    500: _BUSY,
    501: _UNBUILT,
    502: _BUSY,
    503: _BUSY,
    504: _BUSY,
    507: _FULL,
}
"""By the status, where the answer has no code that is known. A HEAD has no body: of it alone 404 is `NoSuchKey`."""

_DEBUG: Final = "\n\nDebug source:"
_STATUS: Final = re.compile(r"status code: (\d{3})")
_HEAD: Final = re.compile(r"Error performing HEAD ")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_JSON_CODE: Final = re.compile(r'"(?:code|reason)"\s*:\s*"([A-Za-z]+)"')
_MESSAGE: Final = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_REGION_SAID: Final = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_BULK: Final = re.compile(r"DeleteObjects request failed for key .*\(code: ([A-Za-z]+)\)", re.DOTALL)
_TOKEN: Final = re.compile(r"performing token request|performing credential request|metadata token", re.IGNORECASE)
_PAGE: Final = re.compile(r"<!doctype html|<html", re.IGNORECASE)
_NO_STORAGE: Final = re.compile(
    r"invalid (?:list|bulk delete|DeleteObjects) response|ill-formed document|"
    r"Missing (?:last modified|e-?tag|content length)|(?:Last-Modified|ETag|Content-Length) Header missing",
    re.IGNORECASE,
)
_NO_PATH: Final = re.compile(r'object with invalid path: .*?Path "(.*?)"(?: contained|: Encountered)', re.DOTALL)
_CERTIFICATE: Final = re.compile(r"(?:InvalidCertificate\(|invalid peer certificate:)\s*([A-Za-z]+)")


def translate(
    text: str, message: str, *, kind: str = "", file: str = "", place: BucketPlace | None = None
) -> VaultError:
    """The error for what the client library said.

    text     the whole text of its exception
    message  what could not be done, for the user
    kind     name of its exception's class
    file     name of the stored file, for damage
    place    what was asked, for lines to type
    """
    said = text.partition(_DEBUG)[0]
    meaning = _meaning(said, text, kind=kind, place=place)
    why, hint = meaning.why, meaning.hint
    if told := _provider_message(said):
        why = f"{why}: {told}"
    if meaning.hint == _REGION and (region := _REGION_SAID.search(said)):
        hint = f"export AWS_REGION={region[1]}"
    if issubclass(meaning.error, Malformed):
        return meaning.error(message, why=why, hint=hint, file=file)
    return meaning.error(message, why=why, hint=hint)


def tell_origin(error: VaultError, *, place: str, who: str) -> VaultError:
    """The same error, with where was asked or by whom, where that is what may be wrong; both as `credentials.Access` has them."""
    if isinstance(error, CredentialsRefused) and who:
        error.why += f" (from {who})"
    elif place and ("endpoint" in error.hint or isinstance(error, (NoRepository, Unavailable))):
        error.why += f"; asked was {place}"
    return error


def unanswered(text: str) -> bool:
    """Whether the storage said nothing at all, so that what was asked for may have been done."""
    return _STATUS.search(text.partition(_DEBUG)[0]) is None


def broke_off(text: str) -> bool:
    """Whether the connection was lost in the middle of a request or of its answer, which the library leaves at that."""
    return "request or response body error" in text.partition(_DEBUG)[0]


def conditions_unknown(text: str) -> bool:
    """Whether a put with a condition was refused because the storage has no conditions."""
    said = text.partition(_DEBUG)[0]
    return _code(said) == "NotImplemented" or bool((status := _STATUS.search(said)) and status[1] == "501")


def _meaning(said: str, text: str, *, kind: str, place: BucketPlace | None) -> Meaning:
    code = _code(said)
    if code in CODES:
        return CODES[code]
    if key := _NO_PATH.search(said):
        return Meaning(
            StoreError,
            f"no listing passes over the key {_printable(key[1])}",
            f"remove that object, which no pgvault wrote{_removal(place, _printable(key[1]))}",
        )
    status = _STATUS.search(said)
    if _TOKEN.search(said):
        return Meaning(CredentialsRefused, "no credentials could be obtained from where a role was announced", _KEYS)
    if _NO_STORAGE.search(said) or (status and int(status[1]) < 500 and _PAGE.search(said)):
        return Meaning(StoreError, "what answers there is no object storage", "check the endpoint")
    if status is not None and status[1] == "404" and _HEAD.search(said):
        return _GONE
    if status is not None:
        return STATUS.get(int(status[1]), Meaning(StoreError, f"the storage answered with status {status[1]}"))
    if "Wanted range" in said:  # the client's own word where the answer was of another range than it asked for
        return _SHORT
    if "Received redirect" in said:
        return _WRONG_REGION
    if kind == "FileNotFoundError":
        return _GONE
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return _TAKEN
    if kind == "PermissionDeniedError":
        return _DENIED
    if kind == "UnauthenticatedError":
        return _UNKNOWN_KEY
    return _connection(text)


def _removal(place: BucketPlace | None, key: str) -> str:
    """With the provider's own program, because a key is not always what a path can say."""
    if place is None:
        return ""
    bucket, name = shlex.quote(place.bucket), shlex.quote(key)
    line = {
        "s3": f"aws s3api delete-object --bucket {bucket} --key {name}",
        "gs": f"gcloud storage rm {shlex.quote(f'gs://{place.bucket}/{key}')}",
        "az": f"az storage blob delete --container-name {bucket} --name {name}",
    }
    return f": {line[place.scheme]}"


def _connection(text: str) -> Meaning:
    """Of what failed without an answer; the causes stand in the library's description of its own values alone."""
    if certificate := _CERTIFICATE.search(text):
        return Meaning(
            StoreError,
            f"it is not trusted, for its certificate ({certificate[1]})",
            "name the file of its authority in AWS_CA_BUNDLE (Google, Azure: PGVAULT_CA_BUNDLE)",
        )
    if "InvalidContentType" in text:
        return Meaning(StoreError, "what answers there speaks no TLS", "check the endpoint: is it http://?")
    for sign, why in (
        ("dns error", "its name is not known to DNS"),
        ("Connection refused", "nothing listens there"),
        ("kind: Timeout", "it did not answer in time"),
        ("TimedOut", "it did not answer in time"),
        ("Network is unreachable", "no network leads there"),
    ):
        if sign in text:
            return Meaning(Unavailable, why, "check the endpoint and the network, then run the command again")
    if "HTTP error" in text or "error sending request" in text or "error decoding response body" in text:
        return Meaning(Unavailable, "the connection was lost", _AGAIN)
    if "credential" in text.lower() or "token" in text.lower():
        return Meaning(CredentialsRefused, "no credentials could be obtained", _KEYS)
    return Meaning(StoreError, "the client library gave no reason that is known")


def _code(said: str) -> str:
    for pattern in (_CODE, _BULK, _JSON_CODE):
        if match := pattern.search(said):
            return match[1]
    return ""


def _provider_message(said: str) -> str:
    """In one line, without what a terminal would obey."""
    match = _MESSAGE.search(said)
    if match is None:
        return ""
    words = match[1].replace("&#34;", '"').replace("&quot;", '"').replace("&amp;", "&").partition("\n")[0].strip()
    return _printable(words)


def _printable(words: str) -> str:
    return "".join(sign for sign in words if sign.isprintable())[:MESSAGE_CHARACTERS_MAX]
