"""What a store in a bucket believes of a listing that names nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.http_front import Message, answer
from tests.unit.bucket.lying_storage import BACK_SOON, answering, listing
from vault.errors import AlreadyExists, LimitExceeded, StoreError
from vault.limits import PACK_BYTES_MAX
from vault.store.object_storage import ObjectStorage

CONFIG = answer(
    200, b"config", Content_Type="application/octet-stream", ETag='"a"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT"
)
ABSENT = answer(404, b"<Error><Code>NoSuchKey</Code></Error>", Content_Type="application/xml")


def answers(listed: Callable[[str], Message], config: Message) -> Callable[[Message], Message]:
    """`listed`: what a listing of that target says."""
    return lambda request: listed(request.target) if "list-type" in request.target else config


@pytest.mark.spec("STORE-10")
@pytest.mark.parametrize("nothing", [BACK_SOON, listing()], ids=["a page", "an empty listing"])
@pytest.mark.parametrize("place", ["s3://bucket/p", "gs://bucket/p"])
@pytest.mark.parametrize("prefix", ["", "leases/", "snapshots/ab"])
def test_nothing_is_not_believed_where_config_is(place: str, prefix: str, nothing: Message) -> None:
    with answering(place, answers(lambda _: nothing, CONFIG)) as bucket:
        with pytest.raises(StoreError, match="cannot list") as raised:
            list(ObjectStorage(bucket).list(prefix))
    assert "config" in raised.value.why


@pytest.mark.spec("STORE-10")
def test_nothing_is_not_believed_of_a_repository_whose_config_is_hidden_since() -> None:
    said = [CONFIG, ABSENT]
    with answering(
        "s3://bucket/p", lambda request: BACK_SOON if "list-type" in request.target else said.pop(0)
    ) as bucket:
        store = ObjectStorage(bucket)
        assert store.get("config") == CONFIG.body
        with pytest.raises(StoreError, match="cannot list"):
            list(store.list("leases/"))
    assert said == [ABSENT], "what was seen once is not asked for again"


@pytest.mark.spec("STORE-10")
def test_nothing_is_believed_where_there_is_no_repository_yet() -> None:
    with answering("s3://bucket/p", answers(lambda _: listing(), ABSENT)) as bucket:
        assert list(ObjectStorage(bucket).list("leases/")) == []


@pytest.mark.parametrize(
    ("prefix", "given"),
    [
        ("", ["config", "snapshots/a1", "snapshots/a2"]),
        ("snapshots/", ["snapshots/a1", "snapshots/a2"]),
        ("snapshots/a2", ["snapshots/a2"]),
    ],
)
def test_only_names_with_the_prefix_are_given(prefix: str, given: list[str]) -> None:
    there = listing("p/Other", "p/config", "p/snapshots/.a2", "p/snapshots/a1", "p/snapshots/a2")
    with answering("s3://bucket/p", answers(lambda _: there, CONFIG)) as bucket:
        assert [file.name for file in ObjectStorage(bucket).list(prefix)] == given


@pytest.mark.parametrize("keys", [("p/b", "p/a"), ("p/a", "p/a")])
def test_names_in_no_order_are_refused(keys: tuple[str, ...]) -> None:
    with answering("s3://bucket/p", answers(lambda _: listing(*keys), CONFIG)) as bucket:
        with pytest.raises(StoreError, match="cannot use what"):
            list(ObjectStorage(bucket).list(""))


def test_an_object_larger_than_any_pack_is_not_loaded() -> None:
    headers = [pair for pair in CONFIG.headers if pair[0] != "Content-Length"]
    large = Message(start=CONFIG.start, headers=[*headers, ("Content-Length", str(PACK_BYTES_MAX + 1))], body=b"")
    with answering("s3://bucket/p", lambda _: large) as bucket:
        with pytest.raises(LimitExceeded):
            ObjectStorage(bucket).get("packs/a")


@pytest.mark.spec("STORE-10")
@pytest.mark.parametrize("place", ["s3://bucket/p", "gs://bucket/p"])
def test_nothing_is_believed_where_a_listing_names_config(place: str) -> None:
    def listed(target: str) -> Message:
        return listing() if "leases" in target else listing("p/config")

    with answering(place, answers(listed, ABSENT)) as bucket:
        assert list(ObjectStorage(bucket).list("leases/")) == []


@pytest.mark.spec("STORE-10")
@pytest.mark.parametrize("swept", [[], ["p/sweeps/b"]], ids=["no sweep", "a sweep"])
def test_the_last_directory_is_listed_behind_a_name_that_proves_it(swept: list[str]) -> None:
    asked: list[str] = []

    def listed(target: str) -> Message:
        asked.append(target)
        there = ["p/config", "p/snapshots/a1"] if "start-after" not in target else ["p/snapshots/a1"]
        return listing(*there, *swept)

    with answering("s3://bucket/p", answers(listed, CONFIG)) as bucket:
        store = ObjectStorage(bucket)
        list(store.list(""))
        asked.clear()
        assert [found.name for found in store.list("sweeps/")] == [name.removeprefix("p/") for name in swept]
    assert len(asked) == 1
    assert "start-after=p%2Fsnapshots%2Fa0" in asked[0]


@pytest.mark.spec("STORE-10")
def test_nothing_behind_a_name_that_was_there_is_not_believed() -> None:
    answered = [listing("p/config", "p/snapshots/a1"), listing(), listing()]
    with answering("s3://bucket/p", answers(lambda _: answered.pop(0), CONFIG)) as bucket:
        store = ObjectStorage(bucket)
        list(store.list(""))
        with pytest.raises(StoreError, match="cannot list"):
            list(store.list("sweeps/"))
    assert answered == [], "the whole prefix was asked for"


@pytest.mark.spec("STORE-10")
def test_where_a_listing_cannot_begin_anywhere_the_last_directory_is_listed_by_its_name() -> None:
    """Azure would read all that lies before it."""
    asked: list[str] = []

    def listed(request: Message) -> Message:
        asked.append(request.target)
        return of_azure("p/config", "p/snapshots/a1") if "sweeps" not in request.target else of_azure("p/sweeps/b")

    with answering("az://bucket/p", listed) as bucket:
        store = ObjectStorage(bucket)
        assert [found.name for found in store.list("")] == ["config", "snapshots/a1"]
        assert [found.name for found in store.list("sweeps/")] == ["sweeps/b"]
    assert len(asked) == 2
    assert "sweeps" in asked[1]


def of_azure(*keys: str) -> Message:
    each = "".join(
        f"<Blob><Name>{key}</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>"
        "<Content-Length>1</Content-Length><Content-Type>a</Content-Type><Etag>a</Etag></Properties></Blob>"
        for key in keys
    )
    body = f"<?xml version='1.0'?><EnumerationResults><Blobs>{each}</Blobs><NextMarker/></EnumerationResults>"
    return answer(200, body.encode(), Content_Type="application/xml")


TAKEN = answer(412, b"<Error><Code>PreconditionFailed</Code></Error>", Content_Type="application/xml")
STORED = answer(200, ETag='"a"')


@pytest.mark.spec("STORE-5")
@pytest.mark.parametrize(("data", "refused"), [(b"config", False), (b"others", True), (b"longer than it", True)])
def test_a_name_that_is_taken_counts_as_put_if_its_bytes_are_the_same(data: bytes, refused: bool) -> None:
    with answering("s3://bucket/p", lambda request: TAKEN if request.method == "PUT" else CONFIG) as bucket:
        store = ObjectStorage(bucket)
        if refused:
            with pytest.raises(AlreadyExists):
                store.put("config", data)
        else:
            store.put("config", data)


@pytest.mark.spec("STORE-10")
def test_nothing_is_not_believed_of_a_repository_that_was_made_here() -> None:
    def answered(request: Message) -> Message:
        return STORED if request.method == "PUT" else BACK_SOON if "list-type" in request.target else ABSENT

    with answering("s3://bucket/p", answered) as bucket:
        store = ObjectStorage(bucket)
        store.put("config", b"config")
        with pytest.raises(StoreError, match="cannot list"):
            list(store.list("leases/"))
