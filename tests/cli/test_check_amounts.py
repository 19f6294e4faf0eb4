"""`pgvault check --read-data` in part, for a time, and broken off: what was read is kept, and the next one goes on."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.bucket_servers import BucketServer
from tests.cli.command import HANG_S, Command
from tests.cli.test_buckets import in_bucket
from tests.cli.test_journey import conforming
from tests.faulty_proxy import Fate, FaultyProxy, on, undisturbed

PACKS = 3


@pytest.fixture
def saved(pgvault_ready: Command, tmp_path: Path) -> Command:
    back_up(pgvault_ready, tmp_path / "lib", times=PACKS)
    return pgvault_ready


def back_up(command: Command, directory: Path, *, times: int) -> None:
    """Each leaves a pack."""
    directory.mkdir()
    for number in range(times):
        (directory / str(number)).write_bytes(bytes(range(number, 256)) * 90)
        done = command("backup", "--dir", f"lib={directory}", "-q")
        assert done.code == 0, done.err


def read_bytes(saved: Command, *options: str) -> int:
    done = saved("check", *options, "--json")
    assert done.code == 0, done.out
    told = conforming(done.json(), "check")
    assert isinstance(told["read_bytes"], int)
    return told["read_bytes"]


def test_parts_sizes_and_shares_of_the_packs(saved: Command) -> None:
    every = read_bytes(saved, "--read-data")
    assert every > 0
    assert sum(read_bytes(saved, f"--read-data={number}/2") for number in (1, 2)) == every
    assert 0 < read_bytes(saved, "--read-data=1K") < every
    assert 0 < read_bytes(saved, "--read-data=10%") < every
    assert read_bytes(saved, "--max-duration", "1h") == every


def test_a_time_that_is_over_leaves_the_rest_for_the_next_check(saved: Command) -> None:
    done = saved("check", "--max-duration", "0")
    assert done.code == 0
    assert "are left for next time" in done.err
    assert saved("check", "--max-duration", "0", "--json").json()["packs_left"] > 0
    assert saved("status", "--json").json()["data_read"] is None
    everything = sum(1 for path in (saved.repository / "packs").rglob("*") if path.is_file())
    for _ in range(everything):
        read_bytes(saved, "--read-data=1")
    assert saved("status", "--json").json()["data_read"] is not None, "each took what was not read for longest"


def test_ctrl_c_keeps_what_was_read(s3_server: BucketServer, tmp_path: Path) -> None:
    """The first packs are read and the next one is held, so that the signal always meets the reading."""
    bucket = in_bucket(s3_server, tmp_path / "machine", s3_server.new_bucket() + "/app")
    assert bucket("init", "--no-recovery-kit").code == 0
    back_up(bucket, tmp_path / "lib", times=6)
    with FaultyProxy(s3_server.endpoint, held_s=HANG_S) as proxy:
        behind = Command(home=bucket.home, environment={**bucket.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        proxy.plan = on(Fate.HELD, method="GET", kind="packs", first=5, times=1000)
        running = behind.start("check", "--read-data", "--json")
        while not proxy.fates[Fate.HELD]:
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        before = packs_asked(proxy)
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=HANG_S)
        assert (running.returncode, said) == (130, "")
        told = json.loads(out.splitlines()[-1])
        assert (told["code"], told["why"]) == ("INTERRUPTED", "4 packs had been read and found whole")
        proxy.plan = undisturbed
        proxy.forget()
        assert read_bytes(behind, "--max-duration", "1h") > 0
        assert not set(before[:4]) & set(packs_asked(proxy)[:4]), "what nobody has read comes first"


def packs_asked(proxy: FaultyProxy) -> list[str]:
    return [asked.target for asked in proxy.asked if (asked.method, asked.kind) == ("GET", "packs")]


@pytest.mark.parametrize("options", [("--read-data=2/1",), ("--read-data=x",), ("--max-duration", "soon")])
def test_what_is_no_amount_is_refused(pgvault: Command, options: tuple[str, ...]) -> None:
    assert pgvault("check", *options).code == 2
