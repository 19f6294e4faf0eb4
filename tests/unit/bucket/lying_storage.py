"""An endpoint that answers every request alike, as what stands before a storage does when it is out of order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.http_front import Connection, Forward, Front, Message, answer
from vault.bucket.client import Bucket, Patience, connect
from vault.bucket.place import parse_place

PLACES = ("s3://bucket/p", "gs://bucket/p", "az://bucket/p")
PATIENCE = Patience(retries=0, seconds=1)

BACK_SOON = answer(
    200, b'<html xmlns="http://www.w3.org/1999/xhtml"><head/><body>back soon</body></html>', Content_Type="text/html"
)
UPSTREAM = answer(404, b"upstream not found", Content_Type="text/plain")
NOTHING = answer(404)


@contextmanager
def answering(place: str, answer_to: Callable[[Message], Message]) -> Iterator[Bucket]:
    """A client of `place`, whose every request gets what `answer_to` says."""

    def handle(request: Message, ask: Forward, client: Connection) -> None:
        said = answer_to(request)
        client.send(said.head() + (b"" if request.method == "HEAD" else said.body))

    with Front("http://127.0.0.1:1", handle) as front:
        environment = {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL": front.endpoint,
            "AWS_REGION": "us-east-1",
            "STORAGE_EMULATOR_HOST": front.endpoint,
            "AZURE_STORAGE_ACCOUNT_NAME": "account",
            "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
            "AZURE_STORAGE_ENDPOINT": front.endpoint,
        }
        yield connect(parse_place(place), environment, quick=PATIENCE, patient=PATIENCE)


def listing(*keys: str) -> Message:
    """Of S3 and Google."""
    each = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;a&quot;</ETag></Contents>"
        for key in keys
    )
    body = (
        "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
        f"<IsTruncated>false</IsTruncated><KeyCount>{len(keys)}</KeyCount>{each}</ListBucketResult>"
    )
    return answer(200, body.encode(), Content_Type="application/xml")
