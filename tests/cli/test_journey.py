"""A repository of directories, from init to check, through the real command."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES

NOISE = hashlib.shake_256(b"incompressible").digest(1_300_000)


def conforming(done_json: dict[str, Any], shape: str) -> dict[str, Any]:
    jsonschema.validate(done_json, SHAPES[shape])
    return done_json


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    root = tmp_path / "documents"
    (root / "sub").mkdir(parents=True)
    (root / "letter.txt").write_text("dear reader\n")
    (root / "sub" / "100%.bin").write_bytes(NOISE)
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")).write_text("not UTF-8 by name\n")
    (root / "empty").mkdir()
    (root / "link").symlink_to("letter.txt")
    return root


@pytest.fixture
def saved(pgvault_ready: Command, documents: Path) -> Command:
    done = pgvault_ready("backup", "--dir", f"documents={documents}", "--tag", "release=1.4", "-q")
    assert done.code == 0, done.err
    return pgvault_ready


def test_every_result_has_its_shape(saved: Command, documents: Path) -> None:
    again = conforming(saved("backup", "--dir", f"documents={documents}", "--json").json(), "backup")
    assert again["parent"] is not None
    assert again["coverage"]["dir:documents"]["state"] == "captured"
    listed = conforming(saved("snapshots", "--json").json(), "snapshots")
    assert [one["tags"] for one in listed["snapshots"]] == [{"release": "1.4"}, {}]
    conforming(saved("show", "latest", "--json").json(), "show")
    conforming(saved("check", "--json").json(), "check")
    conforming(saved("key", "list", "--json").json(), "key list")
    conforming(saved("show", "latest~7", "--json").json(), "error")
    assert ageless(saved("--json", "snapshots").json()) == ageless(listed)


def ageless(listed: dict[str, Any]) -> list[dict[str, Any]]:
    """What two calls list alike."""
    return [{name: value for name, value in one.items() if name != "age_s"} for one in listed["snapshots"]]


def test_snapshots_names_the_damaged_one_and_lists_the_others(saved: Command, documents: Path) -> None:
    (first,) = _manifests(saved)
    assert saved("backup", "--dir", f"documents={documents}", "-q").code == 0
    first.chmod(0o600)
    first.write_bytes(first.read_bytes()[:-1])
    done = saved("snapshots", "--json")
    result = conforming(done.json(), "snapshots")
    assert done.code == 4
    assert len(result["snapshots"]) == 1
    (damage,) = result["damage"]
    assert damage["file"] == str(first.relative_to(saved.repository))
    assert damage["kind"] == "AUTHENTICATION_FAILED"
    plain = saved("snapshots")
    assert plain.code == 4
    assert damage["file"] in plain.err


def _manifests(saved: Command) -> list[Path]:
    return [path for path in (saved.repository / "snapshots").rglob("*") if path.is_file()]


def test_ls_shows_names_that_cat_takes_back(saved: Command) -> None:
    done = saved("ls", "-R", "latest:documents", "--json")
    entries = {entry["path"]: entry for entry in conforming(done.json(), "ls")["entries"]}
    assert set(entries) == {
        "documents/caf%E9", "documents/empty", "documents/letter.txt", "documents/link", "documents/sub",
        "documents/sub/100%25.bin",
    }  # fmt: skip
    assert saved("cat", "latest:documents/caf%E9").out == "not UTF-8 by name\n"
    assert saved("cat", "release=1.4:documents/letter.txt").out == "dear reader\n"
    assert entries["documents/sub/100%25.bin"]["size_bytes"] == len(NOISE)


def test_extract_brings_back_what_was_saved(saved: Command, documents: Path, tmp_path: Path) -> None:
    done = saved("extract", "latest", "documents", "--to", "out", "--json")
    assert conforming(done.json(), "extract")["files"] == 4
    same = subprocess.run(["diff", "-r", "--no-dereference", documents, tmp_path / "out" / "documents"], check=False)
    assert same.returncode == 0
    assert saved("extract", "latest", "--to", "out").code == 8


def test_cat_of_a_missing_path_exits_2_with_a_guess(saved: Command) -> None:
    done = saved("cat", "latest:documents/leter.txt")
    assert done.code == 2
    assert "documents/letter.txt" in done.err


def test_check_names_a_flipped_bit_and_exits_4(saved: Command) -> None:
    pack = max((saved.repository / "packs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    assert saved("check").code == 0
    done = saved("check", "--read-data", "--json")
    report = conforming(done.json(), "check")
    assert done.code == 4
    assert any(pack.name in one["file"] for one in report["damage"])
    assert any("documents" in hit for one in report["damage"] for hit in one["affects"])


def test_vanished_file_gives_exit_3_and_is_named(pgvault_ready: Command, documents: Path) -> None:
    os.mkfifo(documents / "pipe")
    done = pgvault_ready("backup", "--dir", f"documents={documents}")
    assert done.code == 3
    assert "pipe" in done.err
    assert "snapshot" in done.out


def test_control_characters_of_names_are_not_sent_to_the_terminal(pgvault_ready: Command, documents: Path) -> None:
    (documents / "evil\x1b[2Jname").write_text("x")
    assert pgvault_ready("backup", "--dir", f"documents={documents}").code == 0
    assert "\x1b" not in pgvault_ready("ls", "-R", "latest").out


def test_source_name_follows_flag_then_configuration_then_directory(saved: Command, documents: Path) -> None:
    (saved.home / "pgvault.toml").write_text(f'[source.shop]\ndirectories = {{ documents = "{documents}" }}\n')
    assert saved("backup", "-q").code == 0
    assert saved("backup", "-q", "--source", "other", "--dir", f"documents={documents}").code == 0
    sources = [one["source"] for one in saved("snapshots", "--json").json()["snapshots"]]
    assert sources == ["documents", "shop", "other"]
    assert len(saved("snapshots", "--source", "shop", "--json").json()["snapshots"]) == 1


def test_everything_written_is_private(saved: Command) -> None:
    modes = {path.stat().st_mode & 0o077 for path in [saved.repository, *saved.repository.rglob("*")]}
    assert modes == {0}
