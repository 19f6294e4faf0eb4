"""What a store in a bucket believes of a listing that names nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.http_front import Message, answer
from tests.unit.bucket.lying_storage import BACK_SOON, answering, listing
from vault.errors import StoreError
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
    config = [CONFIG, ABSENT]
    with answering("s3://bucket/p", answers(lambda _: BACK_SOON, CONFIG)) as bucket:
        store = ObjectStorage(bucket)
        assert store.get("config") == config[0].body
        with pytest.raises(StoreError, match="cannot list"):
            list(store.list("leases/"))
    with answering("s3://bucket/p", answers(lambda _: listing(), config[1])) as bucket:
        assert list(ObjectStorage(bucket).list("leases/")) == [], "there is no repository yet"


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
