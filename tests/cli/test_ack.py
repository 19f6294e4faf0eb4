"""The guard's warnings as a user meets them: exit code 5, ack, what forget says; typed wrongly too."""

from __future__ import annotations

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.cli.test_forget import left


def fill(pgvault: Command, count: int) -> None:
    directory = pgvault.home / "a"
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    for number in range(count):
        (directory / f"{number}").write_text(f"file {number}")


def backup(pgvault: Command, *more: str) -> tuple[int, str]:
    done = pgvault("backup", "--dir", "a=a", "--source", "app", "--json", *more)
    jsonschema.validate(done.json(), SHAPES["backup"])
    return done.code, done.json()["snapshot"]


@pytest.fixture
def ruined(pgvault_ready: Command) -> Command:
    """One good snapshot, and the ruin of it."""
    fill(pgvault_ready, 30)
    assert backup(pgvault_ready)[0] == 0
    fill(pgvault_ready, 2)
    assert backup(pgvault_ready)[0] == 5
    return pgvault_ready


def test_a_ruin_ends_with_5_and_says_what_to_type(ruined: Command) -> None:
    done = ruined("backup", "--dir", "a=a", "--source", "app", "-q")
    assert done.code == 5
    assert "files_lost a: 30 paths before, 2 after" in done.err
    assert "pgvault ack " in done.err
    shown = ruined("snapshots", "--source", "app").out
    assert shown.count("FINDING") == 2


def test_a_restore_of_a_ruin_names_the_last_good_one(ruined: Command) -> None:
    good, ruin = left(ruined)
    done = ruined("restore", "latest", "--dir", "a=back", "--yes")
    told = " ".join(done.err.split())
    assert done.code == 0
    assert f"warning: snapshot {ruin[:12]} looks like damage (files_lost a)" in told
    assert f"the last good one before it is {good[:12]}" in told
    assert "looks like damage" not in ruined("restore", good, "--dir", "a=good", "--yes").err
    assert ruined("ack", ruin[:12], "--reason", "moved").code == 0
    assert "looks like damage" not in ruined("restore", "latest", "--dir", "a=again", "--yes").err


def test_ack_lists_answers_and_says_what_is_left(ruined: Command) -> None:
    listed = ruined("ack", "--json")
    jsonschema.validate(listed.json(), SHAPES["ack"])
    (row,) = listed.json()["findings"]
    assert (row["code"], row["subject"], row["there"]) == ("files_lost", "a", True)
    assert row["id"][:12] in ruined("ack").out
    done = ruined("ack", row["id"][:12], "--reason", "moved elsewhere")
    assert done.out == "1 finding answered\n"
    assert ruined("ack").out == "no finding waits for an answer\n"
    assert ruined("ack", "--json").json()["findings"] == []
    assert backup(ruined)[0] == 0
    assert ruined("check").code == 0


def test_a_word_for_a_snapshot_answers_all_up_to_it_and_the_way_back_is_a_command(ruined: Command) -> None:
    good, ruin = left(ruined)
    told = ruined("backup", "--dir", "a=a", "--source", "app", "-q").err
    listed = ruined("ack").err
    for text, place in ((told, "a"), (listed, "a.restored")):
        assert f"pgvault restore {good[:12]} --dir a={place} --dry-run" in text
    assert ruined("restore", good[:12], "--dir", "a=back", "--dry-run").code == 0
    assert "no snapshot nosuch" in ruined("ack", "nosuch", "--reason", "x").err
    before = ruined("ack", "latest~1", "--reason", "moved", "--json").json()
    assert [row["snapshot"] for row in before["acknowledged"]] == [ruin]
    assert ruined("ack", "latest", "--reason", "moved", "--json").json()["findings"] == []
    done = ruined("ack", "latest", "--reason", "again")
    assert (done.code, "no finding latest waits" in done.err) == (2, True)


def test_forget_keeps_the_good_one_and_says_why(ruined: Command) -> None:
    good, ruin = left(ruined)
    backup(ruined)
    done = ruined("forget", "--keep-last", "1")
    (line,) = [line for line in done.out.splitlines() if line.startswith(good[:12])]
    assert f"pinned until somebody answers for {ruin[:12]}" in line
    assert good in left(ruined)
    named = ruined("forget", good)
    assert (named.code, "last good one" in named.err) == (8, True)
    ruined("ack", "--all", "--reason", "meant")
    assert ruined("forget", "--keep-last", "1").code == 0
    assert good not in left(ruined)


@pytest.mark.parametrize(
    "arguments",
    [
        ("3fa9c1",),
        ("--all",),
        ("--reason", "why"),
        ("3fa9c1", "--all", "--reason", "why"),
        ("3fa9c1", "--reason", "why"),
        ("xyz", "--reason", "why"),
        ("--all", "--reason", "  "),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused_and_answers_nothing(ruined: Command, arguments: tuple[str, ...]) -> None:
    done = ruined("ack", *arguments)
    assert done.code == 2, done.err
    assert "next:" in done.err
    assert len(ruined("ack", "--json").json()["findings"]) == 1


def test_help_has_every_code() -> None:
    from vault.cli.commands.help import LISTS
    from vault.ops.guard.codes import MEANING

    assert LISTS["findings"][1] == list(MEANING.items())
