"""The real command on a real server, disturbed at random moments: nothing that was saved is lost, and the next run works.

    python -m tests.kills --backups 250 --seed 1         SIGTERM, SIGINT or SIGKILL to a backup
    python -m tests.kills --restores 100 --prunes 200    to a restore, and to a prune
    python -m tests.kills --cuts 100 --restarts 20       a connection to the server that is cut; a server that goes down, and comes back
    python -m tests.kills --backups 250 --seed 1 --record    and a line in benchmarks/results/faults.jsonl
    python -m tests.kills --backups 250 --prunes 50 --seconds 900   as many of each as the time is enough for, in turn

After each: every snapshot reads as the database was when it was taken, a check is content, no process of ours is left, no session on
the server, nothing in the temporary directory but of what was killed by force, which the next run removes.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.measure import record as record_result
from tests.crash_place import Lost, scratch
from tests.crash_world import remove
from tests.cutting_proxy import CuttingProxy
from tests.kills_world import World, change, forget_old, is_whole, latest, live, require_success, tidy, world
from vault.source.postgres.connection.resolve import APPLICATION_NAME

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
PRUNES_KILLED: Final = 4
"""In a row: there is something to prune once a day."""
_ENDS_S: Final = 90
"""So long what was told to end, or lost its parent, may take on a busy machine."""


# --- what is done to a command -------------------------------------------------------------------


def disturbed(here: World, arguments: list[str], *, within_s: float, disturb: Callable[[int], str]) -> str:
    """Start a command, wait for a moment, do something to it; how it ended. Raises  Lost: it hangs, breaks down, or leaves something"""
    with (here.pgvault.home / "said").open("w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "vault", *arguments, "-v"],  # a defect is told with its place
            cwd=here.pgvault.home,
            # Warnings are as with a user: an interrupt within an import leaves a file of Python's own to the collector.
            env=here.pgvault.variables({"PYTHONFAULTHANDLER": "1", "PYTHONWARNINGS": ""}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        time.sleep(here.choice.uniform(0, within_s))
        what = disturb(child.pid)
        try:
            code = child.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGABRT)  # it says where each of its threads is
            child.wait()
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            said.seek(0)
            raise Lost(f"{arguments[0]} hangs after {what}: {said.read()[-8000:]}") from None
        said.seek(0)
        text = said.read()
    if "Traceback" in text and not _is_start(text):
        raise Lost(f"{arguments[0]} after {what}: {text[-3000:]}")
    answers = (0, 130, -signal.Signals[what]) if what in signal.Signals.__members__ else ()
    if answers and code not in answers and not _is_start(text):
        raise Lost(f"{arguments[0]} answers {what} with {code}: {text[-3000:]}")
    until_gone(here, child.pid, what=f"{arguments[0]} after {what}")
    if what != signal.SIGKILL.name and (left := list(here.temporary.iterdir())):
        raise Lost(f"{arguments[0]} after {what}: {left}")
    outcome = f"{arguments[0]}, {what}: exit {code}"
    here.outcomes[outcome] += 1
    return outcome


def _is_start(text: str) -> bool:
    """Interrupted while Python itself began: none of our code runs yet, and nothing is under way."""
    return text.rstrip().endswith("KeyboardInterrupt") and "vault/cli/main.py" not in text


def some_signal(here: World) -> Callable[[int], str]:
    number = here.choice.choice(SIGNALS)

    def disturb(pid: int) -> str:
        os.kill(pid, number)
        return number.name

    return disturb


def until_gone(here: World, group: int, *, what: str) -> None:
    """Raises  Lost: a child still runs, or a session is open"""
    ends = time.monotonic() + _ENDS_S
    while (left := in_group(group)) or (left := sessions(here)):
        if time.monotonic() > ends:
            raise Lost(f"{what}: still there: {left}")
        time.sleep(0.02)


def in_group(group: int) -> list[str]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found.append((status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, IndexError):
            continue
    return found


def sessions(here: World) -> list[str]:
    with here.cluster.connect() as connection:
        query = "SELECT query FROM pg_stat_activity WHERE application_name = %s"
        return [row[0] for row in connection.execute(query, (APPLICATION_NAME,))]


# --- trials --------------------------------------------------------------------------------------


def backup_killed(here: World, typical_s: float) -> None:
    change(here)
    disturbed(here, here.backup(), within_s=1.1 * typical_s, disturb=some_signal(here))
    is_whole(here, read_data=here.days % 25 == 0)
    if here.days % 10 == 0:
        require_success(here, here.backup())
        is_whole(here)
        if left := list(here.temporary.iterdir()):
            raise Lost(f"a whole backup leaves {left}")
        forget_old(here)


def restore_killed(here: World, typical_s: float) -> None:
    """Then once more into what it left, with -c: the database is as the snapshot is."""
    target = here.cluster.createdb()
    dsn = here.cluster.dsn(target)
    disturbed(here, here.restore(dsn), within_s=1.1 * typical_s, disturb=some_signal(here))
    is_whole(here)
    finish_restore(here, target)


def finish_restore(here: World, target: str) -> None:
    require_success(here, here.restore(here.cluster.dsn(target), "-c"))
    if live(here, target) != {
        name: text for name, text in here.saved[latest(here)].items() if not name.startswith("files/")
    }:
        raise Lost("the restored database is not as the snapshot is")
    here.cluster.dropdb(target)


def prune_killed(here: World, typical_s: float) -> None:
    change(here)
    require_success(here, here.backup())
    is_whole(here)
    snapshots = here.repo.snapshots()
    if len(snapshots) > 2:
        going = snapshots[here.choice.randrange(len(snapshots) - 1)][0]
        remove(here.repo, going)
        here.saved.pop(going)
    for _ in range(PRUNES_KILLED):
        disturbed(here, ["prune", "--min-age", "0", "--max-unused", "0"], within_s=typical_s, disturb=some_signal(here))
        is_whole(here)


def cut(here: World, proxy: CuttingProxy, typical_bytes: int, *, restores: bool) -> None:
    """A connection that is cut after any number of bytes."""
    change(here)
    target = here.cluster.createdb() if restores else here.database
    through = f"host=127.0.0.1 port={proxy.port} user=postgres dbname={target}"
    proxy.mend(cut_at=here.choice.randrange(typical_bytes))
    arguments = here.restore(through) if restores else here.backup(through)
    outcome = disturbed(here, arguments, within_s=0, disturb=lambda pid: "cut")
    if proxy.is_cut and outcome.endswith("exit 0") and restores:
        raise Lost(f"a restore whose connection was cut: {outcome}")
    proxy.mend()
    is_whole(here)
    if restores:
        finish_restore(here, target)


def restart(here: World, typical_s: float) -> None:
    change(here)

    def go_down_and_up(pid: int) -> str:
        here.cluster.crash()
        here.cluster.start()
        return "restart of the server"

    disturbed(here, here.backup(), within_s=typical_s, disturb=go_down_and_up)
    is_whole(here)


def typical(here: World, arguments: list[str]) -> float:
    began = time.monotonic()
    require_success(here, arguments)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    backups: int = 0
    restores: int = 0
    prunes: int = 0
    cuts: int = 0
    restarts: int = 0


def in_turn(trials: Sequence[tuple[int, Callable[[], None]]]) -> list[Callable[[], None]]:
    """Each so often, spread evenly: whenever the time is over, of each its share was tried."""
    places = [((at + 0.5) / count, trial) for count, trial in trials for at in range(count)]
    return [trial for _, trial in sorted(places, key=lambda pair: pair[0])]


def run(numbers: Numbers, *, seed: int, seconds: float = math.inf) -> Counter[str]:
    """What was done to which command, and how it ended, with counts; those that are left when the time is over are not tried. Raises  Lost"""
    ends = time.monotonic() + seconds
    with scratch() as directory, world(directory, seed=seed) as here:
        change(here)
        backup_s = typical(here, here.backup())
        is_whole(here)
        target = here.cluster.createdb()
        restore_s = typical(here, here.restore(here.cluster.dsn(target))) if numbers.restores else 0.0
        trials: list[tuple[int, Callable[[], None]]] = [
            (numbers.backups, partial(backup_killed, here, backup_s)),
            (numbers.restores, partial(restore_killed, here, restore_s)),
            (math.ceil(numbers.prunes / PRUNES_KILLED), partial(prune_killed, here, backup_s)),
            (numbers.restarts, partial(restart, here, backup_s)),
        ]
        for trial in in_turn(trials):
            if time.monotonic() < ends:
                trial()
        if numbers.cuts:
            cuts(here, numbers.cuts)
        require_success(here, here.backup())
        is_whole(here, read_data=True)
        tidy(here)
        is_whole(here, read_data=True)
        return here.outcomes


def cuts(here: World, number: int) -> None:
    sockets = here.cluster.dsn().partition("host=")[2].split()[0]
    with CuttingProxy(f"{sockets}/.s.PGSQL.5432") as proxy:
        for restores in (False, True):
            target = here.cluster.createdb() if restores else here.database
            through = f"host=127.0.0.1 port={proxy.port} user=postgres dbname={target}"
            proxy.mend()
            require_success(here, here.restore(through) if restores else here.backup(through))
            passed = proxy.passed
            is_whole(here)
            for _ in range(math.ceil(number / 2)):
                cut(here, proxy, passed, restores=restores)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(Numbers.__slots__)
    for name in names:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args()
    # A job in the background of a shell has it ignored, and so would every command that is to be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    numbers = Numbers(**{name: getattr(asked, name) for name in names})
    outcomes = run(numbers, seed=asked.seed, seconds=asked.seconds)
    print(f"seed {asked.seed}: " + ", ".join(f"{count} x {what}" for what, count in sorted(outcomes.items())))
    if asked.record:
        words = [f"--{name} {getattr(asked, name)}" for name in names if getattr(asked, name)]
        words += [f"--seconds {asked.seconds:g}"] if asked.seconds < math.inf else []
        command = " ".join(["python -m tests.kills", *words, f"--seed {asked.seed} --record"])
        record_result(
            "faults",
            command,
            {"class": "kills, cuts, restarts", "outcomes": outcomes, "tried": outcomes.total(), "lost": 0},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
