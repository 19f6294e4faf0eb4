"""What is believed of answers that no storage gave, or that nobody can tell from a storage's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.http_front import Message, answer
from tests.unit.bucket.lying_storage import BACK_SOON, NOTHING, PLACES, UPSTREAM, answering, listing
from vault.bucket.client import Bucket
from vault.errors import NotFound, StoreError, Unavailable

CALLS: list[Callable[[Bucket], object]] = [
    lambda bucket: bucket.get("config", bytes_max=100),
    lambda bucket: bucket.get_range("config", 0, 10),
    lambda bucket: list(bucket.list("leases/")),
    lambda bucket: bucket.delete(["leases/a"]),
    lambda bucket: bucket.delete(["leases/a", "leases/b"]),
]
NAMES = ["get", "get_range", "list", "delete", "delete two"]


@pytest.mark.spec("STORE-11")
@pytest.mark.parametrize("said", [UPSTREAM, NOTHING], ids=["a word", "nothing"])
@pytest.mark.parametrize("call", CALLS, ids=NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_404_that_is_not_the_storage_s_is_no_word_that_something_is_gone(
    place: str, call: Callable[[Bucket], object], said: Message
) -> None:
    with answering(place, lambda _: said) as bucket, pytest.raises(Unavailable, match="cannot"):
        call(bucket)


@pytest.mark.parametrize("place", PLACES)
def test_a_404_of_the_storage_is_believed(place: str) -> None:
    code = "BlobNotFound" if place.startswith("az") else "NoSuchKey"
    gone = answer(404, f"<Error><Code>{code}</Code></Error>".encode(), Content_Type="application/xml")
    with answering(place, lambda _: gone) as bucket:
        for read in (CALLS[0], CALLS[1], lambda bucket: bucket.stat("config")):
            with pytest.raises(NotFound):
                read(bucket)


@pytest.mark.parametrize("place", PLACES)
def test_a_page_of_somebody_else_is_no_file_and_no_success(place: str) -> None:
    writes: list[Callable[[Bucket], object]] = [
        lambda bucket: bucket.put_new("packs/a", b"data"),
        lambda bucket: bucket.stat("config"),
    ]
    for call in (*CALLS[:2], *writes):
        with answering(place, lambda _: BACK_SOON) as bucket, pytest.raises(StoreError) as raised:
            call(bucket)
        assert not isinstance(raised.value, NotFound)


@pytest.mark.parametrize("key", ["packs//x", "packs/./x", "packs/../x", "packs/x&#10;"])
def test_a_key_that_ends_every_listing_is_named(key: str) -> None:
    with answering("s3://bucket/p", lambda _: listing("p/config", f"p/{key}")) as bucket:
        with pytest.raises(StoreError) as raised:
            list(bucket.list("packs/"))
    assert f"the key p/{key.removesuffix('&#10;')}" in raised.value.why
    assert (
        "remove that object, which no pgvault wrote: aws s3api delete-object --bucket bucket --key "
        in raised.value.hint
    )
