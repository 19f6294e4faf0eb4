"""What a user is told of damage, and with which exit code: a sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.damage_support import flipped
from tests.damage_world import world
from tests.small_repository import PASSPHRASE

DAMAGE = 4


@pytest.fixture
def damaged(tmp_path: Path) -> Command:
    """The command beside the repository that has every kind of file."""
    for name, data in world().files.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Command(home=tmp_path, environment={"PGVAULT_PASSWORD": PASSPHRASE})


def spoil(command: Command, kind: str) -> str:
    name = world().victims[kind]
    path = command.repository / name
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size // 2))
    return name


@pytest.mark.parametrize("kind", ["slot", "data pack", "index", "snapshot", "sweep", "pin"])
def test_check_names_the_file_and_exits_with_damage(damaged: Command, kind: str) -> None:
    name = spoil(damaged, kind)
    done = damaged("check", "--read-data")
    assert (done.code, name in done.out + done.err) == (DAMAGE, True), done
    told = damaged("check", "--read-data", "--json")
    assert told.code == DAMAGE
    assert name in {one["file"] for one in told.json()["damage"]}
    assert damaged("status").code != 0, "whoever looks is told too"


def test_damaged_configuration_is_told_as_such(damaged: Command) -> None:
    spoil(damaged, "config")
    done = damaged("snapshots")
    assert (done.code, "config" in done.err, "passphrase" in done.err.partition("next:")[0]) == (DAMAGE, True, False)


def test_what_is_damaged_is_refused_and_the_rest_comes_out(damaged: Command) -> None:
    name = spoil(damaged, "data pack")
    verified = damaged("verify", "--all", "--json")
    assert (verified.code, name in verified.out) == (DAMAGE, True)
    refused = damaged("extract", world().snapshots[0].hex()[:12], "--to", "out")
    assert refused.code == DAMAGE
    assert name in refused.err
