"""A scheduled run as a scheduler starts it: without a terminal, with next to no environment; and what it does after its backup."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import HANG_S, Command
from tests.cli.shapes import SHAPES
from tests.cli.shop import CONFIGURATION, add, by_cron, install, made_shop, missed, missed_steps, snapshots
from tests.fix_postgres import Cluster
from tests.jobs_support import Gate, record, state_of, until
from vault.app import state
from vault.model.jobs import JobKind


@pytest.fixture
def shop(tmp_path: Path) -> Command:
    return made_shop(tmp_path)


def test_cron_starts_it_with_nothing_and_a_missed_run_is_caught_up_once(shop: Command) -> None:
    install(shop)
    assert by_cron(shop).returncode == 0
    assert snapshots(shop) == [], "none was due yet"
    missed(shop)
    for _ in range(3):
        done = by_cron(shop)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "cron mails whatever is printed"
    assert len(snapshots(shop)) == 1
    directory = state_of(Command(home=shop.home.parent))
    [name] = directory.jobs()
    job = record(directory, name)
    assert (job.kind, job.exit_code, [job.snapshot]) == (JobKind.SCHEDULE, 0, snapshots(shop))
    last = Path(job.log).read_text().splitlines()[-1]
    assert "retention" not in last, "a log ends with what its backup says"


def test_a_failure_is_what_cron_mails(shop: Command) -> None:
    install(shop)
    missed(shop)
    (shop.home / "documents").rename(shop.home / "moved")
    done = by_cron(shop)
    assert done.returncode == 2
    assert "is not a directory" in done.stderr
    assert "its log: " in done.stderr
    assert by_cron(shop).returncode == 0, "it was due once"


@pytest.mark.postgres
def test_cron_saves_a_database_with_what_is_on_its_short_path(shop: Command, postgres: Cluster) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")
    file = shop.home / "pgvault.toml"
    file.write_text(CONFIGURATION.replace("[schedule]", f'database = "{postgres.dsn(name)}"\n[schedule]'))
    install(shop)
    missed(shop)
    done = by_cron(shop)
    assert (done.returncode, done.stderr) == (0, "")
    [snapshot] = shop("snapshots", "--json").json()["snapshots"]
    assert (snapshot["source"], snapshot["rows"]) == ("app", 1000)


def test_a_database_that_is_away_is_a_warning_and_later_a_failure(shop: Command) -> None:
    file = shop.home / "pgvault.toml"
    away = 'database = "postgresql://ada@127.0.0.1:9/app"\n[background]\nwait = "0s"\n[schedule]'
    file.write_text(CONFIGURATION.replace("[schedule]", away))
    told = install(shop)
    assert [problem["fatal"] for problem in told["problems"] if "app: cannot connect" in problem["what"]] == [False]
    missed(shop)
    done = by_cron(shop)
    assert done.returncode == 6
    assert "Connection refused" in done.stderr
    assert snapshots(shop) == []


def test_a_run_keeps_to_the_policy_and_prunes_and_checks(shop: Command) -> None:
    add(shop, "[retention]\nkeep_last = 2\n")
    states = []
    for number in range(3):
        (shop.home / "documents" / "letter").write_text(f"letter {number}")
        done = shop("schedule", "run", "--json")
        assert done.code == 0, done.err
        told = done.json()
        jsonschema.validate(told, SHAPES["schedule run"])
        states.append([(step["step"], step["state"]) for step in told["steps"]])
    assert states[0] == [("retention", "done"), ("prune", "done"), ("check", "done")]
    assert states[1][1] == ("prune", "skipped"), "weekly, though nothing is installed"
    assert states[2][2] == ("check", "skipped"), "the repository remembers when it was checked, whoever did"
    assert told["steps"][0]["why"] == "1 snapshot forgotten, 2 kept"
    assert len(snapshots(shop)) == 2
    drawn = shop("schedule", "run")
    assert "retention: 1 snapshot forgotten, 2 kept" in drawn.err


def test_status_and_doctor_know_the_next_run_and_from_when_on_one_was_missed(shop: Command) -> None:
    assert shop("schedule", "run", "-q").code == 0
    before = shop("status", "--json").json()["sources"][0]
    assert before["next_run"] is None
    install(shop, "--every", "12h")
    [after] = shop("status", "--json").json()["sources"]
    assert after["next_run"] == shop("schedule", "status", "--json").json()["schedules"][0]["next_run"]
    assert after["overdue"] is False
    assert "app every day at 03:10, 15:10, by cron" in shop("doctor").out


def test_weekly_is_once_a_week(shop: Command) -> None:
    install(shop)
    told = shop("schedule", "run", "--json").json()
    assert {step["step"]: step["why"] for step in told["steps"]}["prune"] == "weekly, and not due yet"
    add(shop, 'prune = "daily"\ncheck = "never"\n')
    file = shop.home / "pgvault.toml"
    file.write_text(CONFIGURATION + 'prune = "daily"\ncheck = "never"\n')
    missed_steps(shop)
    states = [
        {step["step"]: step["state"] for step in shop("schedule", "run", "--json").json()["steps"]} for _ in range(2)
    ]
    assert [one["prune"] for one in states] == ["done", "skipped"]
    assert [one["check"] for one in states] == ["skipped", "skipped"]


def test_a_drill_is_done_where_it_is_asked_for_and_once_a_week(shop: Command) -> None:
    add(shop, 'check = "never"\nprune = "never"\ndrill = "weekly"\n')
    steps = [shop("schedule", "run", "--json").json()["steps"][-1] for _ in range(2)]
    assert [(step["step"], step["state"]) for step in steps] == [("drill", "done"), ("drill", "skipped")]
    assert re.search(r"of app restored in \d+ s and equal", steps[0]["why"])
    assert steps[1]["why"] == "weekly, and not due yet"
    assert shop("status", "--json").json()["sources"][0]["last_drill"]


def test_a_failing_prune_does_not_hide_a_good_backup(shop: Command) -> None:
    """What only the first snapshot needs is gone, so that no prune can tell what else is needed."""
    add(shop, 'check = "never"\n')
    packs = shop.home.parent / "repository" / "packs"
    assert shop("schedule", "run").code == 0
    first = set(packs.iterdir())
    (shop.home / "documents" / "letter").write_text("another")
    assert shop("schedule", "run").code == 0
    for pack in first:
        pack.unlink()
    missed_steps(shop)
    done = shop("schedule", "run", "--json")
    told = done.json()
    [source] = told["sources"]
    assert (source["exit_code"], source["snapshot"] is not None) == (0, True)
    assert {step["step"]: step["state"] for step in told["steps"]}["prune"] == "failed"
    assert done.code == told["exit_code"] == 3
    drawn = shop("schedule", "run", "-q")
    assert drawn.code == 3, "what failed is due still"
    assert "prune failed: " in drawn.err
    assert "  next: pgvault " in drawn.err
    status = shop("status", "--json")
    assert status.code == 1 or status.code == 4
    assert [reason for reason in status.json()["why"] if "left its prune undone" in reason["text"]]
    add(shop, 'prune = "never"\n')
    shop("schedule", "run")
    assert "left its prune undone" not in shop("status").out


def test_damage_that_the_check_finds_is_exit_code_4(shop: Command) -> None:
    add(shop, 'prune = "never"\n')
    assert shop("backup").code == 0
    for manifest in (shop.home.parent / "repository" / "snapshots").iterdir():
        manifest.chmod(0o600)
        manifest.write_bytes(manifest.read_bytes()[:-1])
    done = shop("schedule", "run", "--json")
    assert done.code == 4
    [source] = done.json()["sources"]
    assert source["snapshot"] is not None
    assert source["why"]
    assert done.json()["steps"][2]["state"] == "failed"
    assert shop("schedule", "run", "--json").json()["steps"][2]["state"] == "failed", "until it is mended"


def test_after_a_backup_that_failed_nothing_is_removed(shop: Command) -> None:
    add(shop, '[retention]\nkeep_last = 1\n[source.broken]\ndirectories = { documents = "no such directory" }\n')
    for number in range(2):
        (shop.home / "documents" / "letter").write_text(f"letter {number}")
        done = shop("schedule", "run", "--json")
        assert done.code == 2
        told = done.json()
    assert [(source["source"], source["exit_code"]) for source in told["sources"]] == [("app", 0), ("broken", 2)]
    assert told["steps"][0]["state"] == "skipped"
    assert "broken: exit code 2" in told["steps"][0]["why"]
    assert len(snapshots(shop)) == 2


def test_a_state_directory_that_cannot_be_used_stops_no_backup(shop: Command) -> None:
    taken = shop.home / "taken"
    taken.write_text("")
    done = shop("schedule", "run", "--json", PGVAULT_STATE_DIR=str(taken / "state"))
    assert len(snapshots(shop)) == 1
    assert "no job can be recorded" in done.err
    assert done.json()["sources"][0]["snapshot"] == snapshots(shop)[0]


@pytest.mark.parametrize("directory", ["findings", "snapshots"])
def test_while_files_do_not_open_nothing_is_forgotten_or_pruned(shop: Command, directory: str) -> None:
    add(shop, 'check = "never"\nprune = "daily"\n[retention]\nkeep_last = 1\n')
    assert shop("backup").code == 0
    folder = shop.home.parent / "repository" / directory
    folder.mkdir(exist_ok=True)
    (folder / f"{7:064x}").write_bytes(b"junk")
    done = shop("schedule", "run", "--json")
    states = [step["state"] for step in done.json()["steps"]]
    if directory == "findings":  # nobody knows which snapshot it warns of
        assert (states, done.code) == (["skipped", "skipped", "skipped"], 5)
        assert f"findings/{7:064x} does not open" in shop("ack").out
    else:
        assert (states, done.code) == (["failed", "skipped", "skipped"], 4)
        assert f"{directory}/{7:064x}" in done.json()["steps"][0]["why"]
    assert len(list((shop.home.parent / "repository" / "snapshots").iterdir())) == (
        3 if directory == "snapshots" else 2
    )


def test_a_job_whose_record_cannot_be_found_is_waited_for(shop: Command) -> None:
    directory = state_of(Command(home=shop.home.parent))
    directory.make()
    held = state.take(directory.lock("app", f"{shop.home}/../repository"))
    assert held is not None
    run = shop.start("schedule", "run")
    assert run.stderr is not None
    said = run.stderr.readline()
    assert "a job of app runs that has no readable record" in said
    assert snapshots(shop) == [], "two at a time are never"
    held.release()
    _, rest = run.communicate(timeout=HANG_S)
    assert run.returncode == 0
    assert "no job can be recorded" not in rest
    assert len(snapshots(shop)) == len(directory.jobs()) == 1


def test_a_job_whose_end_cannot_be_read_is_no_reason_for_a_second(shop: Command) -> None:
    directory = state_of(Command(home=shop.home.parent))
    gate = Gate(shop.home)
    file = shop.home / "pgvault.toml"
    file.write_text(CONFIGURATION.replace('password_file = "../passphrase"\n', ""))
    run = Command(home=shop.home, environment={**shop.environment, **gate.environment}).start("schedule", "run")
    assert run.stderr is not None
    assert "backup of app" in run.stderr.readline()
    [name] = directory.jobs()
    moved = (directory.root / "jobs").rename(directory.root / "moved")
    (directory.root / "jobs").write_text("in the way of a new one")
    gate.open()
    _, said = run.communicate(timeout=HANG_S)
    until(lambda: not state.is_held(moved / f"{name}.log"))
    file.write_text(CONFIGURATION)
    assert run.returncode == 1
    assert "the state directory cannot be used" in said
    assert "no job can be recorded" not in said
    assert len(snapshots(shop)) == 1
