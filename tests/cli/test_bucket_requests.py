"""How many requests the real command makes of a bucket, counted by a proxy in front of the server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket_servers import BucketServer
from tests.cli.command import Command
from tests.cli.test_buckets import in_bucket, succeed
from tests.faulty_proxy import FaultyProxy

TRUSTED_AFTER = 2.1
"""Seconds after which the ctime of a file tells it apart from a later one [88-files]."""
UNCHANGED_DAY = {
    "GET list": 3,  # twice for sweeps, from the newest snapshot on: that none is listed is no proof that there is none (STORE-10)
    "GET snapshots": 1,
    "PUT leases": 2,
    "GET list index": 1,
    "GET list packs": 2,
    "PUT snapshots": 1,
    "GET list leases": 1,
    "POST delete many": 1,
}


@pytest.fixture
def proxy(s3_server: BucketServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def machine(s3_server: BucketServer, proxy: FaultyProxy, tmp_path: Path) -> Command:
    """With a repository, and two snapshots of fifty files in it; the second read what was too young in the first."""
    url = s3_server.new_bucket() + "/app"
    machine = in_bucket(s3_server.at(proxy.endpoint), tmp_path / "machine", url)
    for number in range(50):
        (machine.home / "files" / f"{number:02}").mkdir(parents=True)
        (machine.home / "files" / f"{number:02}/letter").write_text(f"dear reader {number}")
    written = time.monotonic()
    succeed(machine, "init", "--no-recovery-kit")
    succeed(machine, "backup", "--dir", "files=files")
    time.sleep(max(0.0, written + TRUSTED_AFTER - time.monotonic()))
    succeed(machine, "backup", "--dir", "files=files")
    return machine


def counted(machine: Command, proxy: FaultyProxy, *words: str) -> Counter[str]:
    proxy.forget()
    succeed(machine, *words)
    return Counter({" ".join(asked): number for asked, number in proxy.counts().items()})


def test_requests_of_every_days_commands(machine: Command, proxy: FaultyProxy, tmp_path: Path) -> None:
    assert counted(machine, proxy, "backup", "--dir", "files=files") == UNCHANGED_DAY
    assert sum(UNCHANGED_DAY.values()) == 12
    assert counted(machine, proxy, "snapshots") == {"GET list": 1}
    assert counted(machine, proxy, "status") == {"GET list": 1, "GET snapshots": 1}, (
        "what a cache tells of the newest is no proof"
    )
    cat = counted(machine, proxy, "cat", "latest:files/07/letter")
    assert cat == {"GET list": 1, "GET snapshots": 1, "GET packs": 1}
    extracted = counted(machine, proxy, "extract", "latest", "files", "--to", str(tmp_path / "out"))
    assert extracted["GET packs"] <= 2, "fifty files lie side by side"
    assert extracted.total() <= 6
    assert (tmp_path / "out/files/49/letter").read_text() == "dear reader 49"


def test_requests_of_what_looks_after_a_repository(machine: Command, proxy: FaultyProxy) -> None:
    checked = counted(machine, proxy, "check")
    assert checked["GET packs"] <= 2, "the nodes of all snapshots lie in two packs"
    assert checked.total() <= 46
    forgotten = counted(machine, proxy, "forget", "--keep-last", "1")
    assert forgotten["POST delete many"] + forgotten["DELETE snapshots"] <= 2
    assert forgotten.total() <= 20
    assert counted(machine, proxy, "prune", "--min-age", "0").total() <= 80
