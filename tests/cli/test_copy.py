"""`pgvault copy`, through the real command: another passphrase, JSON, and the places that are none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming


@pytest.fixture
def saved(pgvault_ready: Command, tmp_path: Path) -> Command:
    """Two snapshots of a directory, and an empty repository `other` with another passphrase."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("first", "second"):
        (source / name).write_text(name)
        assert pgvault_ready("backup", "--dir", f"files={source}", "-q").code == 0
    assert pgvault_ready("-r", "other", "init", "--no-recovery-kit", PGVAULT_PASSWORD="two").code == 0
    return pgvault_ready


def test_copy_into_a_repository_of_another_passphrase(saved: Command) -> None:
    refused = saved("copy", "other")
    assert refused.code == 12
    assert "PGVAULT_NEW_PASSWORD" in refused.err
    done = conforming(
        saved("copy", "other", "--snapshots", "latest", "--json", PGVAULT_NEW_PASSWORD="two").json(), "copy"
    )
    assert (len(done["copied"]), done["there"]) == (1, 0)
    rest = conforming(saved("copy", "other", "--json", PGVAULT_NEW_PASSWORD="two").json(), "copy")
    assert (len(rest["copied"]), rest["there"]) == (1, 1)
    assert saved("-r", "other", "cat", "latest:files/second", PGVAULT_PASSWORD="two").out == "second"
    assert saved("-r", "other", "check", "--read-data", PGVAULT_PASSWORD="two").code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("copy",), 2),
        (("copy", "nowhere"), 10),
        (("copy", "repository"), 2),
        (("copy", "host:path"), 2),
        (("copy", "other", "--snapshots", "0000000"), 2),
    ],
)
def test_what_cannot_be_copied_to_is_said(saved: Command, words: tuple[str, ...], code: int) -> None:
    refused = saved(*words)
    assert refused.code == code
    assert "pgvault:" in refused.err


def test_a_source_without_snapshots_and_a_damaged_snapshot_are_no_empty_success(saved: Command, tmp_path: Path) -> None:
    refused = saved("copy", "other", "--source", "nobody", PGVAULT_NEW_PASSWORD="two")
    assert refused.code == 2
    assert "no snapshot of source nobody" in refused.err
    name = sorted(os.listdir(tmp_path / "repository" / "snapshots"))[0]
    (tmp_path / "repository" / "snapshots" / name).write_bytes(b"PGVAULTF")
    damaged = saved("copy", "other", "--snapshots", name[:12], PGVAULT_NEW_PASSWORD="two")
    assert damaged.code == 4
    assert "cannot be read" in damaged.err


def test_itself_by_any_other_name_is_itself(saved: Command, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("repository")
    shutil.copytree(tmp_path / "repository", tmp_path / "twin")
    for place in ("./repository", "repository/", "link", f"{tmp_path}/repository", f"file://{tmp_path}/link", "twin"):
        refused = saved("copy", place)
        assert refused.code == 2, place
        assert "into itself" in refused.err
    inside = saved("-r", "repository/packs", "init", "--no-recovery-kit")
    assert inside.code == 8


def test_what_is_made_like_another_may_have_another_passphrase(saved: Command) -> None:
    made = saved("-r", "like", "init", "--like", "repository", "--no-recovery-kit", PGVAULT_NEW_PASSWORD="three")
    assert made.code == 0, made.err
    assert saved("-r", "like", "snapshots").code == 12
    assert saved("copy", "like", PGVAULT_NEW_PASSWORD="three").code == 0
    assert saved("-r", "like", "check", "--read-data", PGVAULT_PASSWORD="three").code == 0
    assert saved("-r", "same", "init", "--like", "repository", "--no-recovery-kit", PGVAULT_NEW_PASSWORD="").code == 0
    assert saved("copy", "same", PGVAULT_NEW_PASSWORD="").code == 0


def test_like_nothing_is_refused_before_anything_is_made(saved: Command, tmp_path: Path) -> None:
    for words, code in (("", 2), ("nowhere", 10), ("repository/packs", 10)):
        refused = saved("-r", "new", "init", "--no-recovery-kit", "--like", words)
        assert refused.code == code, words
    assert not (tmp_path / "new").exists()
    own = saved("init", "--no-recovery-kit", "--like", "repository")
    assert own.code == 8
