"""The proxy of the tests does what its plan says, and nothing else to what passes."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.bucket_servers import BucketServer
from tests.faulty_proxy import PASSING, Asked, Fate, FaultyProxy, by_seed, kind_of, on

BODY = bytes(range(256)) * 40
PUBLIC = {"x-amz-acl": "public-read"}
"""So that nothing needs to be signed."""


@pytest.fixture
def path(s3_server: BucketServer) -> str:
    return "/" + s3_server.new_bucket().removeprefix("s3://") + "/prefix/packs/a"


@pytest.fixture
def proxy(s3_server: BucketServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_server.endpoint, held_s=0.01) as proxy:
        yield proxy


def ask(endpoint: str, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=100)
    try:
        connection.request(method, path, body, PUBLIC if method == "PUT" else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_is_not_disturbed_passes_unchanged_and_is_counted(
    s3_server: BucketServer, proxy: FaultyProxy, path: str
) -> None:
    assert ask(proxy.endpoint, "PUT", path, BODY)[0] == 200
    assert ask(proxy.endpoint, "GET", path) == ask(s3_server.endpoint, "GET", path) == (200, BODY)
    assert ask(proxy.endpoint, "HEAD", path) == (200, b"")
    assert ask(proxy.endpoint, "GET", path.partition("/prefix")[0] + "?list-type=2&prefix=prefix%2Fpacks%2F")[0] == 200
    expected = {("PUT", "packs"): 1, ("GET", "packs"): 1, ("HEAD", "packs"): 1, ("GET", "list packs"): 1}
    assert proxy.counts() == expected


def test_one_connection_carries_many_requests(proxy: FaultyProxy, path: str) -> None:
    address = urlsplit(proxy.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=100)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("PUT", path, BODY, PUBLIC)
        assert connection.getresponse().read() == b""
        connection.request("GET", path)
        assert connection.getresponse().read() == BODY
    assert connection.sock is first
    connection.close()


@pytest.mark.parametrize(
    ("fate", "has_effect"),
    [
        (Fate.REFUSED, False),
        (Fate.LATE_REFUSED, True),
        (Fate.CUT, False),
        (Fate.LATE_CUT, True),
        (Fate.HELD, True),
        (Fate.TRUNCATED, True),
        (Fate.NOT_IMPLEMENTED, False),
    ],
)
def test_a_put_fails_with_or_without_its_effect(
    s3_server: BucketServer, proxy: FaultyProxy, path: str, fate: Fate, has_effect: bool
) -> None:
    proxy.plan = on(fate, method="PUT", kind="packs")
    status = {Fate.REFUSED: 503, Fate.LATE_REFUSED: 503, Fate.NOT_IMPLEMENTED: 501}.get(fate)
    if status:
        assert ask(proxy.endpoint, "PUT", path, BODY)[0] == status
    else:
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(proxy.endpoint, "PUT", path, BODY)
    assert ask(s3_server.endpoint, "GET", path)[0] == (200 if has_effect else 404)
    assert ask(proxy.endpoint, "PUT", path, BODY)[0] == 200, "once is once"


def test_a_truncated_answer_ends_before_its_length_and_a_shortened_one_lies(proxy: FaultyProxy, path: str) -> None:
    ask(proxy.endpoint, "PUT", path, BODY)
    proxy.plan = on(Fate.TRUNCATED, method="GET")
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(proxy.endpoint, "GET", path)
    assert caught.value.partial == BODY[: len(BODY) // 2]
    proxy.plan = on(Fate.SHORTENED, method="GET")
    assert ask(proxy.endpoint, "GET", path) == (200, BODY[: len(BODY) // 2])


def asked(target: str, before: int = 0) -> Asked:
    return Asked(method="GET", kind="packs", target=target, conditional=False, before=before)


def test_a_seed_means_the_same_faults_and_never_too_many_in_a_row() -> None:
    plan, same, other = (by_seed(seed, share=0.3) for seed in (1, 1, 2))
    targets = [f"/bucket/packs/{number}" for number in range(500)]
    assert [plan(asked(target)) for target in targets] == [same(asked(target)) for target in reversed(targets)][::-1]
    assert [plan(asked(target)) for target in targets] != [other(asked(target)) for target in targets]
    assert {plan(asked(target)) for target in targets} == {*PASSING, Fate.PASS}
    always = by_seed(1, share=1.0, in_a_row=2)
    fared = [always(asked("/a", before)) is Fate.PASS for before in range(6)]
    assert fared == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("path", "query", "kind"),
    [
        ("/bucket/a/packs/00ff", {}, "packs"),
        ("/bucket/packs/config", {}, "packs"),
        ("/bucket/config", {}, "config"),
        ("/bucket%2Done/p%2Fsnapshots%2F00", {}, "snapshots"),
        ("/bucket", {"list-type": ["2"], "prefix": ["p/index/"]}, "list index"),
        ("/account/bucket", {"comp": ["list"], "prefix": [""]}, "list"),
        ("/bucket", {"delete": [""]}, "delete many"),
        ("/bucket/else", {}, "other"),
    ],
)
def test_kind_of_a_request(path: str, query: dict[str, list[str]], kind: str) -> None:
    assert kind_of(path, query) == kind
