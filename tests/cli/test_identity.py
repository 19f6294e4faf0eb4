"""Which snapshot is the latest, and whose it is: told by numbers and servers, never by a clock or a name alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import PASSPHRASE, Command, Done
from tests.fix_postgres import Cluster
from tests.small_repository import TestClock, take
from vault.repo.state import Closed
from vault.source.files.directory import DirectoryFiles
from vault.store.local import LocalStore

READER = Path(__file__).resolve().parents[2] / "spec" / "reader.py"
YEAR_2096_MS = 4_000_000_000_000


@pytest.fixture
def ahead(pgvault_ready: Command) -> Command:
    """Its first snapshot says 2096; `f` is the directory that is saved."""
    (pgvault_ready.home / "f").mkdir()
    store = LocalStore(pgvault_ready.repository, os.urandom)
    source = DirectoryFiles(pgvault_ready.home / "f")
    take(Closed(store).open(PASSPHRASE), None, {"f": source}, source="f", clock=TestClock(YEAR_2096_MS))
    return pgvault_ready


def test_a_snapshot_from_the_future_is_marked_and_the_next_backup_warns(ahead: Command) -> None:
    assert "in " in ahead("snapshots").out
    assert "FUTURE" in ahead("snapshots").out
    assert "FUTURE" in ahead("show", "latest").out
    done = ahead("backup", "--dir", "f=f")
    assert (done.code, "2096" in done.err) == (0, True), done.err
    listed = ahead("snapshots", "--json").json()["snapshots"]
    assert [(one["sequence"], bool(one["warnings"])) for one in listed] == [(1, True), (2, False)]
    assert "2096" not in ahead("backup", "--dir", "f=f").err


def test_latest_is_the_one_with_the_greatest_number_for_every_reader(ahead: Command) -> None:
    (ahead.home / "f" / "letter").write_text("today")
    saved = ahead("backup", "--dir", "f=f", "--json").json()["snapshot"]
    assert ahead("show", "latest", "--json").json()["snapshot"]["id"] == saved
    assert ahead("cat", "latest:f/letter").out == "today"
    read = subprocess.run(
        [sys.executable, str(READER), str(ahead.repository), "ls", "latest"],
        env={**os.environ, "PGVAULT_PASSWORD": PASSPHRASE}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "directories/f/letter" in read.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """Production is backed up as source `shop`; staging has another database behind it."""

    command: Command
    server: Cluster
    production: str
    staging: str

    def __call__(self, *arguments: str) -> Done:
        return self.command("--source", "shop", *arguments)

    def backup(self, database: str, *arguments: str) -> dict[str, Any]:
        done = self("backup", "--json", "-d", self.server.dsn(database), *arguments)
        return {**done.json(), "code": done.code}

    def orders(self, database: str) -> str:
        with self.server.connect(database) as connection:
            row = connection.execute("select string_agg(note, ',' order by id) from orders").fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def two(pgvault_ready: Command, pg18: Cluster) -> Two:
    names = pg18.createdb(), pg18.createdb()
    for name, note in zip(names, ("production", "staging"), strict=True):
        with pg18.connect(name) as connection:
            connection.execute(
                f"create table orders (id int primary key, note text); insert into orders values (1, '{note}')"
            )
    made = Two(command=pgvault_ready, server=pg18, production=names[0], staging=names[1])
    assert made.backup(names[0])["code"] == 0
    return made


@pytest.mark.postgres
def test_another_database_under_the_same_name_is_saved_apart_until_somebody_says_whose_it_is(two: Two) -> None:
    first = two.backup(two.staging)
    assert (first["code"], first["parent"], first["sequence"]) == (3, None, 1)
    assert first["source"].startswith("shop~")
    assert "this is database" in first["warnings"][0]
    second = two.backup(two.staging)
    assert (second["code"], second["source"], second["parent"]) == (3, first["source"], first["snapshot"])
    production = two.backup(two.production)
    assert (production["code"], production["source"], production["sequence"]) == (0, "shop", 2)
    assert two("show", "latest", "--json").json()["snapshot"]["id"] == production["snapshot"]
    named = two.command("--source", "staging", "backup", "-d", two.server.dsn(two.staging), "--json")
    assert (named.code, named.json()["source"]) == (0, "staging")


@pytest.mark.postgres
def test_a_server_that_moved_goes_on_in_its_source_and_the_old_one_is_the_other_now(two: Two) -> None:
    moved = two.backup(two.staging, "--server-moved")
    assert (moved["code"], moved["source"], moved["sequence"], moved["warnings"]) == (0, "shop", 2, [])
    assert moved["parent"] is not None
    assert two.backup(two.staging)["code"] == 0
    assert two.backup(two.production)["code"] == 3


@pytest.mark.postgres
def test_quiet_says_why_the_exit_code_is_3(two: Two) -> None:
    done = two("backup", "-q", "-d", two.server.dsn(two.staging))
    assert done.code == 3
    assert "--server-moved" in done.err
    assert "--source NAME" in done.err


def read_to_the_end(terminal: int) -> str:
    """What is shown until nobody has the other side open, which Linux tells by an error."""
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.postgres
def test_on_a_terminal_another_database_is_refused_with_the_ways_out(two: Two) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vault", "--source", "shop", "backup", "-d", two.server.dsn(two.staging)],
        cwd=two.command.home, env=two.command.variables({}), stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    told = read_to_the_end(ours)
    os.close(ours)
    assert process.wait() == 8
    assert "--server-moved" in told
    assert "--source NAME" in told
    assert len(two("snapshots", "--json").json()["snapshots"]) == 1
    assert list((two.command.repository / "leases").iterdir()) == []


@pytest.mark.postgres
@pytest.mark.parametrize("way", [("-c",), ("--only", "public.orders"), ("-a",), ("--only", "schema", "-c")])
def test_no_part_and_no_replacement_comes_into_a_database_that_another_source_is_backed_up_from(
    two: Two, way: tuple[str, ...]
) -> None:
    saved = two.backup(two.staging)["snapshot"]
    into = ("restore", saved[:12], "-d", two.server.dsn(two.production), "--yes", *way)
    done = two.command(*into)
    assert done.code == 8, done.out
    assert "--into-source" in done.err
    assert two.orders(two.production) == "production"
    with_word = two.command(*into, "--into-source")
    assert with_word.code in (0, 9), with_word.err


@pytest.mark.postgres
def test_lists_and_plans_say_source_server_database_time_and_age(two: Two) -> None:
    (one,) = two("snapshots", "--json").json()["snapshots"]
    assert one["server"]["database"] == two.production
    assert one["sequence"] == 1
    listed, shown = two("snapshots").out, two("show", "latest").out
    plan = two("restore", "latest", "-d", two.server.dsn(two.server.createdb()), "--dry-run").out
    for text in (listed, shown, plan):
        assert two.production in text
        assert "shop" in text
        assert one["server"]["system_id"][-6:] in text
        assert one["time"][:4] in text
        assert " s" in text
    fields = two("restore", "latest", "-d", two.server.dsn(two.server.createdb()), "--dry-run", "--json").json()["plan"]
    assert (fields["source"], fields["server"], fields["time"]) == ("shop", one["server"], one["time"])


@pytest.mark.postgres
def test_a_source_without_a_name_is_called_what_tells_projects_apart(pgvault_ready: Command, pg18: Cluster) -> None:
    name = pg18.createdb()
    by_place = pgvault_ready("backup", "-d", pg18.dsn(name), "--json").json()["source"]
    assert by_place.startswith(f"{name}@/")
    assert by_place.endswith(":5432")
    config = pgvault_ready.home / "supabase" / "config.toml"
    config.parent.mkdir()
    config.write_text('project_id = "lilac"\n')
    assert pgvault_ready("backup", "-d", pg18.dsn(name), "--json").json()["source"] == f"{name}@lilac"
