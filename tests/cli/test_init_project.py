"""`init` in a Supabase project: three questions at most, each with a flag; a configuration without a secret; the first snapshot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.cli.command import PASSPHRASE, Command
from tests.cli.terminal import answered
from tests.cli.test_journey import conforming
from tests.local_stack import local_database, make_project
from vault.app.toml.document import parsed

NOBODY = 1
"""A port on which nothing listens."""


@pytest.fixture
def lilac(pgvault: Command) -> Command:
    """A project under git, and nothing of pgvault's; the home directory is above it."""
    root = pgvault.home / "lilac"
    make_project(root, NOBODY)
    (root / ".git").mkdir()
    return replace(
        pgvault, home=root, environment={"HOME": str(pgvault.home), "PGVAULT_REPOSITORY": "", "PGVAULT_PASSWORD": ""}
    )


def config(lilac: Command) -> Path:
    return lilac.home / "pgvault.toml"


def passphrase_file(lilac: Command) -> Path:
    return lilac.home.parent / ".config" / "pgvault" / "lilac.passphrase"


def test_three_questions_make_all_that_a_backup_needs(lilac: Command) -> None:
    code, shown = answered(lilac, "init", answers=["", "", "", "no"])
    assert code == 0, shown
    assert "1/3" in shown
    assert "3/3" in shown
    assert "pgvault-recovery-kit 1" in shown
    secret = passphrase_file(lilac).read_text().strip()
    assert len(secret) == 32
    assert passphrase_file(lilac).stat().st_mode & 0o777 == 0o600
    assert passphrase_file(lilac).parent.stat().st_mode & 0o777 == 0o700
    assert secret not in shown + config(lilac).read_text()
    written = parsed(config(lilac))
    assert written["repository"] == {
        "url": "~/pgvault/lilac", "password_file": "~/.config/pgvault/lilac.passphrase",
    }  # fmt: skip
    assert written["source"] == {"lilac": {"supabase": "local"}}
    assert written["retention"] == {"keep_daily": 30, "keep_weekly": 13, "keep_monthly": 12}
    assert lilac("snapshots").code == 0
    assert lilac("config", "validate").code == 0


def test_what_is_said_is_not_asked(lilac: Command) -> None:
    code, shown = answered(
        lilac, "init", "-r", "../elsewhere", "--preset", "dev", answers=["type", PASSPHRASE, PASSPHRASE, "no"]
    )
    assert code == 0, shown
    assert "1/1" in shown
    assert parsed(config(lilac))["repository"] == {"url": "../elsewhere"}, "relative to the file"
    assert not passphrase_file(lilac).exists()
    assert lilac("snapshots", PGVAULT_PASSWORD=PASSPHRASE).code == 0


def test_a_short_passphrase_is_remarked_on_and_a_slip_is_asked_about(lilac: Command) -> None:
    said = ("init", "-r", "../elsewhere", "--preset", "dev", "--no-recovery-kit", "--no-backup")
    slips = ["type", PASSPHRASE, "slip", "hunter2", PASSPHRASE, PASSPHRASE]
    code, shown = answered(lilac, *said, answers=slips)
    assert code == 0, shown
    assert shown.count("these two differ") == 1
    assert "the passphrase has 7 characters, and whoever gets hold of the repository can try others at leisure" in shown
    assert lilac("snapshots", PGVAULT_PASSWORD=PASSPHRASE).code == 0
    short = ["type", "hunter2", "hunter2", "hunter2"]
    code, shown = answered(lilac, "init", "-r", "../short", "--no-recovery-kit", "--no-backup", answers=short)
    assert code == 0, shown
    assert lilac("-r", "../short", "snapshots", PGVAULT_PASSWORD="hunter2").code == 0
    wrong = ["type", *[PASSPHRASE, "slip"] * 3]
    code, shown = answered(lilac, "init", "-r", "../third", "--no-recovery-kit", "--no-backup", answers=wrong)
    assert (code, "next: nothing was changed; run the command again" in shown) == (13, True), shown
    assert not (lilac.home.parent / "third").exists()


def test_an_empty_passphrase_is_not_offered_to_be_taken(lilac: Command) -> None:
    said = ("init", "-r", "../elsewhere", "--preset", "dev", "--no-recovery-kit", "--no-backup")
    code, shown = answered(lilac, *said, answers=["type", "", PASSPHRASE, PASSPHRASE])
    assert (code, shown.count("it is empty, and nobody can use that")) == (0, 1), shown
    assert "0 characters" not in shown
    assert lilac("snapshots", PGVAULT_PASSWORD=PASSPHRASE).code == 0
    code, shown = answered(lilac, "init", "-r", "../third", "--no-recovery-kit", answers=["type", "", "", ""])
    assert (code, "3 times it was empty" in shown) == (13, True), shown


