"""What a writer, a reader and a pruner may do in a bucket whose server enforces the policies of the documentation, and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.bucket_crashes import database, forgetting, prune_all
from tests.bucket_programs import program_of
from tests.bucket_servers import KEY_ID, SECRET, BucketServer, versitygw
from tests.bucket_stores import SHORT, store_in
from tests.faulty_proxy import FaultyProxy
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, opened, take
from vault.bucket.client import connect
from vault.bucket.place import parse_place
from vault.errors import StoreDenied
from vault.ids import SnapshotId
from vault.ops.retention import forget
from vault.ops.retention.unlock import asking, unlock
from vault.store.object_storage import ObjectStorage

POLICIES = ROOT / "vault" / "docs" / "examples"
PREFIX = "project"
ROLES = ("reader", "writer", "pruner")


def policy(name: str, bucket: str) -> list[dict[str, Any]]:
    text = (POLICIES / f"s3_{name}.json").read_text(encoding="utf-8")
    statements: list[dict[str, Any]] = json.loads(text.replace("BUCKET", bucket).replace("PREFIX", PREFIX))["Statement"]
    return statements


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    """With an account for each role, whose name is its key. Skipped without versitygw: moto knows no rights of single names."""
    try:
        with versitygw() as server:
            for role in (*ROLES, "appender"):
                make_account(server, role)
            yield server
    except LookupError as missing:
        pytest.skip(str(missing))


def make_account(server: BucketServer, name: str) -> None:
    program = program_of("versitygw")
    assert program is not None
    asking = ("--access", KEY_ID, "--secret", SECRET, "--endpoint-url", server.endpoint)
    made = ("create-user", "--access", name, "--secret", SECRET, "--role", "user")
    subprocess.run([program, "admin", *asking, *made], check=True, capture_output=True)


Enter = Callable[[str], ObjectStorage]
"""The repository as an account of that name may use it; `root` is its owner."""


@pytest.fixture
def bucket(server: BucketServer) -> str:
    """URL of a bucket under the three policies; the appender is a writer that may remove nothing at all."""
    bucket = server.new_bucket().removeprefix("s3://")
    statements = [
        statement | {"Sid": f"{role}{number}", "Principal": {"AWS": [role]}}
        for role in (*ROLES, "appender")
        for number, statement in enumerate(policy("writer" if role == "appender" else role, bucket))
        if not (role == "appender" and "s3:DeleteObject" in statement["Action"])
    ]
    server.s3().put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return f"s3://{bucket}/{PREFIX}"


@pytest.fixture
def enter(server: BucketServer, bucket: str) -> Enter:
    def store_of(account: str) -> ObjectStorage:
        keys = {"AWS_ACCESS_KEY_ID": account} if account != "root" else {}
        place = parse_place(bucket)
        return ObjectStorage(connect(place, {**server.environment, **keys}, quick=SHORT, patient=SHORT))

    return store_of


@pytest.fixture
def days(enter: Enter) -> tuple[SnapshotId, SnapshotId]:
    """Snapshots of two days, which the writer took, in a repository that the pruner made."""
    new_repository(enter("pruner"))
    first, second = (take(opened(enter("writer")), database(day)).id for day in (1, 2))
    assert [file.name for file in enter("root").list("leases/")] == []
    return first, second


def test_a_reader_reads_checks_and_changes_nothing(enter: Enter, days: tuple[SnapshotId, SnapshotId]) -> None:
    store = enter("reader")
    before = [file.name for file in enter("root").list("")]
    assert contents(opened(store), days[0]) == contents(opened(enter("root")), days[0])
    assert damage(opened(store)) == ()
    with pytest.raises(StoreDenied):
        take(opened(store), database(3))
    with pytest.raises(StoreDenied):
        store.delete(before[0])
    assert [file.name for file in enter("root").list("")] == before


def test_a_writer_adds_and_removes_nothing_but_leases(enter: Enter, days: tuple[SnapshotId, SnapshotId]) -> None:
    store = enter("writer")
    third = take(opened(store), database(3))
    assert damage(opened(store)) == ()
    for folder in ("packs/", "index/", "snapshots/", "keys/", "config"):
        name = next(iter(store.list(folder))).name
        with pytest.raises(StoreDenied, match="delete"):
            store.delete(name)
    there = {snapshot for snapshot, _ in opened(enter("root")).snapshots()}
    assert there == {*days, third.id}
    assert damage(opened(enter("root"))) == ()


@pytest.mark.parametrize("role", ["writer", "appender", "reader"])
def test_nobody_but_a_pruner_has_a_snapshot_forgotten_even_by_the_next_pruner(
    enter: Enter, days: tuple[SnapshotId, SnapshotId], role: str
) -> None:
    """Every forget finishes what a record says: who may write records would have the pruner remove what it may not remove itself."""
    store = enter(role)
    with pytest.raises(StoreDenied):
        forgetting(days[0])(store, store)
    assert list(store.list("forgotten/")) == []
    pruner = enter("pruner")
    plan = forget.plan_named(forget.take_stock(opened(pruner)), [], remove_all=False)
    forget.run(opened(pruner), plan, clock=CLOCK, entropy=os.urandom)
    assert {snapshot for snapshot, _ in opened(pruner).snapshots()} == {*days}


def test_without_any_right_to_delete_backups_go_on_and_what_stays_is_told(
    enter: Enter, days: tuple[SnapshotId, SnapshotId]
) -> None:
    store = enter("appender")
    said = Quiet()
    third = take(opened(store), database(3), progress=said)
    fourth = take(opened(store), database(4), progress=said)
    assert [line for line in said.events if "lease" in line], said.events
    left = [file.name for file in store.list("leases/")]
    assert left
    repo = opened(enter("pruner"))
    assert contents(repo, third.id)["table public.edited"] == b"".join(database(3).tables["public.edited"])
    assert damage(repo) == ()
    unlock(repo, probe=asking(CLOCK.now_ms(), host="", pid=0), is_dead=lambda _: True, entropy=os.urandom)
    prune_all(repo)
    assert [file.name for file in store.list("leases/")] == []
    assert {snapshot for snapshot, _ in repo.snapshots()} == {*days, third.id, fourth.id}


def test_a_pruner_forgets_and_reclaims(enter: Enter, days: tuple[SnapshotId, SnapshotId]) -> None:
    store = enter("pruner")
    packs = {file.name for file in store.list("packs/")}
    forgetting(days[0])(store, store)
    prune_all(opened(store))
    assert packs - {file.name for file in store.list("packs/")}
    assert [snapshot for snapshot, _ in opened(store).snapshots()] == [days[1]]
    assert damage(opened(store)) == ()


@pytest.mark.parametrize("role", ROLES)
def test_other_prefixes_of_the_bucket_are_nobodys(server: BucketServer, bucket: str, role: str) -> None:
    other = bucket.removesuffix(PREFIX) + "other"
    store_in(server, other).put("config", b"theirs")
    place = parse_place(other)
    store = ObjectStorage(connect(place, {**server.environment, "AWS_ACCESS_KEY_ID": role}, quick=SHORT, patient=SHORT))
    for deed in (lambda: store.get("config"), lambda: store.put("a", b""), lambda: store.delete("config")):
        with pytest.raises(StoreDenied):
            deed()


def test_every_put_of_a_repository_has_the_condition_that_a_policy_can_demand(s3_server: BucketServer) -> None:
    """Of the policy that forbids to replace: no server that can be had here knows its condition."""
    url = f"{s3_server.new_bucket()}/{PREFIX}"
    with FaultyProxy(s3_server.endpoint) as proxy:
        repo = new_repository(store_in(s3_server.at(proxy.endpoint), url))
        first = take(repo, database(1)).id
        take(repo, database(2))
        forgetting(first)(repo.store, repo.store)
        prune_all(repo)
        puts = [asked for asked in proxy.asked if asked.method == "PUT"]
    assert len(puts) > 10
    assert all(asked.conditional for asked in puts)
    (denied,) = policy("never_replace", "b")
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Null": {"s3:if-none-match": "true"}}


@pytest.mark.parametrize("file", sorted(POLICIES.glob("s3_*.json")), ids=lambda file: file.stem)
def test_a_policy_speaks_of_one_bucket_and_one_prefix(file: Path) -> None:
    for statement in json.loads(file.read_text(encoding="utf-8"))["Statement"]:
        resources, actions = (
            [value] if isinstance(value, str) else value for value in (statement["Resource"], statement["Action"])
        )
        on_bucket = actions == ["s3:ListBucket"]
        for resource in resources:
            assert (
                resource == "arn:aws:s3:::BUCKET" if on_bucket else resource.startswith("arn:aws:s3:::BUCKET/PREFIX/")
            )
        assert not [action for action in actions if "*" in action]


def test_the_page_shows_the_policies_that_are_tried_here() -> None:
    page = (POLICIES.parent / "buckets.md").read_text(encoding="utf-8")
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    tried = {
        name: json.loads(
            (POLICIES / f"s3_{name}.json").read_text().replace("BUCKET", "my-backups").replace("PREFIX", "shop")
        )
        for name in (*ROLES, "never_replace")
    }
    assert shown == [tried["writer"], tried["pruner"]["Statement"][1], tried["never_replace"]]
    assert tried["reader"]["Statement"] == tried["writer"]["Statement"][:2], "as the page says in words"
    assert tried["pruner"]["Statement"][0] == tried["writer"]["Statement"][0]
