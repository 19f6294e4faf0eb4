"""A real mount: what programs make of it, what it costs, and how it ends."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.fix_postgres import Cluster

WAIT_S = 60


def why_not() -> str:
    """What this machine lacks for a mount; empty if it can."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if shutil.which("fusermount3") is None:
        return "fuse3 is not installed"
    tried = subprocess.run([sys.executable, "-c", "import mfusepy"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"mfusepy cannot be imported: {tried.stderr.strip().splitlines()[-1]}"


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be mounted here")

SCHEMA = """
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
INSERT INTO public.orders SELECT i, 'note, "' || i || '"' FROM generate_series(1, 20000) i;
CREATE TABLE public."Odd/name" (a text);
INSERT INTO public."Odd/name" VALUES (E'tab\\there'), (NULL);
CREATE POLICY own ON public.orders USING (id > 0);
CREATE FUNCTION public.add(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
"""


@pytest.fixture
def project(pgvault_ready: Command, pg15: Cluster) -> Iterator[Command]:
    """Two snapshots of a database and a directory with odd names."""
    db = pg15.createdb()
    with pg15.connect(db) as connection:
        connection.execute(SCHEMA.encode())
    files = pgvault_ready.home / "files"
    (files / "deep" / "er").mkdir(parents=True)
    (files / "deep" / "er" / "index.ts").write_text("export const stripe = 1\n")
    (files / "100%25.txt").write_text("percent")
    (files / "link").symlink_to("deep/er")
    (files / "big.bin").write_bytes(os.urandom(3_000_000))
    (files / "run.sh").write_text("#!/bin/sh\n")
    (files / "run.sh").chmod(0o750)
    Path(os.fsdecode(os.fsencode(files) + b"/\xff\n.bin")).write_bytes(b"\x00\xff")
    for _ in range(2):
        done = pgvault_ready("backup", "-d", pg15.dsn(db), "--dir", "files=files")
        assert done.code == 0, done.err
        with pg15.connect(db) as connection:
            connection.execute("UPDATE public.orders SET note = 'later' WHERE id = 7")
            connection.execute("ALTER TABLE public.orders ADD COLUMN IF NOT EXISTS at date")
    yield pgvault_ready
    pg15.dropdb(db)


@contextmanager
def mounted(command: Command, *arguments: str) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    place = command.home / "mnt"
    place.mkdir(exist_ok=True)
    process = command.start("mount", str(place), *arguments)
    try:
        deadline = time.monotonic() + WAIT_S
        while not os.path.ismount(place):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "it was never mounted"
            time.sleep(0.02)
        yield place, process
    finally:
        if process.poll() is None:
            subprocess.run(["fusermount3", "-u", "-z", str(place)], capture_output=True)
            process.wait(WAIT_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def ran(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=WAIT_S, errors="replace"
    )


def test_programs_see_what_extract_writes(project: Command) -> None:
    assert project("extract", "latest", "--to", "out").code == 0
    out = project.home / "out"
    with mounted(project) as (place, _):
        latest = place / "latest"
        compared = ran("diff", "-r", "--no-dereference", f"{latest}/", out)
        assert (compared.returncode, compared.stdout) == (0, "")
        assert ran("cp", "-a", f"{latest}/.", project.home / "copy").returncode == 0
        assert ran("diff", "-r", "--no-dereference", project.home / "copy", out).stdout == ""
        found = ran("grep", "-rl", "stripe", f"{latest}/files/").stdout
        assert found == f"{latest}/files/deep/er/index.ts\n"
        assert ran("grep", "-c", "note", latest / "data_records" / "public.orders.csv").stdout == "20000\n"
        archived = ran("tar", "-cf", project.home / "all.tar", "-C", latest, ".")
        assert (archived.returncode, archived.stderr) == (0, "")
        (project.home / "untarred").mkdir()
        assert ran("tar", "-xf", project.home / "all.tar", "-C", project.home / "untarred").returncode == 0
        assert ran("diff", "-r", "--no-dereference", project.home / "untarred", out).stdout == ""
        for path in out.rglob("*"):
            other = latest / path.relative_to(out)
            there, here = other.lstat(), path.lstat()
            assert there.st_mode == here.st_mode, path
            if path.is_file() and not path.is_symlink():
                assert there.st_size == here.st_size, path
                assert there.st_mtime_ns == here.st_mtime_ns, path
    assert not os.path.ismount(project.home / "mnt")


def test_snapshots_are_found_by_time_and_by_id(project: Command) -> None:
    listed = project("snapshots", "--json").json()["snapshots"]
    with mounted(project) as (place, _):
        assert sorted(os.listdir(place)) == ["ids", "latest", "snapshots"]
        assert sorted(os.listdir(place / "ids")) == sorted(one["id"][:12] for one in listed)
        times = sorted(os.listdir(place / "snapshots"))
        assert [time.replace("_", "T")[:10] for time in times] == [one["time"][:10] for one in listed]
        assert os.readlink(place / "latest") == f"snapshots/{times[-1]}"
        whole = place / "ids" / listed[0]["id"] / "schema" / "public" / "tables" / "orders.sql"
        assert "at date" not in whole.read_text()
        assert "at date" in (place / "latest" / "schema" / "public" / "tables" / "orders.sql").read_text()
        for missing in (
            "ids/abc",
            "ids/ffffffffffff",
            "snapshots/1999",
            "latest/nothing",
            "latest/files/deep/no",
            "latest/schema/x",
        ):
            assert not (place / missing).exists()


def test_a_snapshot_that_is_taken_meanwhile_appears(project: Command) -> None:
    with mounted(project) as (place, _):
        before = os.listdir(place / "ids")
        assert project("backup", "--dir", "files=files").code == 0
        deadline = time.monotonic() + WAIT_S
        while len(os.listdir(place / "ids")) == len(before):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_what_was_looked_into_stays_though_it_is_forgotten_and_pruned(project: Command) -> None:
    content = os.urandom(1_000_000)
    (project.home / "files" / "once.bin").write_bytes(content)
    assert project("backup", "--dir", "files=files").code == 0
    (project.home / "files" / "once.bin").unlink()
    assert project("backup", "--dir", "files=files").code == 0
    ids = [one["id"] for one in project("snapshots", "--json").json()["snapshots"]]
    leases = project.repository / "leases"
    with mounted(project, "--spool", "0") as (place, _):
        was = place / "ids" / ids[-2][:12] / "files"
        assert (place / "ids" / ids[0][:12]).is_dir()
        with (was / "once.bin").open("rb", buffering=0) as file:
            begin = file.read(100)
            assert len(list(leases.iterdir())) == 1
            assert project("forget", ids[-2], ids[0], "--yes").code == 0
            assert project("prune", "--min-age", "0", "--max-unused", "0").code == 0
            deadline = time.monotonic() + WAIT_S
            while ids[0][:12] in os.listdir(place / "ids"):
                assert time.monotonic() < deadline, "it was not looked into, and is still shown"
                time.sleep(0.2)
            assert begin + file.read() == content
        assert (was / "once.bin").read_bytes() == content
    assert list(leases.iterdir()) == []


def test_nothing_can_be_written(project: Command) -> None:
    with mounted(project) as (place, _):
        for path in ("new", "latest/new", "latest/files/run.sh"):
            with pytest.raises(OSError, match="Read-only"):
                (place / path).write_text("x")
        with pytest.raises(OSError, match="Read-only"):
            (place / "latest" / "files" / "run.sh").unlink()


def test_what_does_not_fit_into_the_spool_is_streamed_and_can_be_read_anywhere(project: Command) -> None:
    assert project("extract", "latest", "data_records", "files", "--to", "out").code == 0
    with mounted(project, "--spool", "0") as (place, _):
        for name in ("data_records/public.orders.csv", "files/big.bin"):
            here, there = project.home / "out" / name, place / "latest" / name
            content = here.read_bytes()
            assert len(content) > 300_000
            assert there.stat().st_size == len(content)
            assert filecmp.cmp(here, there, shallow=False)
            with there.open("rb", buffering=0) as file:
                for offset in (len(content) - 10, 0, 200_000, 100, len(content) // 2, len(content) + 5):
                    file.seek(offset)
                    assert file.read(5_000) == content[offset : offset + 5_000]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, "unmount"])
def test_it_ends_cleanly(project: Command, ending: signal.Signals | str) -> None:
    with mounted(project, "--json") as (place, process):
        os.listdir(place / "latest")
        if isinstance(ending, str):
            assert ran("fusermount3", "-u", place).returncode == 0
        else:
            process.send_signal(ending)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (0, "")
        first, last = (json.loads(line) for line in out.splitlines())
        assert first["type"] == "mounted"
        jsonschema.validate(last, SHAPES["mount"])
        assert not os.path.ismount(place)
        assert os.listdir(place) == []


def test_a_dead_mount_is_told_with_what_clears_it(project: Command) -> None:
    with mounted(project) as (place, process):
        process.kill()
        process.wait(WAIT_S)
        done = project("mount", str(place))
        assert done.code == 8
        assert f"fusermount3 -u {place}" in done.err
        assert ran("fusermount3", "-u", place).returncode == 0
    with mounted(project) as (place, _):
        assert os.listdir(place / "latest") != []


def test_wrong_places_are_refused_before_anything_is_asked(project: Command) -> None:
    (project.home / "full").mkdir()
    (project.home / "full" / "file").touch()
    for wrong, code, said in (
        ("nowhere", 2, "mkdir nowhere"),
        ("files/run.sh", 2, "no directory"),
        ("full", 8, "not empty"),
    ):
        done = project("mount", wrong, PGVAULT_PASSWORD="wrong")
        assert (done.code, said in done.err) == (code, True), done.err
    with mounted(project) as (place, _):
        done = project("mount", str(place))
        assert (done.code, "mounted at" in done.err) == (8, True)


def test_damage_is_an_error_of_that_file_alone_and_is_told_once(project: Command) -> None:
    packs = sorted(
        (project.repository / "packs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0
    )
    with packs[-1].open("r+b") as pack:
        pack.seek(1_000_000)
        pack.write(bytes(200_000))
    with mounted(project) as (place, process):
        with pytest.raises(OSError, match="Input/output"):
            (place / "latest" / "files" / "big.bin").read_bytes()
        assert (place / "latest" / "files" / "run.sh").read_text() == "#!/bin/sh\n"
        assert ran("fusermount3", "-u", place).returncode == 0
        _, err = process.communicate(timeout=WAIT_S)
        assert err.count("warning:") == 1
