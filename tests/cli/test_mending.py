"""What a check says to type next about what it found."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Command
from vault.cli.mending import next_steps


def test_each_kind_of_file_has_its_command_in_the_order_of_mending() -> None:
    assert next_steps([]) == []
    assert next_steps(["snapshots/1", "index/2"]) == [
        "to mend that, in this order: pgvault repair index; pgvault repair snapshots"
    ]
    assert next_steps(["packs/1"]) == [
        "to mend that, in this order: pgvault repair packs; pgvault backup; pgvault repair snapshots"
    ]
    (line,) = next_steps(["pins/1", "leases/2", "leases/3"])
    assert "leases/, pins/" in line
    assert "by hand" in line


def test_what_a_check_names_the_commands_that_it_says_mend(pgvault_ready: Command, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("text")
    assert pgvault_ready("backup", "--dir", "a=a").code == 0
    (fragment,) = (tmp_path / "repository" / "index").iterdir()
    fragment.write_bytes(b"junk")
    found = pgvault_ready("check")
    assert found.code == 4
    assert "to mend that, in this order: pgvault repair index" in found.err
    refused = pgvault_ready("repair", "index", "--yes", PGVAULT_PASSWORD="wrong")
    assert refused.code == 12
    assert pgvault_ready("repair", "index", "--yes").code == 0
    assert pgvault_ready("check", "--read-data").code == 0


def test_a_check_that_misses_what_an_index_told_of_names_the_command_that_tells_it_anew(
    pgvault_ready: Command, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("text")
    assert pgvault_ready("backup", "--dir", "a=a").code == 0
    (fragment,) = (tmp_path / "repository" / "index").iterdir()
    fragment.unlink()
    for command in (("check",), ("verify",)):
        found = pgvault_ready(*command)
        assert found.code == 4
        assert "to mend that, in this order: pgvault repair index" in found.err, command
    assert pgvault_ready("repair", "index", "--yes").code == 0
    assert pgvault_ready("check", "--read-data").code == 0


def test_a_snapshot_that_somebody_took_away_is_nothing_that_a_repair_mends(
    pgvault_ready: Command, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    for text in ("text", "more"):
        (tmp_path / "a" / "file").write_text(text)
        assert pgvault_ready("backup", "--dir", "a=a", "--source", "s").code == 0
    newest = pgvault_ready("snapshots", "--json").json()["snapshots"][1]["id"]
    (tmp_path / "repository" / "snapshots" / newest).unlink()
    found = pgvault_ready("check")
    assert found.code == 4
    assert "--accept-rollback" in found.err
    assert "repair" not in found.err
