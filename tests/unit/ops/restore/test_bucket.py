"""Directories brought back into buckets, and buckets into directories; over real servers."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from tests.bucket_directories import empty, fill, objects_of
from tests.bucket_servers import BucketServer
from tests.faulty_proxy import Fate, FaultyProxy
from tests.fix_buckets import BucketServers
from tests.http_front import Connection, Forward, Front, Message, answer
from tests.small_repository import Quiet, new_repository, take
from tests.unit.bucket.test_objects import ODD
from vault.bucket import connections
from vault.bucket.objects import BucketObjects
from vault.bucket.place import parse_place
from vault.errors import CredentialsRefused, PermissionMissing, Unreachable, UnsafeError
from vault.model import State
from vault.ops.restore.bucket import BucketMerging, compare_bucket, restore_bucket
from vault.ops.restore.files import RestoredDirectory, restore_directory
from vault.repo.snapshot import Snapshot
from vault.repo.state import Open
from vault.source.files.bucket import BucketFiles
from vault.source.files.bucket_target import BucketWriter
from vault.source.files.directory import DirectoryFiles
from vault.source.files.target import DirectoryWriter
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def saved(repo: Open, server: BucketServer, url: str) -> Snapshot:
    report = take(repo, None, {"storage": BucketFiles(objects_of(server, url))})
    return repo.indexed(None).snapshot(report.id)


def restore(
    snapshot: Snapshot, server: BucketServer, url: str, *, merge: bool = False, replace: bool = False
) -> RestoredDirectory:
    merging = BucketMerging(there=BucketFiles(objects_of(server, url)), replace=replace) if merge else None
    with BucketWriter(objects_of(server, url), merge=merge) as target:
        return restore_bucket(snapshot, "storage", target, progress=Quiet(), merging=merging)


def held(server: BucketServer, url: str) -> dict[bytes, tuple[bytes, dict[str, str]]]:
    objects = objects_of(server, url)
    found = {item.key: objects.open(item.key, item.etag) for item in objects.list()}
    return {key: (b"".join(one.blocks), dict(one.attributes)) for key, one in found.items()}


def test_every_key_comes_back_with_its_content_and_attributes(repo: Open, s3_server: BucketServer) -> None:
    url, other = s3_server.new_bucket(), s3_server.new_bucket() + "/below"
    tree = [b"t", b"t/", b"t//", b"t/x", b"t-", b"t%/y", b"t%"]
    fill(
        s3_server,
        url,
        {key: b"of " + key for key in [*ODD, *tree]},
        content_type="text/css",
        cache_control="no-cache",
        meta_a="ä",
    )
    fill(s3_server, url, {b"large": bytes(range(256)) * 50_000})
    before = held(s3_server, url)
    done = restore(saved(repo, s3_server, url), s3_server, other)
    assert done.changed == ()
    assert done.files == len(before)
    assert held(s3_server, other) == before


@pytest.mark.spec("FILE-5")
def test_keys_that_are_no_paths_stay_in_the_directory_they_are_restored_to(
    repo: Open, s3_server: BucketServer, tmp_path: Path
) -> None:
    url = s3_server.new_bucket()
    keys = [*ODD, b"../../outside", b"/etc/passwd", b"a/../../b"]
    fill(s3_server, url, {key: b"of " + key for key in keys})
    snapshot = saved(repo, s3_server, url)
    with DirectoryWriter(tmp_path / "in" / "here", os.urandom) as target:
        done = restore_directory(snapshot, "storage", target, progress=Quiet())
    assert done.files == len(keys)
    inside = [path for path in (tmp_path / "in" / "here").rglob("*") if path.is_file()]
    assert len(inside) == len(keys)
    assert sorted(path.read_bytes() for path in inside) == sorted(b"of " + key for key in keys)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path not in inside] == []


def test_what_is_missing_comes_and_what_differs_is_told_or_replaced(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, dict.fromkeys((b"equal", b"gone", b"longer", b"other", b"renamed"), b"1"), content_type="a/b")
    wanted = held(s3_server, url)
    snapshot = saved(repo, s3_server, url)
    empty(s3_server, url, "gone")
    fill(s3_server, url, {b"longer": b"22", b"other": b"2", b"new": b"new"}, content_type="a/b")
    objects = objects_of(s3_server, url)
    before = objects.stat(b"renamed")
    while objects.stat(b"renamed") == before:  # times of buckets have full seconds
        fill(s3_server, url, {b"renamed": b"1"}, content_type="c/d")
    compared = compare_bucket(snapshot, "storage", BucketFiles(objects_of(s3_server, url)))
    assert (compared.missing, compared.equal) == (1, 1)
    why = {
        "longer": "other content there, 2 bytes for 1",
        "other": "other content there, of the same length",
        "renamed": "other attributes there: content-type",
    }
    assert {one.path: one.why for one in compared.differing} == why
    with pytest.raises(UnsafeError, match="not empty"):
        restore(snapshot, s3_server, url)
    done = restore(snapshot, s3_server, url, merge=True)
    assert (done.files, done.equal) == (1, 1)
    assert {one.path: one.why for one in done.left} == why
    done = restore(snapshot, s3_server, url, merge=True, replace=True)
    assert (done.files, done.equal, done.left) == (3, 2, ())
    assert held(s3_server, url) == {**wanted, b"new": (b"new", {"content-type": "a/b"})}


def test_what_the_store_says_is_unchanged_is_not_read(
    repo: Open, s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"%d" % number: b"x" for number in range(20)})
    snapshot = saved(repo, s3_server, url)
    with FaultyProxy(s3_server.endpoint) as proxy:
        done = restore(snapshot, s3_server.at(proxy.endpoint), url, merge=True)
        assert done.equal == 20
        assert [one.method for one in proxy.asked] == ["GET"]


def test_what_comes_meanwhile_is_kept_and_told(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"a": b"a", b"b": b"b"})
    snapshot = saved(repo, s3_server, url)
    empty(s3_server, url, "a", "b")
    there = BucketFiles(objects_of(s3_server, url))
    there.state(b"", stamped=False)  # it has looked
    fill(s3_server, url, {b"a": b"newer"})
    with BucketWriter(objects_of(s3_server, url), merge=True) as target:
        merging = BucketMerging(there=there, replace=False)
        done = restore_bucket(snapshot, "storage", target, progress=Quiet(), merging=merging)
    assert [(one.item, one.state) for one in done.changed] == [("a", State.FAILED)]
    assert {key: content for key, (content, _) in held(s3_server, url).items()} == {b"a": b"newer", b"b": b"b"}


def test_a_directory_comes_into_a_bucket_under_its_paths_and_links_are_told(
    repo: Open, s3_server: BucketServer, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    for name in ("d/x", "100%25", "%", "100%"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("d")
    report = take(repo, None, {"storage": DirectoryFiles(tmp_path)})
    url = s3_server.new_bucket()
    done = restore(repo.indexed(None).snapshot(report.id), s3_server, url)
    assert {key: content for key, (content, _) in held(s3_server, url).items()} == {
        b"d/x": b"d/x", b"100%25": b"100%25", b"%": b"%", b"100%": b"100%",
    }  # fmt: skip
    assert [(one.item, one.why) for one in done.changed] == [("link", "a bucket has no links")]


def denied(beginnings: str, request: Message, ask: Forward, client: Connection) -> None:
    """As with a policy that lets nobody write what begins with one of these letters."""
    if request.method == "PUT" and request.target.rpartition("/")[2].startswith(tuple(beginnings)):
        said = answer(403, b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml")
    else:
        said = ask(request)
    client.send(said.head() + (b"" if request.method == "HEAD" else said.body))


def test_an_object_that_may_not_be_written_keeps_no_other_one_back(repo: Open, s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    fill(s3_server, url, {b"%02d" % number: b"x" for number in range(20)} | {b"z": b"z"})
    snapshot = saved(repo, s3_server, url)
    with Front(s3_server.endpoint, partial(denied, "0z")) as front:
        done = restore(snapshot, s3_server.at(front.endpoint), s3_server.new_bucket())
    assert done.files == 10
    assert {(one.item, one.state) for one in done.changed} == {
        (name, State.NOT_PERMITTED) for name in ["z", *(f"{number:02d}" for number in range(10))]
    }
    with Front(s3_server.endpoint, partial(denied, "012z")) as front, pytest.raises(PermissionMissing):
        restore(snapshot, s3_server.at(front.endpoint), s3_server.new_bucket())


def test_keys_that_are_refused_end_the_restore(
    repo: Open, s3_server: BucketServer, bucket_servers: BucketServers
) -> None:
    url, server = s3_server.new_bucket(), bucket_servers["versitygw"]
    fill(s3_server, url, {b"a": b"a", b"b": b"b"})
    wrong = {**server.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    objects = BucketObjects(parse_place(server.new_bucket()), wrong, lambda: time.time_ns() // 10**6)
    with pytest.raises(CredentialsRefused), BucketWriter(objects, merge=True) as target:
        restore_bucket(saved(repo, s3_server, url), "storage", target, progress=Quiet())


def test_attributes_that_cannot_come_are_told_and_the_object_is_there(repo: Open, s3_server: BucketServer) -> None:
    url, other = s3_server.new_bucket(), s3_server.new_bucket()
    fill(s3_server, url, {b"a": b"content"})

    def attributed(request: Message, ask: Forward, client: Connection) -> None:
        said = ask(request)
        said.headers.append(("x-amz-meta-a", "end\u0085".encode().decode("latin-1")))
        client.send(said.head() + said.body)

    with Front(s3_server.endpoint, attributed) as front:
        snapshot = saved(repo, s3_server.at(front.endpoint), url)
    done = restore(snapshot, s3_server, other)
    assert (done.files, done.size) == (1, 7)
    (told,) = done.changed
    assert (told.item, told.state) == ("a", State.NOT_EXPORTABLE)
    assert "without the attributes 'meta-a'" in told.why


def test_an_outage_ends_the_restore_and_faults_that_pass_do_not(
    repo: Open, s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PAUSE_S", 0)
    url, other = s3_server.new_bucket(), s3_server.new_bucket()
    fill(s3_server, url, {b"%02d" % number: b"x" * 1000 for number in range(40)})
    snapshot = saved(repo, s3_server, url)
    fates = [Fate.LATE_CUT, Fate.LATE_REFUSED, Fate.CUT]
    with FaultyProxy(s3_server.endpoint) as proxy:
        proxy.plan = lambda asked: Fate.PASS if asked.before else fates[int(asked.target[-1], 36) % 3]
        done = restore(snapshot, s3_server.at(proxy.endpoint), other)
        assert (done.files, done.changed) == (40, ())
        proxy.plan = lambda asked: Fate.CUT if asked.method == "PUT" else Fate.PASS
        with pytest.raises(Unreachable):
            restore(snapshot, s3_server.at(proxy.endpoint), s3_server.new_bucket())
    assert held(s3_server, other) == held(s3_server, url)
