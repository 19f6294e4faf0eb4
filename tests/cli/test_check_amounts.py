"""`pgvault check --read-data` in part, for a time, and broken off: what was read is kept, and the next one goes on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.command import HANG_S, Command
from tests.cli.test_journey import conforming

PACKS = 3


@pytest.fixture
def saved(pgvault_ready: Command, tmp_path: Path) -> Command:
    (tmp_path / "lib").mkdir()
    for number in range(PACKS):
        (tmp_path / "lib" / str(number)).write_bytes(bytes(range(number, 256)) * 90)
        done = pgvault_ready("backup", "--dir", f"lib={tmp_path / 'lib'}", "-q")
        assert done.code == 0, done.err
    return pgvault_ready


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


def test_ctrl_c_keeps_what_was_read(saved: Command, tmp_path: Path) -> None:
    child = saved.start("check", "--read-data", "--json")
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=HANG_S)
    assert child.returncode in (130, -signal.SIGINT, 0), out
    if out.strip() and child.returncode == 130:
        assert json.loads(out.splitlines()[-1])["code"] == "INTERRUPTED"


@pytest.mark.parametrize("options", [("--read-data=2/1",), ("--read-data=x",), ("--max-duration", "soon")])
def test_what_is_no_amount_is_refused(pgvault: Command, options: tuple[str, ...]) -> None:
    assert pgvault("check", *options).code == 2
