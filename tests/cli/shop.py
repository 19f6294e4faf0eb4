"""A project of which snapshots are taken by the clock: its configuration, a crontab of its own, and what cron makes of that."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema

from tests.cli.command import PASSPHRASE, Command
from tests.cli.shapes import SHAPES
from tests.jobs_support import state_of

CRONTAB = """#!/bin/sh
# A crontab of one user, in a file beside this program.
table="$(dirname "$0")/table"
case "$1" in
  -l) [ -f "$table" ] && cat "$table" || { echo "no crontab for ada" >&2; exit 1; } ;;
  -) cat > "$table" ;;
esac
"""
MINE = "MAILTO=ada\n17 4 * * 1 true\n"
CONFIGURATION = """
[repository]
url = "../repository"
password_file = "../passphrase"
[source.app]
directories = { documents = "documents" }
[schedule]
at = "03:10"
"""


def made_shop(home: Path) -> Command:
    """The command in a project whose configuration is all that a run needs; it has a repository."""
    for folder in ("bin", "shop/documents", "elsewhere"):
        (home / folder).mkdir(parents=True)
    (home / "bin" / "crontab").write_text(CRONTAB)
    (home / "bin" / "crontab").chmod(0o700)
    (home / "bin" / "table").write_text(MINE)
    (home / "passphrase").write_text(PASSPHRASE)
    (home / "passphrase").chmod(0o600)
    (home / "shop" / "documents" / "letter").write_text("dear reader")
    (home / "shop" / "pgvault.toml").write_text(CONFIGURATION)
    environment = {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "PGVAULT_REPOSITORY": "",
        "PGVAULT_PASSWORD": "",
    }
    command = Command(home=home / "shop", environment=environment)
    done = command("init", "--no-recovery-kit")
    assert done.code == 0, done.err
    return command


def table(shop: Command) -> Path:
    return shop.home.parent / "bin" / "table"


def install(shop: Command, *arguments: str, **environment: str) -> dict[str, Any]:
    done = shop("schedule", "install", "--scheduler", "cron", "--json", *arguments, **environment)
    assert done.code == 0, done.err
    jsonschema.validate(done.json(), SHAPES["schedule install"])
    return done.json()


def by_cron(shop: Command) -> subprocess.CompletedProcess[str]:
    """Start what the table says as cron does: by sh, in the home directory, with four variables."""
    [line] = [line for line in table(shop).read_text().splitlines() if "schedule run" in line]
    command = line.split(" ", 5)[5].replace("\\%", "%")
    environment = {"HOME": "/nonexistent", "LOGNAME": "ada", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def missed(shop: Command) -> None:
    """As if it had been installed long ago, and the machine had slept ever since."""
    path = state_of(Command(home=shop.home.parent)).schedule
    stored = json.loads(path.read_text())
    for schedule in stored["schedules"].values():
        schedule["installed_ms"] = 0
    path.write_text(json.dumps(stored))


def snapshots(shop: Command) -> list[str]:
    return [snapshot["id"] for snapshot in shop("snapshots", "--json").json()["snapshots"]]


def missed_steps(shop: Command) -> None:
    path = state_of(Command(home=shop.home.parent)).schedule
    stored = json.loads(path.read_text())
    for schedule in (*stored["schedules"].values(), *stored["done"].values()):
        schedule["pruned_ms"] = schedule["checked_ms"] = 0
    path.write_text(json.dumps(stored))


def add(shop: Command, text: str) -> None:
    with (shop.home / "pgvault.toml").open("a") as file:
        file.write(text)
