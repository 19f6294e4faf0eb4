"""What is to be typed next fits what was typed, and what stands there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.terminal import answered
from tests.local_stack import make_project
from vault.app.database import DatabaseFlags, typed_again
from vault.app.settings import load_settings


@pytest.mark.parametrize("place", ["s3//my-backups/shop", "s3:/my-backups/shop", "s3:my-backups/shop"])
def test_a_missing_sign_of_a_bucket_makes_no_directory(pgvault: Command, place: str) -> None:
    done = pgvault("-r", place, "init", "--no-recovery-kit")
    assert done.code == 2
    assert f"pgvault: {place}: is s3://my-backups/shop meant?" in done.err
    assert not list(pgvault.home.iterdir())


def test_a_place_without_a_repository_is_named_in_what_makes_one(pgvault: Command) -> None:
    done = pgvault("-r", "my backups", "snapshots")
    assert done.code == 10
    place = pgvault.home / "my backups"
    assert f"next: check the path; or create a repository there: pgvault init -r '{place}'" in done.err
    place.mkdir()
    empty = pgvault("-r", "my backups", "snapshots")
    assert "next: name another with -r; or create one: pgvault init -r 'my backups'" in empty.err
    (pgvault.home / "pgvault.toml").write_text('[repository]\nurl = "my backups"\n')
    configured = pgvault("snapshots", PGVAULT_REPOSITORY="")
    assert configured.err.rstrip().endswith("or create one: pgvault init")


def test_an_option_without_its_value_is_shown_with_one(pgvault_ready: Command) -> None:
    done = pgvault_ready("forget", "--keep-daily")
    assert done.code == 2
    assert "next: pgvault forget --keep-daily N; what that is: pgvault forget --help" in done.err


def test_a_command_that_did_not_run_says_how_it_would(pgvault: Command) -> None:
    (pgvault.home / "a").mkdir()
    (pgvault.home / "pgvault.toml").write_text('[source.app]\ndirectories = { a = "a" }\n')
    done = pgvault("run", "--before", "--", "touch", "ran")
    assert done.code == 10
    assert "touch was not run, because there is no whole snapshot" in done.err
    assert "pgvault run --before --even-without-backup -- touch ..." in done.err
    assert not (pgvault.home / "ran").exists()


def test_the_database_is_named_as_it_was_found(pgvault: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGDATABASE", "PGSERVICE", "PGHOSTADDR", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(pgvault.home)
    settings = load_settings(repository=None, source=None)
    assert typed_again(settings, DatabaseFlags(), "app") == "-d DATABASE"
    assert typed_again(settings, DatabaseFlags(), "app", named="my app") == "-d 'my app'", "as the snapshot names it"
    assert typed_again(settings, DatabaseFlags(database="my app"), "app") == "-d 'my app'"
    assert "hunter2" not in typed_again(settings, DatabaseFlags(database="postgresql://a:hunter2@h/d"), "app")
    assert typed_again(settings, DatabaseFlags(linked=True), "app") == "--linked"
    make_project(pgvault.home, 54322)
    assert typed_again(load_settings(repository=None, source=None), DatabaseFlags(), "lilac") == "--local"
    (pgvault.home / "pgvault.toml").write_text('[source.lilac]\nsupabase = "local"\n')
    assert typed_again(load_settings(repository=None, source=None), DatabaseFlags(), "lilac") == ""


def test_the_place_that_gave_no_passphrase_or_a_wrong_one_is_named(pgvault_ready: Command) -> None:
    """Each place that one comes from."""
    file, wrong = pgvault_ready.home / "no passphrase", pgvault_ready.home / "wrong"
    for path, text in ((file, "\n"), (wrong, "wrong\n")):
        path.write_text(text)
        path.chmod(0o600)
    nothing = {"PGVAULT_PASSWORD": ""}
    empty = pgvault_ready("snapshots", **nothing, PGVAULT_PASSWORD_FILE=str(file))
    assert empty.code == 13
    assert f"why:  {file} is, which PGVAULT_PASSWORD_FILE names" in empty.err
    assert f"next: put it into '{file}'" in empty.err
    other = pgvault_ready("snapshots", **nothing, PGVAULT_PASSWORD_FILE=str(wrong))
    assert other.code == 12
    assert f"next: put the right one into {wrong}, which PGVAULT_PASSWORD_FILE names; if it is lost" in other.err
    assert "unset PGVAULT_PASSWORD, and the next place" in pgvault_ready("snapshots", PGVAULT_PASSWORD="x").err
    for command, told in (
        ("echo", "why:  the command of PGVAULT_PASSWORD_COMMAND gave no text"),
        ("echo x", "next: the command of PGVAULT_PASSWORD_COMMAND gives a wrong one"),
    ):
        assert told in pgvault_ready("snapshots", **nothing, PGVAULT_PASSWORD_COMMAND=command).err
    config = pgvault_ready.home / "pgvault.toml"
    for path, told in (
        (file, f"why:  {file} is, which repository.password_file of pgvault.toml names"),
        (wrong, "which repository."),
    ):
        config.write_text(f'[repository]\npassword_file = "{path}"\n')
        assert told in pgvault_ready("snapshots", **nothing).err
    config.unlink()
    code, shown = answered(pgvault_ready, "snapshots", answers=[""], PGVAULT_PASSWORD="")
    assert (code, "nothing was typed" in shown) == (13, True), shown
    code, shown = answered(pgvault_ready, "snapshots", answers=["wrong"], PGVAULT_PASSWORD="")
    assert (code, "next: run the command again, and type it anew; if it is lost" in shown) == (12, True), shown


WRONG = {
    "PGVAULT_PASSPHRASE": "PGVAULT_PASSWORD",
    "PGVAULT_PASS": "PGVAULT_PASSWORD",
    "PGVAULT_PASSPHRASE_FILE": "PGVAULT_PASSWORD_FILE",
    "PGVAULT_PASSWORDCOMMAND": "PGVAULT_PASSWORD_COMMAND",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_passphrase_in_a_variable_that_nothing_reads_is_told_of(pgvault_ready: Command, name: str) -> None:
    told = f"{name} is set, and nothing reads it: {WRONG[name]} is meant"
    done = pgvault_ready("snapshots", **{"PGVAULT_PASSWORD": "", name: "never shown"})
    assert (done.code, told in done.err, "never shown" in done.err) == (13, True, False), done.err
    apart = replace(pgvault_ready, environment={"PGVAULT_PASSWORD": "", name: "x"})
    code, shown = answered(apart, "snapshots", answers=[PASSPHRASE])
    assert (code, told in shown) == (0, True), shown
    assert "nothing reads it" not in pgvault_ready("snapshots", **{name: "x"}).err


def test_a_backup_where_nothing_is_says_what_could_be_typed(pgvault_ready: Command) -> None:
    done = pgvault_ready("backup")
    assert done.code == 2
    assert "next: in the directory of a Supabase project: pgvault backup; else name a database, as in" in done.err
    typed = done.err.rstrip().rpartition("as in pgvault ")[2]
    assert typed == "backup --dir files=."


def test_what_is_known_stands_where_a_placeholder_was(pgvault_ready: Command) -> None:
    """Each line is typed as it was shown."""
    (pgvault_ready.home / "a").mkdir()
    (pgvault_ready.home / "a" / "letter").touch()
    for name in ("shop", "my app"):
        assert pgvault_ready("backup", "--dir", "a=a", "--source", name).code == 0
    several = pgvault_ready("pin", "latest", "--reason", "x")
    assert "next: add --source 'my app', or another of them, or name it by its id" in several.err
    assert (
        "next: add --source 'my app', or another of them, or --all" in pgvault_ready("forget", "--keep-last", "1").err
    )
    (pgvault_ready.home / "pgvault.toml").write_text('[source.shop]\n[source."my app"]\n')
    assert "next: add --source 'my app', or another of them\n" in pgvault_ready("backup").err
    shown = pgvault_ready("show", "latest", "--source", "shop", "--json").json()["snapshot"]["id"][:12]
    for typed, then in ((("cat", "latest:zzz"), f"ls {shown}"), (("cat", "latest:a"), f"ls {shown}:a")):
        done = pgvault_ready(*typed, "--source", "shop")
        assert done.err.rstrip().endswith(f"with: pgvault {then}"), done.err
        assert pgvault_ready(*then.split()).code == 0
