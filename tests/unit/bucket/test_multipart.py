"""Objects that are sent in parts, where the answer that completes them is lost, is none, or is of something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bucket_servers import BucketServer
from tests.faulty_proxy import Fate, FaultyProxy
from tests.http_front import Connection, Cut, Forward, Front, Message, answer
from tests.unit.bucket.test_objects import get, opened, put
from vault.bucket import connections
from vault.bucket.objects import PART_BYTES, BucketObjects
from vault.errors import AlreadyExists, StoreError, Unavailable, VaultError

OLD, NEW = b"1" * (PART_BYTES + 7), b"2" * (PART_BYTES + 7)
Fault = Callable[[int, Message, Forward], Message]
"""What becomes of the request that completes an upload; the number counts them from 1."""


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0)


def sent(
    server: BucketServer, url: str, fault: Fault, *, replace: bool = False, attributes: Mapping[str, str] = {}
) -> VaultError | None:
    """What sending `NEW` as `k` raises while `fault` has its way."""
    count = [0]

    def handle(request: Message, ask: Forward, client: Connection) -> None:
        if request.method == "POST" and "uploadId=" in request.target:
            count[0] += 1
            said = fault(count[0], request, ask)
        else:
            said = ask(request)
        client.send(said.head() + (b"" if request.method == "HEAD" else said.body))

    with Front(server.endpoint, handle) as front:
        try:
            opened(server.at(front.endpoint), url).put(b"k", iter([NEW]), attributes, replace=replace)
        except VaultError as error:
            return error
    return None


def uploads(server: BucketServer, url: str) -> list[str]:
    found = server.s3().list_multipart_uploads(Bucket=url.removeprefix("s3://")).get("Uploads", [])
    return [upload["Key"] for upload in found]


def gone_unanswered(number: int, request: Message, ask: Forward) -> Message:
    """The first completion never happens, nobody hears so, and meanwhile a rule of the bucket's removes the upload."""
    if number == 1:
        raise Cut
    return answer(404, b"<Error><Code>NoSuchUpload</Code></Error>", Content_Type="application/xml")


@pytest.mark.parametrize("stands", [OLD, b"short", NEW])
def test_old_content_is_never_told_as_replaced(s3_server: BucketServer, stands: bytes) -> None:
    url = s3_server.new_bucket()
    bucket = opened(s3_server, url)
    bucket.put(b"k", iter([stands]), {"meta-a": "old"}, replace=True)
    error = sent(s3_server, url, gone_unanswered, replace=True, attributes={"meta-a": "new"})
    assert type(error) is StoreError
    assert error.why == "the storage does not know the upload any more"
    assert get(bucket, b"k") == stands
    assert uploads(s3_server, url) == []


@pytest.mark.parametrize("status", [404, 412])
def test_what_was_completed_unheard_is_there(s3_server: BucketServer, status: int) -> None:
    def unheard(number: int, request: Message, ask: Forward) -> Message:
        if number > 1:
            return answer(status)
        ask(request)
        raise Cut

    url = s3_server.new_bucket()
    assert sent(s3_server, url, unheard, attributes={"meta-a": "ä", "content-type": "a/b"}) is None
    assert get(opened(s3_server, url), b"k") == NEW


def test_what_another_one_wrote_meanwhile_stays_and_is_told(s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()

    def taken(number: int, request: Message, ask: Forward) -> Message:
        if number > 1:
            return answer(412)
        put(opened(s3_server, url), b"k", OLD)
        raise Cut

    assert type(sent(s3_server, url, taken)) is AlreadyExists
    assert get(opened(s3_server, url), b"k") == OLD


def test_a_store_without_conditions_completes_what_is_not_there(s3_server: BucketServer) -> None:
    def unconditional(number: int, request: Message, ask: Forward) -> Message:
        return answer(501) if request.header("if-none-match") else ask(request)

    url = s3_server.new_bucket()
    assert sent(s3_server, url, unconditional) is None
    assert get(opened(s3_server, url), b"k") == NEW
    assert type(sent(s3_server, url, unconditional)) is AlreadyExists


@pytest.mark.parametrize(
    "body", [b"", b"<html>welcome</html>", b"<!DOCTYPE html><p>", b"<Error><Code>X</Code></Error>"]
)
def test_a_status_alone_completes_nothing(s3_server: BucketServer, body: bytes) -> None:
    url = s3_server.new_bucket()
    assert isinstance(sent(s3_server, url, lambda number, request, ask: answer(200, body)), StoreError)
    assert opened(s3_server, url).stat(b"k") is None
    assert uploads(s3_server, url) == []


def test_an_upload_that_is_cancelled_leaves_no_parts(s3_server: BucketServer) -> None:
    url, begun = s3_server.new_bucket(), threading.Event()

    def handle(request: Message, ask: Forward, client: Connection) -> None:
        if "partNumber=" in request.target:
            begun.set()
            front.over.wait()
            raise Cut
        said = ask(request)
        client.send(said.head() + said.body)

    def send(bucket: BucketObjects) -> None:
        bucket.put(b"k", iter([NEW]), {}, replace=True)

    with Front(s3_server.endpoint, handle) as front, ThreadPoolExecutor(1) as pool:
        bucket = opened(s3_server.at(front.endpoint), url)
        sending = pool.submit(send, bucket)
        begun.wait()
        assert uploads(s3_server, url) == ["k"]
        bucket.cancel()
        with pytest.raises(Unavailable):
            sending.result()
        assert uploads(s3_server, url) == []


def test_of_another_size_what_stands_there_is_not_read(s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    put(opened(s3_server, url), b"k", NEW)
    with FaultyProxy(s3_server.endpoint) as proxy:
        proxy.plan = lambda asked: Fate.CUT if asked.method == "PUT" and not asked.before else Fate.PASS
        with pytest.raises(AlreadyExists):
            opened(s3_server.at(proxy.endpoint), url).put(b"k", iter([b"small"]), {}, replace=False)
        assert "GET" not in {asked.method for asked in proxy.asked}
