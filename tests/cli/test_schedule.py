"""`pgvault schedule` as it is typed: shown, tried, written once, taken away, and refused where no run could succeed."""

from __future__ import annotations

import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.shapes import SHAPES
from tests.cli.shop import MINE, by_cron, install, made_shop, missed, snapshots, table
from tests.jobs_support import state_of


@pytest.fixture
def shop(tmp_path: Path) -> Command:
    return made_shop(tmp_path)


def test_print_shows_and_writes_nothing(shop: Command) -> None:
    printed = shop("schedule", "install", "--scheduler", "cron", "--print")
    assert printed.code == 0
    assert "10 * * * * cd " in printed.out
    assert "nothing was written" in printed.err
    assert table(shop).read_text() == MINE
    told = shop("schedule", "install", "--scheduler", "cron", "--print", "--json").json()
    jsonschema.validate(told, SHAPES["schedule install"])
    assert told["state"] == "printed"
    status = shop("schedule", "status", "--json").json()
    jsonschema.validate(status, SHAPES["schedule status"])
    assert status["schedules"] == []


def test_installed_twice_is_one_and_removed_is_as_before(shop: Command) -> None:
    first = install(shop)
    assert first["state"] == "installed"
    assert [draft["text"] for draft in first["files"]] == [table(shop).read_text().removeprefix(MINE)]
    before = table(shop).read_text()
    assert install(shop)["state"] == "unchanged"
    assert table(shop).read_text() == before
    assert install(shop, "--at", "04:20")["state"] == "updated"
    assert table(shop).read_text() == before.replace("10 * * * *", "20 * * * *").replace("at 03:10", "at 04:20")
    status = shop("schedule", "status", "--json").json()
    jsonschema.validate(status, SHAPES["schedule status"])
    [one] = status["schedules"]
    assert (one["sources"], one["timetable"], one["scheduler"]) == (["app"], "every day at 04:20", "cron")
    assert one["next_run"].endswith("Z")
    would = shop("schedule", "remove", "--print")
    assert "would be removed" in would.out
    removed = shop("schedule", "remove", "--json").json()
    jsonschema.validate(removed, SHAPES["schedule remove"])
    assert table(shop).read_text() == MINE
    again = shop("schedule", "remove")
    assert again.code == 2
    assert "pgvault schedule status" in again.err


def test_another_scheduler_takes_the_first_ones_place(shop: Command) -> None:
    install(shop)
    systemctl = shop.home.parent / "bin" / "systemctl"
    systemctl.write_text("#!/bin/sh\n")
    systemctl.chmod(0o700)
    done = shop("schedule", "install", "--scheduler", "systemd-user", "--json")
    assert done.code == 0, done.err
    assert table(shop).read_text() == MINE
    units = sorted(path.suffix for path in (shop.home.parent / ".config/systemd/user").iterdir())
    assert units == [".service", ".timer"]
    assert shop("schedule", "remove").code == 0
    assert list((shop.home.parent / ".config/systemd/user").iterdir()) == []


def test_the_first_one_stays_until_the_other_is_there(shop: Command) -> None:
    install(shop)
    before = table(shop).read_text()
    systemctl = shop.home.parent / "bin" / "systemctl"
    systemctl.write_text('#!/bin/sh\ncase "$*" in *enable*) echo "no bus" >&2; exit 1;; esac\n')
    systemctl.chmod(0o700)
    done = shop("schedule", "install", "--scheduler", "systemd-user")
    assert done.code == 1, done.err
    assert table(shop).read_text() == before
    systemctl.write_text("#!/bin/sh\n")
    assert shop("schedule", "install", "--scheduler", "systemd-user").code == 0
    assert table(shop).read_text() == MINE


def test_what_is_known_of_others_is_never_written_over(shop: Command) -> None:
    install(shop)
    schedule = state_of(Command(home=shop.home.parent)).schedule
    schedule.write_text(schedule.read_text()[:-10])
    before, lines = schedule.read_text(), table(shop).read_text()
    for action in (("install", "--scheduler", "cron", "--at", "04:20"), ("remove",)):
        done = shop("schedule", *action)
        assert done.code != 0
        assert f"cannot be read: {schedule}" in done.err
        assert (schedule.read_text(), table(shop).read_text()) == (before, lines)
    schedule.rename(schedule.with_suffix(".damaged"))
    assert install(shop)["state"] == "unchanged"