def test_an_answer_that_cannot_be_is_asked_for_again(lilac: Command) -> None:
    (lilac.home.parent / "full").mkdir()
    (lilac.home.parent / "full" / "letter").touch()
    answers = ["../full", "sftp:host", "../new", "best", "dev", "x", "gen", "maybe", "no"]
    code, shown = answered(lilac, "init", "--no-recovery-kit", answers=answers)
    assert code == 0, shown
    assert "is not empty" in shown
    assert "not a path of this machine" in shown
    assert "please type dev or production" in shown
    assert (lilac.home.parent / "new" / "config").exists()


def test_without_a_terminal_nothing_is_asked_and_flags_say_all(lilac: Command) -> None:
    refused = lilac("init", "--no-recovery-kit")
    assert (refused.code, "no repository is named" in refused.err) == (2, True), refused.err
    refused = lilac("init", "-r", "../r", "--no-recovery-kit")
    assert (refused.code, "no terminal to ask on" in refused.err) == (13, True), refused.err
    assert not config(lilac).exists()
    done = lilac(
        "init", "-r", "../r", "--recovery-kit", "../kit", "--preset", "dev", "--generate-passphrase", "../pw", "--json"
    )
    made = conforming(done.json(), "init")
    assert (made["config"], made["passphrase_file"]) == (str(config(lilac)), str(lilac.home / ".." / "pw"))
    assert parsed(config(lilac))["repository"] == {"url": "../r", "password_file": "../pw"}
    assert lilac("snapshots").code == 0
    assert lilac("config", "validate").code == 0


def test_a_second_init_says_that_the_first_one_will_do(lilac: Command) -> None:
    arguments = ("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", "../pw")
    assert lilac(*arguments).code == 0
    again = lilac("init", "--no-recovery-kit")
    assert (again.code, "next: it can be used as it is: pgvault snapshots, pgvault backup" in again.err) == (8, True)
    assert lilac("snapshots").code == 0


def test_a_project_that_moved_still_works(lilac: Command) -> None:
    assert answered(lilac, "init", "--no-recovery-kit", "--no-backup", answers=["", "", ""])[0] == 0
    moved = lilac.home.parent / "deep" / "moved"
    moved.parent.mkdir()
    shutil.move(lilac.home, moved)
    assert replace(lilac, home=moved)("snapshots").code == 0
    shown = replace(lilac, home=moved / "supabase")("config", "show", "--json").json()["settings"]
    values = {row["key"]: row["value"] for row in shown}
    assert values["source.lilac.directories.migrations"] == str(moved / "supabase" / "migrations")


@pytest.mark.parametrize("place", ["pw", "supabase/pw", "../r/pw", "../there"])
def test_a_passphrase_never_lies_where_it_is_given_away_and_never_replaces_one(lilac: Command, place: str) -> None:
    (lilac.home.parent / "there").write_text("mine")
    done = lilac("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", place)
    assert done.code == 8, done.err
    assert (lilac.home.parent / "there").read_text() == "mine"
    assert not (lilac.home.parent / "r").exists()
    assert not config(lilac).exists()


def test_two_passphrases_are_one_too_many(lilac: Command) -> None:
    done = lilac("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", "../pw", PGVAULT_PASSWORD="x")
    assert (done.code, "PGVAULT_PASSWORD exclude" in done.err) == (2, True), done.err


def test_what_fails_leaves_no_passphrase(lilac: Command) -> None:
    (lilac.home.parent / "kit").write_text("mine")
    done = lilac("init", "-r", "../r", "--recovery-kit", "../kit", "--generate-passphrase", "../pw")
    assert done.code == 8
    assert not (lilac.home.parent / "pw").exists()


def test_a_configuration_that_is_there_only_gets_what_it_lacks(lilac: Command) -> None:
    config(lilac).write_text(
        '# mine\n[repository]\npassword_command = "echo x"\n[source.shop]\nsupabase = "local"\n[guard]\nenabled = false'
    )
    done = lilac("init", "-r", "../r", "--no-recovery-kit", "--preset", "dev")
    assert done.code == 0, done.err
    assert 'add by hand: url = "../r"' in done.out
    written = parsed(config(lilac))
    assert config(lilac).read_text().startswith("# mine\n")
    assert written["source"] == {"shop": {"supabase": "local"}}
    assert written["retention"] == {"keep_within": "7d", "keep_last": 3}


def test_a_hosted_project_is_written_down_as_that(lilac: Command) -> None:
    arguments = ("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", "../pw", "--linked")
    refused = lilac(*arguments)
    assert (refused.code, "not linked" in refused.err) == (2, True), refused.err
    assert not (lilac.home.parent / "pw").exists()
    (lilac.home / "supabase" / ".temp").mkdir()
    (lilac.home / "supabase" / ".temp" / "project-ref").write_text("abcdefghijklmnopqrst")
    assert lilac(*arguments).code == 0
    assert parsed(config(lilac))["source"] == {"lilac": {"supabase": "linked"}}
    shown = {row["key"]: row["value"] for row in lilac("config", "show", "--json").json()["settings"]}
    assert shown["source.lilac.database"] == "postgresql://postgres@db.abcdefghijklmnopqrst.supabase.co:5432/postgres"


