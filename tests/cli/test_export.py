"""A snapshot leaves pgvault in every form, whole, for its owner's eyes, and over nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
INSERT INTO items (note) SELECT 'n' || n FROM generate_series(1, 1000) n;
"""
LONG = "d" * 120


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Command:
    command = Command(home=tmp_path_factory.mktemp("saved"))
    database = postgres.createdb()
    with postgres.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    files = command.home / "files" / LONG
    files.mkdir(parents=True)
    (files / "ünï").write_text("content")
    (files / os.fsdecode(b"not \xff utf-8")).write_bytes(b"x" * 513)
    (files / "link").symlink_to("ünï")
    assert command("init", "--no-recovery-kit").code == 0
    done = command("backup", "-d", postgres.dsn(database), "--dir", f"files={command.home / 'files'}")
    assert done.code == 0, done.err
    return command


def exported(saved: Command, form: str, path: Path) -> dict[str, object]:
    done = saved("export", "latest", "--format", form, "-o", str(path), "--json")
    assert done.code == 0, done.err
    found = conforming(done.json(), "export")
    assert (found["format"], found["path"]) == (form, str(path))
    return found


def content(root: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_layout_is_the_fixed_directory(saved: Command, tmp_path: Path) -> None:
    told = exported(saved, "layout", tmp_path / "out")
    found = content(tmp_path / "out")
    assert {"BACKUP_MANIFEST.md", "complete_database_with_data.dump", "restore_complete_backup.sh"} <= found.keys()
    assert told["files"] == len(found)
    assert told["bytes"] == sum(len(data) for data in found.values() if isinstance(data, bytes))
    assert found[f"files/{LONG}/link"] == "ünï"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert modes.pop("restore_complete_backup.sh") == 0o700
    assert set(modes.values()) == {0o600}


def test_tar_holds_what_layout_writes(saved: Command, tmp_path: Path) -> None:
    exported(saved, "layout", tmp_path / "out")
    told = exported(saved, "tar", tmp_path / "out.tar")
    assert told["bytes"] == (tmp_path / "out.tar").stat().st_size
    assert stat.S_IMODE((tmp_path / "out.tar").stat().st_mode) == 0o600
    (tmp_path / "in").mkdir()
    subprocess.run(["tar", "-xpf", str(tmp_path / "out.tar")], check=True, cwd=tmp_path / "in")
    with tarfile.open(tmp_path / "out.tar") as tar:
        members = {member.name.partition("/")[2] for member in tar if not member.isdir()}
    (top,) = (tmp_path / "in").iterdir()
    assert top.name.startswith("comprehensive_backup_20")
    assert content(top) == content(tmp_path / "out")
    assert told["files"] == len(content(top))
    for path in content(top):
        ours, theirs = (top / path).lstat(), (tmp_path / "out" / path).lstat()
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns)
    assert members == content(top).keys()


def test_archive_and_script_restore(saved: Command, postgres: Cluster, tmp_path: Path) -> None:
    programs = {"pgdump": ["pg_restore"], "sql": ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]}
    for form, (program, *words) in programs.items():
        path, target = tmp_path / form, postgres.createdb()
        assert exported(saved, form, path)["files"] == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        command = [str(postgres.bin / program), "-d", postgres.dsn(target), *words, str(path)]
        subprocess.run(command, check=True, capture_output=True)
        with postgres.connect(target) as connection:
            assert connection.execute("SELECT count(*), nextval('items_id_seq') FROM items").fetchone() == (1000, 1001)


@pytest.mark.parametrize("form", ["layout", "pgdump", "sql", "tar"])
def test_nothing_is_overwritten(saved: Command, tmp_path: Path, form: str) -> None:
    there = tmp_path / "there"
    if form == "layout":
        there.mkdir()
        (there / "mine").write_text("mine")
    else:
        there.write_text("mine")
    done = saved("export", "latest", "--format", form, "-o", str(there), "--json")
    assert done.code == 8
    assert conforming(done.json(), "error")["code"] == "UNSAFE"
    assert set(content(tmp_path).values()) == {b"mine"}


def test_snapshot_without_a_database_has_no_archive(saved: Command, tmp_path: Path) -> None:
    assert saved("backup", "--source", "files", "--dir", f"files={saved.home / 'files'}").code == 0
    for form in ("pgdump", "sql"):
        done = saved("export", "latest", "--source", "files", "--format", form, "-o", str(tmp_path / form))
        assert done.code == 2, done.err
        assert not (tmp_path / form).exists()
    assert saved("export", "latest", "--source", "files", "--format", "tar", "-o", str(tmp_path / "t")).code == 0


def test_parts_of_a_layout_are_the_layout_together(saved: Command, tmp_path: Path) -> None:
    exported(saved, "layout", tmp_path / "whole")
    together: dict[str, bytes | str] = {}
    for number in (1, 2, 3):
        part = tmp_path / f"part{number}"
        done = saved("export", "latest", "--format", "layout", "--split", f"{number}/3", "-o", str(part))
        assert done.code == 0, done.err
        assert not together.keys() & content(part).keys()
        assert (part / "files" / LONG).is_dir(), "directories are in every part"
        together |= content(part)
    assert together == content(tmp_path / "whole")
    for words in (("tar", "1/3"), ("layout", "4/3")):
        done = saved("export", "latest", "--format", words[0], "--split", words[1], "-o", str(tmp_path / "no"))
        assert done.code == 2