def test_what_the_state_directory_forgot_can_still_be_removed(shop: Command) -> None:
    install(shop)
    shutil.rmtree(shop.home.parent / ".local")
    assert shop("schedule", "remove", "--scheduler", "cron").code == 0
    assert table(shop).read_text() == MINE


@pytest.mark.parametrize(
    ("configuration", "environment", "words"),
    [
        ("", {"PGVAULT_PASSWORD": PASSPHRASE}, "PGVAULT_PASSWORD is set in this shell only"),
        ("", {}, "no passphrase"),
        ('password_command = "false"', {}, "exit code 1"),
        ('password_command = "cat"', {}, "the passphrase is empty"),
        ("password_command = \"sh -c 'read line < /dev/tty; echo $line'\"", {}, "the passphrase is empty"),
        ('password_command = "sleep 60"', {}, "within 5 s"),
        ('password_file = "/no/such/file"', {}, "cannot read"),
    ],
)
def test_a_passphrase_that_no_run_would_get_is_found_before(
    shop: Command, configuration: str, environment: dict[str, str], words: str
) -> None:
    file = shop.home / "pgvault.toml"
    file.write_text(file.read_text().replace('password_file = "../passphrase"', configuration))
    done = shop("schedule", "install", "--scheduler", "cron", **environment)
    assert done.code == 8
    assert "nothing was installed" in done.err
    assert words in done.err
    assert "next: " in done.err
    assert table(shop).read_text() == MINE
    assert shop("schedule", "status", "--json").json()["schedules"] == []


def test_a_passphrase_file_of_the_environment_is_taken_along(shop: Command) -> None:
    file = shop.home / "pgvault.toml"
    file.write_text(file.read_text().replace('password_file = "../passphrase"', ""))
    install(shop, PGVAULT_PASSWORD_FILE="../passphrase")
    missed(shop)
    assert by_cron(shop).returncode == 0
    assert (
        len(snapshots(Command(home=shop.home, environment={**shop.environment, "PGVAULT_PASSWORD": PASSPHRASE}))) == 1
    )


def test_a_repository_that_was_typed_is_typed_again_with_its_whole_path(shop: Command) -> None:
    done = shop("init", "-r", "../other", "--no-recovery-kit", PGVAULT_PASSWORD=PASSPHRASE)
    assert done.code == 0, done.err
    install(shop, "-r", "../other")
    missed(shop)
    assert by_cron(shop).returncode == 0
    assert snapshots(shop) == []
    assert len(shop("snapshots", "-r", "../other", "--json").json()["snapshots"]) == 1


def test_a_project_that_moved_is_told(shop: Command) -> None:
    install(shop)
    moved = shop.home.parent / "moved"
    shop.home.rename(moved)
    elsewhere = Command(home=shop.home.parent / "elsewhere", environment=shop.environment)
    status = elsewhere("schedule", "status")
    assert status.code == 1
    assert "BROKEN" in status.out
    assert "its project is gone" in status.err
    assert "pgvault schedule remove pgvault-shop-" in status.err
    [one] = elsewhere("schedule", "status", "--json").json()["schedules"]
    assert elsewhere("schedule", "remove", one["name"]).code == 0
    assert table(shop).read_text() == MINE


def test_damaged_marks_are_refused_and_told(shop: Command) -> None:
    install(shop)
    table(shop).write_text(table(shop).read_text().replace("# <<<", "# ..."))
    before = table(shop).read_text()
    for arguments in (("install", "--scheduler", "cron"), ("remove",)):
        done = shop("schedule", *arguments)
        assert done.code == 8
        assert "crontab -e" in done.err
    assert shop("schedule", "status").code == 1
    assert table(shop).read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "noon"), "03:10"),
        (("--every", "5h"), "1d"),
        (("--scheduler", "at"), "'systemd', 'systemd-user', 'launchd', 'cron'"),
    ],
)
def test_what_is_no_time_and_no_scheduler_is_refused(shop: Command, arguments: tuple[str, ...], words: str) -> None:
    done = shop("schedule", "install", *arguments)
    assert done.code == 2
    assert words in done.err