def test_outside_of_a_project_the_repository_is_named(pgvault: Command) -> None:
    (pgvault.home / "my shop").mkdir()
    shop = replace(pgvault, home=pgvault.home / "my shop", environment={"HOME": str(pgvault.home)})
    code, shown = answered(shop, "init", PGVAULT_REPOSITORY="")
    assert (code, "next: pgvault init -r ~/pgvault/my-shop; " in shown) == (2, True), shown
    made = shop("init", "-r", "~/pgvault/my-shop", "--no-recovery-kit", PGVAULT_REPOSITORY="")
    assert made.code == 0, made.err
    again = shop("init", "-r", "~/pgvault/my-shop", "--no-recovery-kit", PGVAULT_REPOSITORY="")
    assert (again.code, "next: to look into it: pgvault -r '~/pgvault/my-shop' snapshots" in again.err) == (8, True)
    assert shop("-r", "~/pgvault/my-shop", "snapshots", PGVAULT_REPOSITORY="").code == 0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with local_database("CREATE TABLE notes (id int PRIMARY KEY); INSERT INTO notes VALUES (1), (2)") as (_, port):
        yield port


@pytest.mark.postgres
def test_the_first_snapshot_is_taken_if_wanted(lilac: Command, port: int) -> None:
    make_project(lilac.home, port)
    code, shown = answered(lilac, "init", "--no-recovery-kit", answers=["", "", "", ""])
    assert code == 0, shown
    assert "Data records: 2 total records" in shown
    assert lilac("backup", "-q").code == 0, "from now on one word is enough"
    assert [one["source"] for one in lilac("snapshots", "--json").json()["snapshots"]] == ["lilac", "lilac"]


@pytest.mark.postgres
def test_without_a_terminal_a_flag_takes_it(lilac: Command, port: int) -> None:
    make_project(lilac.home, port)
    done = lilac("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", "../pw", "--backup", "--json")
    assert done.code == 0, done.err
    assert [line.partition(",")[0] for line in done.out.splitlines() if "created" in line[:20]]
    conforming(done.json(), "backup")


@pytest.mark.postgres
def test_a_first_snapshot_that_fails_leaves_all_ready_for_the_next(lilac: Command, port: int) -> None:
    done = lilac("init", "-r", "../r", "--no-recovery-kit", "--generate-passphrase", "../pw", "--backup")
    assert (done.code, "supabase start" in done.err) == (6, True), done.err
    make_project(lilac.home, port)
    assert lilac("backup", "-q").code == 0


@pytest.mark.postgres
def test_the_five_minutes_of_the_readme_are_as_it_says(lilac: Command) -> None:
    """Line by line, as somebody types it."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Five minutes for a Supabase project")[2]
    lines = section.split("```")[1].strip().splitlines()
    with local_database("CREATE TABLE notes (id int PRIMARY KEY); INSERT INTO notes VALUES (1), (2)") as (
        cluster,
        port,
    ):
        make_project(lilac.home, port)
        path = f"{Path(sys.executable).parent}:{cluster.bin}:{os.environ['PATH']}"
        for line in lines:
            if line.startswith("pgvault init"):
                code, shown = answered(lilac, "init", answers=["", "", "", ""])
            else:
                done = subprocess.run(
                    ["bash", "-c", line.replace("54322", str(port))], cwd=lilac.home, env=lilac.variables({"PATH": path}),
                    capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                )  # fmt: skip
                code, shown = done.returncode, done.stdout + done.stderr
            assert code == 0, f"{line}: {shown}"
        with cluster.connect("copy") as connection:
            assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)
    assert len(lines) == 4


def test_on_another_machine_the_passphrase_is_made_where_the_configuration_says(lilac: Command) -> None:
    """A configuration that came with the project's repository: its files outside are not there."""
    text = '[repository]\nurl = "~/there"\npassword_file = "~/there.passphrase"\n[source.lilac]\nsupabase = "local"\n'
    config(lilac).write_text(text + "[retention]\nkeep_last = 9\n")
    before = config(lilac).read_text()
    code, shown = answered(lilac, "init", "--no-recovery-kit", answers=["", "no"])
    assert code == 0, shown
    assert "1/1" in shown
    assert config(lilac).read_text() == before
    assert lilac("snapshots").code == 0
    assert lilac("config", "validate").code == 0


def test_without_a_terminal_that_file_is_named(lilac: Command) -> None:
    config(lilac).write_text('[repository]\nurl = "../there"\npassword_file = "../pw"\n')
    assert lilac("init", "--no-recovery-kit", "--generate-passphrase", "../other").code == 2
    done = lilac("init", "--no-recovery-kit", "--generate-passphrase", "../pw")
    assert done.code == 0, done.err
    assert lilac("snapshots").code == 0
