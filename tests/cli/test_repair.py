"""From damage to a whole repository, by the commands that `check` and each of them names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.test_journey import NOISE, conforming
from tests.fix_postgres import Cluster
from tests.unit.ops.repair.support import chunks
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.model import ObjectType
from vault.repo.state import Closed
from vault.store.local import LocalStore


def spoil(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)


def test_damaged_packs_and_snapshots_are_mended_step_by_step(pgvault_ready: Command, tmp_path: Path) -> None:
    run, source = pgvault_ready, tmp_path / "source"
    source.mkdir()
    (source / "lost").write_bytes(NOISE)
    assert run("backup", "--dir", f"files={source}", "-q").code == 0
    pack = max((run.repository / "packs").iterdir(), key=lambda file: file.stat().st_size)
    (source / "lost").unlink()
    (source / "kept").write_bytes(b"kept".ljust(len(NOISE)))
    assert run("backup", "--dir", f"files={source}", "-q").code == 0
    assert run("repair", "packs", "--yes").out == "nothing to repair\n"
    assert run("repair", "index", "--yes").out == "nothing to repair\n"
    assert run("repair", "snapshots", "--yes").out == "nothing to repair\n"

    assert len(PackId(bytes.fromhex(pack.name))) == 32
    spoil(pack, pack.stat().st_size // 2)
    assert run("check", "--read-data", "-q").code == 4
    assert run("repair", "packs").code == 2, "nobody to ask, and no --yes"
    assert run("repair", "packs", "--dry-run").out == "nothing was changed\n"
    done = run("repair", "packs", "--yes", "--json")
    told = conforming(done.json(), "repair packs")
    assert (done.code, told["done"], told["lost"] > 0, told["saved"] > 0) == (4, True, True, True)

    done = run("repair", "snapshots", "--yes", "--json")
    told = conforming(done.json(), "repair snapshots")
    assert done.code == 0, done.err
    (damaged,) = told["damaged"]
    assert [loss["item"] for loss in damaged["losses"]] == ["file lost"]
    assert run("cat", f"{damaged['new']}:files/lost").code == 2
    assert run("forget", damaged["id"][:12], "--yes").code == 0
    listed = run("snapshots", "--json").json()["snapshots"]
    assert listed[0]["id"] == damaged["new"]
    assert len(listed) == 2
    assert run("cat", "latest:files/kept").out.rstrip() == "kept"


def test_a_lost_index_is_told_anew(pgvault_ready: Command, tmp_path: Path) -> None:
    run, source = pgvault_ready, tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("text")
    assert run("backup", "--dir", f"files={source}", "-q").code == 0
    for file in (run.repository / "index").iterdir():
        spoil(file, 70)
    done = run("repair", "index", "--yes", "--json", PGVAULT_CACHE_DIR=str(tmp_path / "empty"))
    told = conforming(done.json(), "repair index")
    assert (done.code, len(told["unreadable"]), told["done"]) == (0, 1, True)
    assert run("check", "--read-data", "-q").code == 0
    assert run("cat", "latest:files/a").out == "text"


@pytest.mark.postgres
def test_a_snapshot_of_which_no_new_one_can_be_made_is_told_how_to_give_it_up(
    pgvault_ready: Command, pg15: Cluster
) -> None:
    run, database = pgvault_ready, pg15.createdb()
    try:
        with pg15.connect(database) as connection:
            connection.execute("create table t (id int)")
        assert run("backup", "-d", pg15.dsn(database), "-q").code == 0
    finally:
        pg15.dropdb(database)
    opened = Closed(LocalStore(run.repository, os.urandom)).open(PASSPHRASE)
    (order,) = chunks(opened, ObjectType.SCHEMA_ORDER)
    spoil(run.repository / pack_name(order.pack), order.record.offset + order.record.length // 2)
    assert run("repair", "packs", "--yes").code == 4
    done = run("repair", "snapshots", "--yes")
    assert (done.code, done.out) == (4, "nothing that can be repaired\n")
    (line,) = (line for line in done.err.splitlines() if "give it up: " in line)
    assert run(*line.partition("pgvault ")[2].split(), "--unsafe-allow-remove-all").code == 0
    assert run("repair", "snapshots", "--yes").out == "nothing to repair\n"
