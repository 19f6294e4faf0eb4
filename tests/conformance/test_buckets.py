"""A store in a bucket, over each kind of server, and behind a proxy that disturbs: nothing is lost, nothing short is taken for whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.architecture.sources import ROOT
from tests.bucket_servers import BucketServer
from tests.bucket_stores import PREFIX, SHORT, store_in
from tests.conformance.store_suite import StoreSuite, names
from tests.faulty_proxy import PASSING, Fate, FaultyProxy, by_seed, on, undisturbed
from tests.fix_buckets import BucketServers
from vault.errors import AlreadyExists, Malformed, NotFound, Unavailable
from vault.limits import MIB, PACK_BYTES_MAX
from vault.ports import ObjectStore
from vault.store.object_storage import ObjectStorage

RACERS = 8
MANY, FEW = 1_100, 100
PAGES = {"moto": 2, "versitygw": 2}
"""Which page of many names is disturbed, of a thousand each; the other servers give all in one."""
NAME = "packs/" + "ab" * 32


class TestUndisturbed(StoreSuite):
    @pytest.fixture
    def store(self, bucket_server: BucketServer) -> ObjectStore:
        return store_in(bucket_server)


class TestDisturbed(StoreSuite):
    """A third of all requests meets a fault, each at most twice in a row: the suite notices none of it."""

    @pytest.fixture
    def store(self, bucket_server: BucketServer) -> Iterator[ObjectStore]:
        url = bucket_server.new_bucket()
        with FaultyProxy(bucket_server.endpoint, by_seed(1, share=0.33)) as proxy:
            yield store_in(bucket_server.at(proxy.endpoint), url)


@pytest.fixture(params=["moto", "versitygw"])
def amazon(request: pytest.FixtureRequest) -> BucketServer:
    """Those that speak S3: one that is everywhere, one that is meant to be relied on."""
    server: BucketServer = request.getfixturevalue("bucket_servers")[request.param]
    return server


@pytest.fixture
def proxy(bucket_server: BucketServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(bucket_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def url(bucket_server: BucketServer) -> str:
    return f"{bucket_server.new_bucket()}/{PREFIX}"


@pytest.fixture
def direct(bucket_server: BucketServer, url: str) -> ObjectStorage:
    return store_in(bucket_server, url)


@pytest.fixture
def store(bucket_server: BucketServer, url: str, proxy: FaultyProxy) -> ObjectStorage:
    """The same as `direct`, behind the proxy."""
    return store_in(bucket_server.at(proxy.endpoint), url, patience=SHORT)


# --- puts -----------------------------------------------------------------------------------------


@pytest.mark.spec("STORE-5")
@pytest.mark.parametrize("fate", PASSING)
def test_a_put_whose_first_answer_was_lost_succeeds(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy, fate: Fate
) -> None:
    proxy.plan = on(fate, method="PUT")
    store.put(NAME, b"bytes")
    assert direct.get(NAME) == b"bytes"


@pytest.mark.spec("STORE-1", "STORE-5")
@pytest.mark.parametrize("fate", PASSING)
def test_a_taken_name_is_refused_whatever_became_of_the_answers(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy, fate: Fate
) -> None:
    direct.put("config", b"theirs")
    proxy.plan = on(fate, method="PUT")
    with pytest.raises(AlreadyExists):
        store.put("config", b"ours")
    assert direct.get("config") == b"theirs"


@pytest.mark.spec("STORE-5")
def test_a_put_that_is_never_answered_succeeds_if_its_bytes_are_there(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    proxy.plan = on(Fate.LATE_CUT, method="PUT", times=1_000)
    store.put(NAME, b"bytes")
    assert direct.get(NAME) == b"bytes"


def test_a_put_that_never_arrives_is_told(store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy) -> None:
    proxy.plan = on(Fate.CUT, method="PUT", times=1_000)
    with pytest.raises(Unavailable, match=NAME):
        store.put(NAME, b"bytes")
    with pytest.raises(NotFound):
        direct.get(NAME)


def test_nothing_is_known_of_a_put_when_nothing_answers(store: ObjectStorage, proxy: FaultyProxy) -> None:
    proxy.plan = on(Fate.LATE_CUT, times=1_000)
    with pytest.raises(Unavailable, match=NAME):
        store.put(NAME, b"bytes")


def test_one_process_alone_gets_a_name_that_many_want(amazon: BucketServer) -> None:
    url = amazon.new_bucket()
    won = race(amazon, url, "config", [f"writer {number}" for number in range(RACERS)])
    assert len(won) == 1, won
    assert store_in(amazon, url).get("config").decode() == won[0]


def test_writers_of_the_same_bytes_all_succeed_behind_lost_answers(
    bucket_server: BucketServer, url: str, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    proxy.plan = by_seed(3, share=0.5, fates=(Fate.LATE_REFUSED, Fate.LATE_CUT))
    stores = [store_in(bucket_server.at(proxy.endpoint), url) for _ in range(RACERS)]
    with ThreadPoolExecutor(RACERS) as pool:
        list(pool.map(lambda store: store.put(NAME, b"same"), stores))
    assert direct.get(NAME) == b"same"


def race(server: BucketServer, url: str, name: str, texts: list[str]) -> list[str]:
    """Texts of the processes whose put succeeded; they begin together."""
    program = "import sys; from tests.conformance.test_buckets import put_in_a_race; put_in_a_race(*sys.argv[1:])"
    words = (server.kind, server.endpoint, url, name)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, *words, text],
            cwd=ROOT,
            env={**os.environ, **server.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for text in texts
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    ended = [racer.communicate()[0].strip() for racer in racers]
    assert all(racer.returncode == 0 for racer in racers), ended
    return [text for text, said in zip(texts, ended, strict=True) if said == "put"]


def put_in_a_race(kind: str, endpoint: str, url: str, name: str, text: str) -> None:
    from pathlib import Path

    environment = {key: value for key, value in os.environ.items() if key.startswith(("AWS_", "AZURE_", "STORAGE_"))}
    server = BucketServer(kind=kind, endpoint=endpoint, environment=environment, directory=Path())
    store = store_in(server, url)
    with suppress(NotFound):
        store.get("nothing")  # connected
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store.put(name, text.encode())
        print("put")
    except AlreadyExists:
        print("taken")


# --- reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", PASSING)
def test_reads_get_over_a_disturbance(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy, fate: Fate
) -> None:
    data = os.urandom(100_000)
    direct.put(NAME, data)
    proxy.plan = on(fate, method="GET", kind="packs")
    assert store.get(NAME) == data
    proxy.plan = on(fate, method="GET", kind="packs")
    assert store.get_range(NAME, 1, 50_000) == data[1:50_001]


@pytest.mark.spec("STORE-3")
def test_an_answer_that_never_comes_whole_is_the_networks_fault_and_no_damage(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    direct.put(NAME, bytes(100_000))
    proxy.plan = on(Fate.TRUNCATED, method="GET", kind="packs", times=1_000)
    with pytest.raises(Unavailable, match=NAME):
        store.get(NAME)
    with pytest.raises(Unavailable, match=NAME):
        store.get_range(NAME, 10, 50_000)


@pytest.mark.spec("STORE-3")
def test_a_range_that_is_short_and_says_that_it_is_whole_is_never_given(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    direct.put(NAME, bytes(100_000))
    proxy.plan = on(Fate.SHORTENED, method="GET", kind="packs", times=1_000)
    with pytest.raises((Malformed, Unavailable), match=NAME):
        store.get_range(NAME, 10, 50_000)


# --- listings and deletions -----------------------------------------------------------------------


def test_a_listing_is_whole_and_in_order_through_every_disturbance(
    bucket_server: BucketServer, direct: ObjectStorage, store: ObjectStorage, proxy: FaultyProxy
) -> None:
    disturbed_page = PAGES.get(bucket_server.kind, 1)
    expected = [f"packs/{number:04x}" for number in range(MANY if disturbed_page > 1 else FEW)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: direct.put(name, b"x"), [*expected, "packs0", "index/1"]))
    for fate in PASSING:
        proxy.forget()
        proxy.plan = on(fate, method="GET", kind="list packs", first=disturbed_page)
        assert names(store, "packs/") == expected
        assert proxy.fates[fate] == 1


def test_a_listing_that_never_comes_whole_is_told(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    direct.put(NAME, b"")
    proxy.plan = on(Fate.TRUNCATED, kind="list packs", times=1_000)
    with pytest.raises(Unavailable):
        names(store, "packs/")


@pytest.mark.parametrize("fate", PASSING)
def test_deletions_get_over_a_disturbance(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy, fate: Fate
) -> None:
    for number in range(5):
        direct.put(f"packs/{number}", b"x")
    disturbed = [on(fate, method=method) for method in ("POST", "DELETE")]
    proxy.plan = lambda asked: next((found for plan in disturbed if (found := plan(asked)) is not Fate.PASS), Fate.PASS)
    store.delete(*(f"packs/{number}" for number in range(4)), "packs/never-there")
    assert names(direct) == ["packs/4"]
    assert proxy.fates[fate] > 0


# --- sizes ----------------------------------------------------------------------------------------


def test_the_largest_pack_is_one_put_without_parts(amazon: BucketServer) -> None:
    data, url = os.urandom(MIB) * (PACK_BYTES_MAX // MIB), amazon.new_bucket()
    with FaultyProxy(amazon.endpoint) as proxy:
        store = store_in(amazon.at(proxy.endpoint), url)
        store.put(NAME, data)
        assert proxy.counts() == {("PUT", "packs"): 1}
        assert store.get(NAME) == data
        assert store.get_range(NAME, PACK_BYTES_MAX - 5, 5) == data[-5:]


def test_what_clients_send_in_parts_elsewhere_is_one_put(store: ObjectStorage, proxy: FaultyProxy) -> None:
    data = os.urandom(5 * MIB + 1)
    proxy.plan = on(Fate.LATE_CUT, method="PUT")
    store.put(NAME, data)
    assert store.get(NAME) == data
    assert {method for method, _ in proxy.counts()} == {"PUT", "GET"}


# --- kinds of buckets -----------------------------------------------------------------------------


def test_storage_without_conditions_takes_a_repository(
    store: ObjectStorage, direct: ObjectStorage, proxy: FaultyProxy
) -> None:
    proxy.plan = lambda asked: Fate.NOT_IMPLEMENTED if asked.conditional else undisturbed(asked)
    store.put("config", b"ours")
    store.put(NAME, b"pack")
    assert (direct.get("config"), direct.get(NAME)) == (b"ours", b"pack")
    with pytest.raises(AlreadyExists):
        store.put("config", b"again")
    assert direct.get("config") == b"ours"


def test_a_bucket_that_keeps_old_versions_shows_the_present_alone(amazon: BucketServer) -> None:
    bucket = amazon.new_bucket()
    name, client = bucket.removeprefix("s3://"), amazon.s3()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    store = store_in(amazon, bucket + "/p")
    store.put(NAME, b"first")
    store.delete(NAME)
    assert names(store) == []
    with pytest.raises(NotFound):
        store.get(NAME)
    if amazon.kind == "versitygw":  # unlike Amazon's, it takes the mark of a deletion for a file
        with pytest.raises(AlreadyExists) as caught:
            store.put(NAME, b"second")
        assert "an old version" in caught.value.why
    else:
        store.put(NAME, b"second")
        with pytest.raises(AlreadyExists):
            store.put(NAME, b"third")
        assert store.get(NAME) == b"second"


def test_under_object_lock_files_are_put_and_hidden_and_stay(bucket_servers: BucketServers) -> None:
    """moto wants a header of Amazon's own clients, and has no lock for others."""
    amazon = bucket_servers["versitygw"]
    bucket = amazon.new_bucket(ObjectLockEnabledForBucket=True)
    name, client = bucket.removeprefix("s3://"), amazon.s3()
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    client.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    store = store_in(amazon, bucket + "/p")
    store.put(NAME, b"first")
    store.put("packs/other", b"second")
    store.delete(NAME)
    assert names(store) == ["packs/other"]
    versions = client.list_object_versions(Bucket=name)["Versions"]
    assert {version["Key"] for version in versions} == {f"p/{NAME}", "p/packs/other"}
    with pytest.raises(client.exceptions.ClientError, match=r"AccessDenied|WORM|protected"):
        client.delete_object(Bucket=name, Key=f"p/{NAME}", VersionId=versions[0]["VersionId"])
