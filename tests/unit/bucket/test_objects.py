"""Objects of a bucket with every key as it is, over real servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.bucket_servers import BucketServer
from tests.faulty_proxy import PASSING, Asked, Fate, FaultyProxy, on
from tests.fix_buckets import BucketServers
from tests.http_front import Connection, Forward, Front, Message
from vault.bucket import connections, objects
from vault.bucket.objects import PART_BYTES, BucketObjects, Changed
from vault.bucket.place import parse_place
from vault.errors import AlreadyExists, CredentialsRefused, NoRepository, NotFound, Unavailable

ODD = [
    b"plain.txt", b"a//b", b"/lead", b"folder/", b"../up", b"a/./b", b"x\x01y", b"50%25", b"sp ace+plus", "ümlaut/é".encode(),
    "e\u0301".encode(), b"A", b"a", b"~t*'()!$&,;=:@", b"q?x#y", b"x\\y", b"L" * 900,
]  # fmt: skip


@pytest.fixture(params=["moto", "versitygw"])
def server(request: pytest.FixtureRequest, bucket_servers: BucketServers) -> BucketServer:
    return bucket_servers[request.param]


def opened(server: BucketServer, url: str, **environment: str) -> BucketObjects:
    return BucketObjects(parse_place(url), {**server.environment, **environment}, lambda: time.time_ns() // 10**6)


def put(bucket: BucketObjects, key: bytes, data: bytes, **attributes: str) -> None:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    bucket.put(key, iter([data]), named, replace=True)


def get(bucket: BucketObjects, key: bytes, etag: str = "") -> bytes:
    return b"".join(bucket.open(key, etag).blocks)


@pytest.mark.parametrize("prefix", ["", "/pre/fix"])
def test_odd_keys_are_listed_and_read_as_they_are(s3_server: BucketServer, prefix: str) -> None:
    bucket = opened(s3_server, s3_server.new_bucket() + prefix)
    for key in ODD:
        put(bucket, key, b"content of " + key)
    listed = {item.key: item for item in bucket.list(first=3)}
    assert sorted(listed) == sorted(ODD)
    for key, item in listed.items():
        assert get(bucket, key, item.etag) == b"content of " + key
        assert item.size == len(key) + 11
        found = bucket.stat(key)
        assert found is not None
        assert (found.etag, found.size) == (item.etag, item.size)


def test_a_prefix_has_only_what_lies_below_it(server: BucketServer) -> None:
    url = server.new_bucket()
    whole, part = opened(server, url), opened(server, url + "/photos")
    for key in (b"photos/1", b"photosynthesis", b"other"):
        put(whole, key, b"x")
    assert [item.key for item in part.list()] == [b"1"]


def test_attributes_come_back(server: BucketServer) -> None:
    bucket = opened(server, server.new_bucket())
    put(bucket, b"k", b"x", content_type="image/png", cache_control="max-age=60", meta_owner="zoë")
    attributes = dict(bucket.open(b"k", "").attributes)
    assert attributes["content-type"] == "image/png"
    assert attributes["cache-control"] == "max-age=60"
    assert attributes["meta-owner"] == "zoë"


VALUES = ["voil\u00e0", "\u2026 \u0105\u0105", "a\u00a0b", "zero\u200dwidth", "two  spaces", "a\tb", "a\u0085b"]


@pytest.mark.parametrize("value", VALUES)
def test_values_of_every_letter_come_back(bucket_servers: BucketServers, value: str) -> None:
    server = bucket_servers["versitygw"]  # it verifies signatures
    bucket = opened(server, server.new_bucket())
    put(bucket, b"k", b"x", meta_a=value)
    assert dict(bucket.open(b"k", "").attributes)["meta-a"] == value


def test_a_proxy_that_changes_what_is_its_own_breaks_no_signature(bucket_servers: BucketServers) -> None:
    server = bucket_servers["versitygw"]

    def between(request: Message, ask: Forward, client: Connection) -> None:
        request.drop("accept-encoding", "user-agent")
        request.headers += [("Accept-Encoding", "gzip, br"), ("User-Agent", "pgvault (gzip)")]
        said = ask(request)
        client.send(said.head() + (b"" if request.method == "HEAD" else said.body))

    with Front(server.endpoint, between) as front:
        bucket = opened(server.at(front.endpoint), server.new_bucket())
        put(bucket, b"k", b"x")
        assert get(bucket, b"k") == b"x"


def test_what_is_no_header_is_left_out_and_named(s3_server: BucketServer) -> None:
    bucket = opened(s3_server, s3_server.new_bucket())
    impossible = {
        "x-amz-acl": "public-read",
        "meta-a": "1\r\nx-amz-acl: public-read",
        "meta-b": "\u0085end",
        "meta-c": "\x7f",
        "meta-d e": "1",
    }
    left_out = bucket.put(b"k", iter([b"x"]), {**impossible, "meta-f": "1"}, replace=True)
    assert left_out == tuple(sorted(impossible))
    assert {name for name, _ in bucket.open(b"k", "").attributes if name.startswith("meta-")} == {"meta-f"}


def test_an_object_that_changed_since_it_was_listed_is_not_read(server: BucketServer) -> None:
    bucket = opened(server, server.new_bucket())
    put(bucket, b"k", b"one")
    (listed,) = bucket.list()
    put(bucket, b"k", b"two")
    with pytest.raises(Changed):
        get(bucket, b"k", listed.etag)


@pytest.mark.spec("FILE-4")
def test_a_store_that_knows_no_condition_is_believed_by_its_etag_alone(s3_server: BucketServer) -> None:
    def unconditional(request: Message, ask: Forward, client: Connection) -> None:
        request.drop("if-match")
        said = ask(request)
        client.send(said.head() + (b"" if request.method == "HEAD" else said.body))

    url = s3_server.new_bucket()
    with Front(s3_server.endpoint, unconditional) as front:
        bucket = opened(s3_server.at(front.endpoint), url)
        put(bucket, b"k", b"one")
        (listed,) = bucket.list()
        put(bucket, b"k", b"two")
        with pytest.raises(Changed):
            get(bucket, b"k", listed.etag)


def test_an_object_that_is_there_is_not_replaced_unasked(server: BucketServer) -> None:
    bucket = opened(server, server.new_bucket())
    bucket.put(b"k", iter([b"one"]), {}, replace=False)
    with pytest.raises(AlreadyExists):
        bucket.put(b"k", iter([b"two"]), {}, replace=False)
    assert get(bucket, b"k") == b"one"
    with pytest.raises(NotFound):
        get(bucket, b"gone")
    assert bucket.stat(b"gone") is None


def test_a_large_object_goes_in_parts_and_a_broken_one_leaves_nothing(server: BucketServer) -> None:
    bucket = opened(server, server.new_bucket())
    blocks = [bytes([number]) * 1_000_000 for number in range(2 * PART_BYTES // 1_000_000 + 3)]
    bucket.put(b"large", iter(blocks), {"content-type": "video/mp4"}, replace=False)
    read = bucket.open(b"large", "")
    assert read.object.size == sum(map(len, blocks))
    assert b"".join(read.blocks) == b"".join(blocks)
    assert dict(read.attributes)["content-type"] == "video/mp4"

    def breaks() -> Iterator[bytes]:
        yield bytes(PART_BYTES * 2)
        raise ValueError("the repository is damaged")

    with pytest.raises(ValueError, match="damaged"):
        bucket.put(b"half", breaks(), {}, replace=False)
    assert bucket.stat(b"half") is None
    assert "Uploads" not in server.s3().list_multipart_uploads(Bucket=bucket.url.removeprefix("s3://"))
    with pytest.raises(AlreadyExists):
        bucket.put(b"large", iter(blocks), {}, replace=False)


def test_parts_grow_so_that_ten_thousand_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 10)
    monkeypatch.setattr(objects, "PART_GROWS_EVERY", 2)
    lengths = [len(part) for part in objects._parts(iter([bytes(7)] * 20))]
    assert lengths == [10, 10, 20, 20, 30, 30, 20]


def test_wrong_keys_and_a_bucket_that_is_not_there(bucket_servers: BucketServers) -> None:
    server = bucket_servers["versitygw"]
    with pytest.raises(CredentialsRefused):
        list(opened(server, server.new_bucket(), AWS_SECRET_ACCESS_KEY="wrong").list())
    with pytest.raises(NoRepository):
        list(opened(server, "s3://not-there-at-all").list())


def test_nobody_listens(s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0)
    with pytest.raises(Unavailable, match="no answer of 127"):
        list(opened(s3_server, "s3://any-bucket", AWS_ENDPOINT_URL="http://127.0.0.1:1").list())


def at_first(fate: Fate, asked: Asked) -> Fate:
    return Fate.PASS if asked.before else fate


def test_every_kind_of_request_gets_over_a_fault(s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0)
    url, data = s3_server.new_bucket(), bytes(range(256)) * 12_000
    for fate in PASSING:
        with FaultyProxy(s3_server.endpoint, partial(at_first, fate)) as proxy:
            bucket = opened(s3_server.at(proxy.endpoint), url)
            key = fate.name.encode()
            bucket.put(key, iter([data]), {}, replace=False)
            (listed,) = (item for item in bucket.list() if item.key == key)
            assert get(bucket, key, listed.etag) == data
            large = key + b"/large"
            bucket.put(large, iter([data] * 6), {}, replace=False)
            assert get(bucket, large) == data * 6


def test_a_stream_that_breaks_never_goes_on_in_another_object(
    s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0)
    monkeypatch.setattr(objects, "PIECE_BYTES", 1000)
    url = s3_server.new_bucket()
    straight = opened(s3_server, url)
    put(straight, b"k", b"1" * 1_000_000)
    with FaultyProxy(s3_server.endpoint, on(Fate.TRUNCATED, method="GET")) as proxy:
        read = opened(s3_server.at(proxy.endpoint), url).open(b"k", "")
        assert next(read.blocks) == b"1" * 1000
        put(straight, b"k", b"2" * 1_000_000)
        with pytest.raises(Changed):
            list(read.blocks)


def test_an_answer_without_its_length_is_read_to_its_end(s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    put(opened(s3_server, url), b"k", b"x" * 100_000)

    def chunked(request: Message, ask: Forward, client: Connection) -> None:
        said = ask(request)
        said.drop("content-length")
        said.headers.append(("Transfer-Encoding", "chunked"))
        client.send(said.head() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(said.body), said.body))

    with Front(s3_server.endpoint, chunked) as front:
        bucket = opened(s3_server.at(front.endpoint), url)
        (listed,) = bucket.list()
        assert get(bucket, b"k", listed.etag) == b"x" * 100_000


def test_who_cancels_is_not_waited_for(s3_server: BucketServer) -> None:
    with FaultyProxy(s3_server.endpoint, lambda asked: Fate.HELD, held_s=600) as proxy:
        bucket = opened(s3_server.at(proxy.endpoint), s3_server.new_bucket())
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: list(bucket.list()))
            while not proxy.asked:
                time.sleep(0.01)
            bucket.cancel()
            with pytest.raises(Unavailable):
                waiting.result()
