"""Names, texts and values that would command a terminal or a spreadsheet: whoever wrote them into a database, a directory or a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.cli.command import Command
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import CLOCK, PASSPHRASE, new_repository, rows, take
from vault.ops.retention.pins import pin
from vault.store.local import LocalStore, create_local

ESCAPE: Final = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202eeman\u2028"
"""Clears a screen, sets a title, begins lines, turns the direction of writing."""
COMMANDS: Final = (
    ("snapshots",), ("snapshots", "-v"), ("show", "latest"), ("show", "latest", "-v"), ("ls", "latest"), ("ls", "latest:lib"),
    ("status",), ("stats",), ("check",), ("check", "--read-data"), ("verify", "latest"), ("ack",), ("key", "list"),
    ("forget", "--dry-run", "--keep-last", "1", "--all-sources"), ("prune", "--dry-run"), ("unlock",), ("doctor", "--local"),
    ("table", "latest", f"x{ESCAPE}"), ("table", "latest", "nothing"), ("cat", f"latest:{ESCAPE}"), ("ls", ESCAPE),
    ("show", ESCAPE), ("snapshots", "--source", ESCAPE), (ESCAPE,), ("ls", f"--{ESCAPE}"), ("extract", "latest", ESCAPE, "--to", "x"),
    ("repair", "index", "--dry-run"), ("repair", "snapshots", "--dry-run"), ("copy", ESCAPE), ("unpin", ESCAPE),
)  # fmt: skip

TELLING: Final = (("show", "latest"), ("ls", "latest:lib"), ("snapshots",))
"""Commands that have such a name to tell."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A repository in which every text that its writer may choose has the escape in it, and a damaged file beside."""
    home = tmp_path_factory.mktemp("hostile")
    create_local(home / "repository")
    store = LocalStore(home / "repository", os.urandom)
    repo = new_repository(store)
    database = FakeDatabase(
        tables={f"public.t{ESCAPE}": [rows(1, 5)], f"s{ESCAPE}.t": [rows(2, 5)]},
        sequences={f"public.{ESCAPE}": 1},
    )
    directory = FakeDirectory({f"f{ESCAPE}".encode(): b"x", b"\x1b[31m\xff": b"y"})
    for _ in range(2):
        report = take(repo, database, {"lib": directory}, source=f"app{ESCAPE}", tags={"day": f"1{ESCAPE}"})
    pin(repo, report.id, reason=f"because{ESCAPE}", host=ESCAPE, clock=CLOCK, entropy=os.urandom)
    (home / "repository" / "pins" / ("0" * 64)).write_bytes(b"damaged")
    return Command(home=home, environment={"PGVAULT_PASSWORD": PASSPHRASE})


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[:40])
def test_nothing_that_a_terminal_obeys_is_printed(hostile: Command, words: tuple[str, ...]) -> None:
    for more in ((), ("--json",)):
        done = hostile(*words, *more)
        for sign in (done.out + done.err).replace("\n", ""):
            assert sign.isprintable(), (words, more, done)
        assert "owned" in done.out + done.err or words[:2] not in TELLING, "the name itself is told, escaped"


def test_spreadsheet_option_is_of_csv_alone(pgvault: Command, tmp_path: Path) -> None:
    refused = pgvault("table", "latest", "t", "--csv-safe", "--format", "sql")
    assert (refused.code, "--csv-safe is of csv" in refused.err) == (2, True)
