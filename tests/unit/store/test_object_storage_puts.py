"""What a store in a bucket makes of puts that were refused, not answered or not conditional, and of ranges of nothing."""

from __future__ import annotations

import pytest

from tests.http_front import Message, answer
from tests.unit.bucket.lying_storage import answering, listing
from vault.errors import AlreadyExists, Malformed, StoreError, Unavailable
from vault.store.object_storage import ObjectStorage

URL = "s3://bucket/p"
ABSENT = answer(404, b"<Error><Code>NoSuchKey</Code></Error>", Content_Type="application/xml")
BUSY = answer(503, b"<Error><Code>SlowDown</Code></Error>", Content_Type="application/xml")
NO_CONDITIONS = answer(501, b"<Error><Code>NotImplemented</Code></Error>", Content_Type="application/xml")
STORED = answer(200, ETag='"a"')
TAKEN = answer(412, b"<Error><Code>PreconditionFailed</Code></Error>", Content_Type="application/xml")


def there(data: bytes) -> Message:
    return answer(
        200,
        data,
        Content_Type="application/octet-stream",
        ETag='"a"',
        Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT",
    )


@pytest.mark.spec("STORE-5")
def test_a_put_that_was_not_answered_counts_as_done_if_its_bytes_are_there() -> None:
    with answering(URL, lambda request: BUSY if request.method == "PUT" else there(b"data")) as bucket:
        ObjectStorage(bucket).put("packs/a", b"data")
        for other in (b"else", b"dat", b"data and more"):
            with pytest.raises(AlreadyExists) as caught:
                ObjectStorage(bucket).put("packs/a", other)
            assert str(caught.value) == f"packs/a exists already in {URL}"


@pytest.mark.spec("STORE-5")
@pytest.mark.parametrize("asked", [ABSENT, BUSY], ids=["it is not there", "nobody knows"])
def test_a_put_that_was_not_answered_and_is_not_seen_is_one_to_try_again(asked: Message) -> None:
    with answering(URL, lambda request: BUSY if request.method == "PUT" else asked) as bucket:
        with pytest.raises(Unavailable) as caught:
            ObjectStorage(bucket).put("packs/a", b"data")
    assert caught.value.__suppress_context__


def test_a_name_that_is_taken_and_not_there_is_told_with_both_answers() -> None:
    with answering(URL, lambda request: TAKEN if request.method == "PUT" else ABSENT) as bucket:
        with pytest.raises(AlreadyExists) as caught:
            ObjectStorage(bucket).put("packs/a", b"data")
    assert "removed meanwhile" in caught.value.why


@pytest.mark.parametrize(("name", "refused"), [("config", True), ("packs/a", False)])
def test_without_conditions_a_name_that_is_no_hash_is_read_back(name: str, refused: bool) -> None:
    """It is not there when it is looked for, and another's after it was put."""

    def answered(request: Message) -> Message:
        if request.method == "PUT":
            return NO_CONDITIONS if request.header("if-none-match") else STORED
        return ABSENT if request.method == "HEAD" else there(b"another's")

    with answering(URL, answered) as bucket:
        store = ObjectStorage(bucket)
        assert store.conditions
        if refused:
            with pytest.raises(AlreadyExists) as caught:
                store.put(name, b"ours")
            assert str(caught.value) == f"{name} exists already in {URL}"
            assert caught.value.why == "another client wrote it at the same time"
            store.put(name, b"another's")
        else:
            store.put(name, b"ours")
        assert not store.conditions


def test_a_range_of_nothing_lies_within_the_object() -> None:
    with answering(URL, lambda _: there(b"0123")) as bucket:
        store = ObjectStorage(bucket)
        assert store.get_range("packs/a", 0, 0) == store.get_range("packs/a", 4, 0) == b""
        assert store.url == URL
        with pytest.raises(Malformed) as caught:
            store.get_range("packs/a", 5, 0)
    assert (caught.value.message, caught.value.file) == ("packs/a is too short", "packs/a")
    assert caught.value.why == "it has 4 bytes, bytes 5 to 5 are needed"


@pytest.mark.spec("STORE-3")
def test_a_range_is_asked_for_as_one_and_is_what_lies_there() -> None:
    asked: list[str] = []

    def answered(request: Message) -> Message:
        asked.append(request.header("range"))
        return answer(
            206,
            b"12",
            Content_Range="bytes 1-2/4",
            ETag='"a"',
            Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT",
        )

    with answering(URL, answered) as bucket:
        store = ObjectStorage(bucket)
        assert store.get_range("packs/a", 1, 2) == b"12"
        assert store.network == ""
    assert asked == ["bytes=1-2"]


@pytest.mark.parametrize(("prefix", "what"), [("leases/", "leases/"), ("leases/a", "leases/"), ("", "the files")])
def test_what_cannot_be_listed_is_named(prefix: str, what: str) -> None:
    def answered(request: Message) -> Message:
        return listing() if "list-type" in request.target else there(b"config")

    with answering(URL, answered) as bucket:
        with pytest.raises(StoreError) as caught:
            list(ObjectStorage(bucket).list(prefix))
    assert str(caught.value) == f"cannot list {what} of {URL}"


@pytest.mark.spec("STORE-10")
@pytest.mark.parametrize("deleted", ["snapshots/a1", "config"])
def test_a_listing_begins_behind_no_name_that_was_deleted(deleted: str) -> None:
    asked: list[str] = []

    def answered(request: Message) -> Message:
        if request.method != "GET":
            return answer(204)
        asked.append(request.target)
        return listing("p/config", "p/snapshots/a1", "p/sweeps/b", "p/tails")

    with answering("gs://bucket/p", answered) as bucket:
        store = ObjectStorage(bucket)
        list(store.list(""))
        store.delete(deleted)
        asked.clear()
        assert [found.name for found in store.list("sweeps/")] == ["sweeps/b"]
    assert len(asked) == 1
    assert ("start-after" in asked[0]) == (deleted == "config")
