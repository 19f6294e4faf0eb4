"""What stands where a command was stopped, and what to type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import TARGET, part, snapshot
from tests.restore_values import planned as planned_restore
from vault.app.restore import PlannedRestore, RestoreFlags, RestoreRequest
from vault.app.settings import Settings
from vault.cli.command_names import COMMANDS
from vault.cli.interrupted import STANDS, interrupted, naming, restored_in_part
from vault.cli.progress import Heard, Silent
from vault.ids import SnapshotId


def test_every_command_that_is_named_is_one() -> None:
    assert set(STANDS) <= set(COMMANDS)


@pytest.mark.parametrize("command", sorted(STANDS))
def test_a_stopped_command_says_what_stands_and_how_to_go_on(command: str) -> None:
    failure = interrupted(command, (command, "--source", "a shop"))
    assert (failure.exit_code, failure.code, failure.message) == (130, "INTERRUPTED", "interrupted")
    assert failure.why == STANDS[command]
    begun = "to begin anew, into what is new or empty" if command in ("export", "extract") else "to go on"
    assert failure.fix == f"{begun}: pgvault {command} --source 'a shop'"


def test_a_password_that_was_typed_is_not_told() -> None:
    assert "hunter2" not in interrupted("backup", ("backup", "-d", "postgresql://ada:hunter2@db/app")).fix


def planned(*, fresh: bool, local: bool = False) -> PlannedRestore:
    facts = replace(TARGET, database="shop")
    flags = RestoreFlags(database=None if local else "shop", local=local)
    request = RestoreRequest(conninfo="dbname=shop", directories={}, flags=flags)
    plan = replace(planned_restore(snapshot(part("TABLE s.t")), None, target=facts), fresh=fresh)
    return PlannedRestore(settings=Settings(), snapshot=None, request=request, plan=plan)  # type: ignore[arg-type]


def test_what_a_stopped_restore_left_and_the_line_that_goes_on_agree() -> None:
    typed = ("restore", "0a9323a53477", "-d", "shop")
    same = "to go on: pgvault restore 0a9323a53477 -d shop"
    told = {
        (fresh, at): restored_in_part(planned(fresh=fresh), typed, was_at=at)
        for fresh in (True, False)
        for at in ("", "it was at: rows")
    }
    assert (told[True, ""].stands, told[True, ""].again) == ("nothing was changed", same), "nothing is to be made anew"
    assert (told[False, ""].stands, told[False, ""].again) == ("nothing was changed", same)
    kept = "what had come into database shop stays, and the rest of it is as it was: it was at: rows"
    assert (told[False, "it was at: rows"].stands, told[False, "it was at: rows"].again) == (kept, same)
    anew = told[True, "it was at: rows"]
    assert anew.stands == "database shop holds a part of the snapshot, and has to be made anew: it was at: rows"
    assert anew.again == "dropdb shop && createdb shop && pgvault restore 0a9323a53477 -d shop"
    emptied = restored_in_part(planned(fresh=True, local=True), ("restore", "x", "--local"), was_at="at")
    assert emptied.again == "when it is empty again: pgvault restore x --local"


def test_the_snapshot_is_named_by_its_id_where_its_word_can_be_told() -> None:
    id = SnapshotId(bytes(range(32)))
    assert naming(("restore", "latest", "-d", "x"), "latest", id) == ["restore", "000102030405", "-d", "x"]
    assert naming(("restore", "latest", "-d", "latest"), "latest", id) == ["restore", "latest", "-d", "latest"]


def test_what_was_heard_of_a_restore_is_where_it_was() -> None:
    heard = Heard(Silent())
    assert heard.was_at() == ""
    heard.stage("rows")
    assert heard.was_at() == "the restore was at its step: rows"
    heard.advance(10, rows=1)
    assert heard.was_at() == "the restore was at its step: rows, after 1 row had been sent"


def test_who_comes_too_late_is_not_told_that_nothing_was_done() -> None:
    late = interrupted("restore", ("restore", "latest"), done="the restore had come to its end")
    assert (late.exit_code, late.why, late.fix) == (130, "the restore had come to its end", "")


def test_a_command_that_only_reads_says_nothing_more() -> None:
    assert (interrupted("ls", ("ls", "latest")).why, interrupted(None, ()).fix) == ("", "")
