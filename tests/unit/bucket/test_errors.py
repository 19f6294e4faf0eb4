"""What providers answer, as the client library tells it, and what it is for us."""

from __future__ import annotations

import pytest

from vault.bucket.errors import CODES, STATUS, conditions_unknown, translate, unanswered
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

SIGNATURE = "64330b0a72bc9695c2bbd7abd503c5720300f606cbc0b4626"
DEBUG = '\n\nDebug source:\nGeneric {\n    uri: http://127.0.0.1/bucket?sig=SECRETSIGNATURE,\n    status: 404 "<Code>NoSuchKey</Code>" }'


def answer(status: int, code: str = "", message: str = "", more: str = "") -> str:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>" if code else ""
    return (
        "Generic S3 error: Error performing GET http://127.0.0.1:1/b?list-type=2&sig=SECRETSIGNATURE in 1ms"
        f" - Server returned non-2xx status code: {status} Words: {body}{DEBUG}"
    )


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        (answer(404, "NoSuchBucket"), "FileNotFoundError", NoRepository),
        (answer(404, "NoSuchKey"), "FileNotFoundError", NotFound),
        (answer(404), "FileNotFoundError", Unavailable),
        (answer(403, "AccessDenied"), "PermissionDeniedError", StoreDenied),
        (answer(403), "PermissionDeniedError", StoreDenied),
        (answer(403, "SignatureDoesNotMatch"), "PermissionDeniedError", CredentialsRefused),
        (answer(403, "InvalidAccessKeyId"), "PermissionDeniedError", CredentialsRefused),
        (answer(400, "ExpiredToken"), "GenericError", CredentialsRefused),
        (answer(403, "RequestTimeTooSkewed"), "PermissionDeniedError", CredentialsRefused),
        (answer(412, "PreconditionFailed"), "AlreadyExistsError", AlreadyExists),
        (answer(416, "InvalidRange"), "GenericError", Malformed),
        (
            "Generic MicrosoftAzure error: Wanted range starting at 10, but object was only 10 bytes long",
            "GenericError",
            Malformed,
        ),
        (answer(403, "QuotaExceeded"), "PermissionDeniedError", StoreFull),
        (answer(507), "GenericError", StoreFull),
        (answer(503, "SlowDown"), "GenericError", Unavailable),
        (answer(500), "GenericError", Unavailable),
        (answer(400, "AuthorizationHeaderMalformed"), "GenericError", StoreError),
        (answer(418, "Teapot"), "GenericError", StoreError),
        (
            "Generic S3 error: Got invalid list response: ill-formed document: expected `</meta>`",
            "GenericError",
            StoreError,
        ),
        ("... status code: 404 Not Found: <!DOCTYPE HTML><html>", "FileNotFoundError", StoreError),
        (
            "Generic S3 error: ... - HTTP error: error sending request" + DEBUG.replace("404", ""),
            "GenericError",
            Unavailable,
        ),
        (
            "DeleteObjects request failed for key p/packs/a: Access Denied. (code: AccessDenied)",
            "GenericError",
            StoreDenied,
        ),
    ],
)
def test_answer_leads_to_its_error(text: str, kind: str, error: type[VaultError]) -> None:
    found = translate(text, "cannot do this", kind=kind, file="packs/a")
    assert type(found) is error
    assert found.message == "cannot do this"
    assert found.why


def test_only_the_providers_message_comes_through() -> None:
    more = f"<StringToSign>AWS4-HMAC-SHA256&#xA;{SIGNATURE}</StringToSign><SignatureProvided>{SIGNATURE}</SignatureProvided>"
    found = translate(answer(403, "SignatureDoesNotMatch", "It does not match.\nSECOND \x1b[2J", more), "cannot read")
    shown = f"{found.message} {found.why} {found.hint} {found}"
    assert "It does not match." in shown
    for hidden in (SIGNATURE, "SECRETSIGNATURE", "SECOND", "\x1b", "127.0.0.1"):
        assert hidden not in shown


def test_the_right_region_is_named_where_it_is_told() -> None:
    found = translate(answer(400, "AuthorizationHeaderMalformed", "wrong", "<Region>eu-west-1</Region>"), "cannot read")
    assert found.hint == "export AWS_REGION=eu-west-1"


def test_damage_names_its_file() -> None:
    found = translate(answer(416, "InvalidRange"), "cannot read", file="packs/a")
    assert isinstance(found, Malformed)
    assert found.file == "packs/a"


@pytest.mark.parametrize(
    ("sign", "error", "word"),
    [
        ("InvalidCertificate(\n    UnknownIssuer,\n)", StoreError, "certificate (UnknownIssuer)"),
        ("InvalidMessage(InvalidContentType)", StoreError, "TLS"),
        ("dns error", Unavailable, "DNS"),
        ("Connection refused", Unavailable, "listens"),
        ("kind: Timeout", Unavailable, "time"),
    ],
)
def test_cause_of_a_missing_answer_is_told(sign: str, error: type[VaultError], word: str) -> None:
    text = f"Generic S3 error: HTTP error: error sending request\n\nDebug source:\nHttpError {{ {sign} }}"
    found = translate(text, "cannot read", kind="GenericError")
    assert type(found) is error
    assert word in found.why
    assert unanswered(text)


def test_an_answer_is_told_from_silence_and_a_missing_condition_from_both() -> None:
    assert not unanswered(answer(503, "SlowDown"))
    assert conditions_unknown(answer(501, "NotImplemented"))
    assert conditions_unknown(answer(501))
    assert not conditions_unknown(answer(412, "PreconditionFailed"))


def test_every_meaning_says_why_and_is_an_error_of_the_storage_or_damage() -> None:
    for meaning in (*CODES.values(), *STATUS.values()):
        assert issubclass(meaning.error, StoreError | Malformed)
        assert meaning.why
