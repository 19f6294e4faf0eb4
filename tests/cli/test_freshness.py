"""A user whose storage is put back, who rotates disks, or whose state directory cannot be written."""

from __future__ import annotations

import shutil

import jsonschema

from tests.cli.command import Command
from tests.cli.shapes import SHAPES


def backed_up(pgvault: Command, *arguments: str, **environment: str) -> int:
    folder = pgvault.home / "files"
    folder.mkdir(exist_ok=True)
    (folder / f"{len(list(folder.iterdir()))}").write_text("content")
    return pgvault("backup", "--dir", "files=files", *arguments, **environment).code


def test_older_copy_that_is_put_back_is_said_until_it_is_accepted(pgvault_ready: Command) -> None:
    assert backed_up(pgvault_ready) == 0
    shutil.copytree(pgvault_ready.repository, pgvault_ready.home / "older")
    assert [backed_up(pgvault_ready) for _ in range(3)] == [0, 0, 0]
    shutil.rmtree(pgvault_ready.repository)
    (pgvault_ready.home / "older").rename(pgvault_ready.repository)
    done = pgvault_ready("check", "--json")
    assert done.code == 4
    jsonschema.validate(done.json(), SHAPES["check"])
    (found,) = done.json()["damage"]
    assert found["kind"] == "ROLLED_BACK"
    assert "--accept-rollback" not in found["why"]
    assert "--accept-rollback" in pgvault_ready("check").err
    told = pgvault_ready("backup", "--dir", "files=files", "--json")
    assert told.code == 4
    jsonschema.validate(told.json(), SHAPES["backup"])
    assert told.json()["rollback"]["seen_sequence"] == 4
    told = pgvault_ready("backup", "--dir", "files=files", "-q")
    assert told.code == 4
    assert "is older than this machine saw it" in told.err
    assert "--accept-rollback" in told.err
    assert backed_up(pgvault_ready, "--accept-rollback") == 0
    assert pgvault_ready("check").code == 0
    assert backed_up(pgvault_ready) == 0


def test_accepting_is_no_setting(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "pgvault.toml").write_text("[source.a]\naccept_rollback = true\n")
    assert pgvault_ready("snapshots").code == 2


def test_state_that_cannot_be_kept_is_said_and_stops_nothing(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "file").write_text("")
    (pgvault_ready.home / "files").mkdir()
    done = pgvault_ready("backup", "--dir", "files=files", PGVAULT_STATE_DIR="file")
    assert done.code == 0
    assert "PGVAULT_STATE_DIR" in done.err
    done = pgvault_ready("backup", "--dir", "files=files", HOME="")
    assert done.code == 0
    assert "PGVAULT_STATE_DIR" in done.err
    assert backed_up(pgvault_ready, PGVAULT_STATE_DIR="state") == 0
    assert [path.name for path in (pgvault_ready.home / "state").iterdir()]
    assert not list((pgvault_ready.home / ".cache").rglob("heads"))


def test_check_of_packs_without_any_snapshot_says_what_they_are(pgvault_ready: Command) -> None:
    assert backed_up(pgvault_ready) == 0
    for path in (pgvault_ready.repository / "snapshots").iterdir():
        path.unlink()
    done = pgvault_ready("check", PGVAULT_STATE_DIR="fresh")
    assert done.code == 0, "a client that never saw one cannot tell it from a first backup that did not finish"
    assert "objects that no snapshot needs" in done.err
    assert pgvault_ready("check").code == 4


def test_second_check_says_what_it_did_not_walk_and_since_when_data_was_not_read(pgvault_ready: Command) -> None:
    assert backed_up(pgvault_ready) == 0
    assert "reading all of them was never done here" in pgvault_ready("check").err
    assert pgvault_ready("check", "--read-data").code == 0
    done = pgvault_ready("check")
    assert "1 snapshot looked through earlier" in done.err
    assert "reading all of them was last done here" in done.err
    assert pgvault_ready("check", "--json").json()["data_read"] is not None
