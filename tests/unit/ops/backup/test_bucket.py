"""Buckets in a backup: what is read, what is taken over, and what is told; over real servers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from tests.bucket_directories import Meanwhile, empty, fill, objects_of
from tests.bucket_servers import BucketServer
from tests.faulty_proxy import Asked, Fate, FaultyProxy
from tests.fix_buckets import BucketServers
from tests.http_front import Connection, Forward, Front, Message, answer
from tests.small_repository import contents, damage, new_repository, take
from tests.unit.ops.backup.test_files import missing
from vault.bucket import connections
from vault.errors import Unreachable
from vault.limits import MIB
from vault.model import FileItem, State
from vault.ops.backup.run import BackupReport
from vault.repo.state import Open
from vault.source.files.bucket import BucketFiles
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


@pytest.fixture
def proxy(s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    monkeypatch.setattr(connections, "PAUSE_S", 0)
    with FaultyProxy(s3_server.endpoint) as proxy:
        yield proxy


def back_up(repo: Open, server: BucketServer, url: str, *, full: bool = False) -> BackupReport:
    return take(repo, None, {"storage": BucketFiles(objects_of(server, url))}, full=full)


def items(repo: Open, report: BackupReport) -> dict[bytes, FileItem]:
    return {item.path: item for item in repo.indexed(None).snapshot(report.id).files("storage")}


def read(proxy: FaultyProxy) -> list[str]:
    """Keys that were read since."""
    asked = sorted(
        one.target.rpartition("/")[2] for one in proxy.asked if one.method == "GET" and "list-type" not in one.target
    )
    proxy.forget()
    return asked


@pytest.mark.spec("FILE-3")
def test_unchanged_objects_are_not_read_again(repo: Open, s3_server: BucketServer, proxy: FaultyProxy) -> None:
    url, server = s3_server.new_bucket(), s3_server.at(proxy.endpoint)
    fill(s3_server, url, {b"a": b"a" * 100, b"b": b"b" * 100, b"c": b"", b"f/": b""}, content_type="image/png")
    first = back_up(repo, server, url)
    assert read(proxy) == ["", "a", "b", "c"]
    assert missing(first) == {}
    fill(s3_server, url, {b"b": b"B" * 100, b"bb": b"new"})
    second = back_up(repo, server, url)
    assert read(proxy) == ["b", "bb"]
    assert contents(repo, second.id)["storage/b"] == b"B" * 100
    assert contents(repo, first.id)["storage/b"] == b"b" * 100
    stamp = items(repo, second)[b"a"].stamp
    assert stamp is not None
    assert dict(stamp.attributes)["content-type"] == "image/png"
    assert set(items(repo, second)) == {b"a", b"b", b"bb", b"c", b"f/%"}
    empty(s3_server, url, "a")
    assert "storage/a" not in contents(repo, back_up(repo, server, url).id)
    assert read(proxy) == []
    back_up(repo, server, url, full=True)
    assert read(proxy) == ["", "b", "bb", "c"]
    assert damage(repo) == ()


@pytest.mark.spec("FILE-3")
def test_an_object_of_the_same_size_written_within_the_same_second_is_read(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    for number in range(3):
        fill(s3_server, url, {b"a": b"%d" % number})
        assert contents(repo, back_up(repo, s3_server, url).id)["storage/a"] == b"%d" % number


@pytest.mark.spec("FILE-4")
def test_an_object_that_changes_after_it_was_listed_is_stored_as_it_is_then(
    repo: Open, s3_server: BucketServer
) -> None:
    url = s3_server.new_bucket()
    large = b"1" * 6 * MIB
    fill(s3_server, url, {b"a": b"one", b"b": b"b", b"large": large})
    source = Meanwhile(objects_of(s3_server, url))
    source.happens = lambda: fill(s3_server, url, {b"a": b"second", b"large": large + b"2"})
    report = take(repo, None, {"storage": source})
    assert missing(report) == {}
    assert contents(repo, report.id)["storage/a"] == b"second"
    assert contents(repo, report.id)["storage/large"] == large + b"2"
    assert damage(repo) == ()


@pytest.mark.spec("FILE-4")
def test_an_object_that_changes_all_the_time_is_told_and_takes_no_other_with_it(
    repo: Open, s3_server: BucketServer, proxy: FaultyProxy
) -> None:
    url, numbers = s3_server.new_bucket(), count(1)
    fill(s3_server, url, {b"a": b"a", b"busy": b"0", b"z": b"z"})

    def plan(asked: Asked) -> Fate:
        if asked.method == "GET" and asked.target.endswith("/busy"):
            fill(s3_server, url, {b"busy": b"%d" % next(numbers)})
        return Fate.PASS

    proxy.plan = plan
    report = back_up(repo, s3_server.at(proxy.endpoint), url)
    assert missing(report) == {"busy": (State.FAILED, "it changed while it was read, twice")}
    assert set(items(repo, report)) == {b"a", b"z"}


def test_what_vanishes_or_cannot_be_read_is_told(repo: Open, bucket_servers: BucketServers) -> None:
    server = bucket_servers["moto"]
    url = server.new_bucket()
    fill(server, url, {b"a": b"a", b"gone": b"1", b"z": b"z"})
    server.s3().put_object(Bucket=url.removeprefix("s3://"), Key="cold", Body=b"ice", StorageClass="GLACIER")
    source = Meanwhile(objects_of(server, url))
    source.happens = partial(empty, server, url, "gone")
    report = take(repo, None, {"storage": source})
    told = missing(report)
    assert told["gone"] == (State.FAILED, "it vanished after it was listed")
    assert told["cold"][0] is State.NOT_EXPORTABLE
    assert "archive" in told["cold"][1]
    assert set(items(repo, report)) == {b"a", b"z"}


def test_an_object_that_may_not_be_read_is_told(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"a": b"a", b"secret": b"1"})

    def deny(request: Message, ask: Forward, client: Connection) -> None:
        said = ask(request)
        if request.target.endswith("/secret"):
            said = answer(403, b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml")
        client.send(said.head() + said.body)

    with Front(s3_server.endpoint, deny) as front:
        report = back_up(repo, s3_server.at(front.endpoint), url)
    assert missing(report) == {"secret": (State.NOT_PERMITTED, "the credentials lack the right to do this")}
    assert set(items(repo, report)) == {b"a"}


def test_an_outage_in_the_midst_ends_the_backup(repo: Open, s3_server: BucketServer, proxy: FaultyProxy) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"%02d" % number: b"x" for number in range(30)})
    proxy.plan = lambda asked: Fate.CUT if "/1" in asked.target else Fate.PASS
    with pytest.raises(Unreachable):
        back_up(repo, s3_server.at(proxy.endpoint), url)
    assert repo.snapshots() == []


def test_faults_that_pass_change_nothing(repo: Open, s3_server: BucketServer, proxy: FaultyProxy) -> None:
    url = s3_server.new_bucket()
    wanted = {b"%02d" % number: b"%d" % number * 1000 for number in range(40)} | {b"large": bytes(range(256)) * 40_000}
    fill(s3_server, url, wanted)
    proxy.plan = lambda asked: (
        Fate.PASS if asked.before else [Fate.TRUNCATED, Fate.CUT, Fate.REFUSED][len(asked.target) % 3]
    )
    report = back_up(repo, s3_server.at(proxy.endpoint), url)
    assert missing(report) == {}
    assert contents(repo, report.id)["storage/large"] == wanted[b"large"]
    assert len(items(repo, report)) == len(wanted)


def test_an_answer_that_is_shorter_than_the_object_is_never_stored_as_it(
    repo: Open, s3_server: BucketServer, proxy: FaultyProxy
) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"a": b"1234"})
    proxy.plan = lambda asked: Fate.SHORTENED if asked.method == "GET" and asked.target.endswith("/a") else Fate.PASS
    report = back_up(repo, s3_server.at(proxy.endpoint), url)
    assert set(missing(report)) == {"a"}
    assert items(repo, report) == {}


def test_all_buckets_of_an_endpoint_are_one_directory(bucket_servers: BucketServers) -> None:
    server = bucket_servers["versitygw"]
    first, second = server.new_bucket(), server.new_bucket()
    fill(server, first, {b"x": b"1"})
    fill(server, second, {b"x": b"2", b"d/y": b"3"})
    repo = new_repository(MemoryStore())
    stored = contents(repo, back_up(repo, server, "s3://*").id)
    names = [url.removeprefix("s3://") for url in (first, second)]
    assert stored[f"storage/{names[0]}/x"] == b"1"
    assert stored[f"storage/{names[1]}/x"] == b"2"
    assert stored[f"storage/{names[1]}/d/y"] == b"3"


def test_patterns_leave_objects_and_folders_out(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"a.png": b"1", b"tmp/a": b"2", b"tmp/b/c": b"3", b"b/x.log": b"4", b"b/y": b"5"})
    source = BucketFiles(objects_of(s3_server, url), ["tmp/", "*.log"])
    report = take(repo, None, {"storage": source})
    assert set(items(repo, report)) == {b"a.png", b"b/y"}
    (coverage,) = (held for name, held in report.ledger.items() if name == "dir:storage")
    assert {item.item: item.why for item in coverage.missing} == {
        "what --exclude tmp/ leaves out": "1 path, a directory with all it holds as one",
        "what --exclude *.log leaves out": "1 path, a directory with all it holds as one",
    }
