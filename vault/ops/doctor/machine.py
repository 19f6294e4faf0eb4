"""Symptoms of this machine: the passphrase's origin, places to remember things, the clock, the embedded server, the schedule. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import VaultError
from vault.model.words import duration
from vault.ops.doctor.symptoms import Symptom, ok, skipped, stopped, warn
from vault.repo.lineage import SKEW_MS

UNATTENDED_FIX = 'put it into a file (chmod 600) and name that in pgvault.toml, [repository]: password_file = "..."'


def passphrase(origin: str, *, refusal: VaultError | None, attended_only: str = "", configured: bool = True) -> Symptom:
    """Of what opens the repository.

    origin         where it comes from; refusal: why it did not
    attended_only  why a run without a terminal would not get it
    configured     in a file that a run in another environment reads too
    """
    if refusal is not None:
        return stopped("passphrase", refusal)
    if attended_only:
        return warn(
            "passphrase",
            f"{origin}, and opens the repository",
            why=f"a run without a terminal, from a schedule or in the background, would not find it: {attended_only}",
            fix=UNATTENDED_FIX,
        )
    elsewhere = "" if configured else "; a schedule's environment needs it too, or pgvault.toml"
    return ok("passphrase", f"{origin}, and opens the repository without a terminal{elsewhere}")


def directory(check: str, place: str | None, problem: str, *, loss: str, variable: str) -> Symptom:
    """Of ours, which is made when it is needed. `problem`: why nothing can be written there; `loss`: what that costs."""
    fix = f"set {variable} to a directory of your own"
    if place is None:
        return warn(check, "there is none", why=f"neither HOME nor {variable} is set: {loss}", fix=fix)
    if problem:
        return warn(check, f"{place} cannot be written: {problem}", why=loss, fix=fix)
    return ok(check, place)


def clock(
    now_ms: int, *, newest_ms: int | None, servers: Sequence[tuple[str, int]], recordable: VaultError | None
) -> Symptom:
    """`newest_ms`: time of the newest snapshot; `servers`: each database's place, and how far its clock is ahead of this one."""
    fix = "set the clock, or let the network do it (Linux: timedatectl set-ntp true)"
    if recordable is not None:
        return stopped("clock", recordable)
    for place, ahead_ms in servers:
        if abs(ahead_ms) > SKEW_MS:
            side = "ahead of" if ahead_ms > 0 else "behind"
            return warn(
                "clock",
                f"the clock of {place} is {duration(abs(ahead_ms))} {side} this machine's",
                why="times of snapshots are this machine's; ages and schedules would be wrong",
                fix=fix,
            )
    if newest_ms is not None and newest_ms > now_ms + SKEW_MS:
        return warn(
            "clock",
            f"the newest snapshot is {duration(newest_ms - now_ms)} in the future",
            why="the clock of the machine that took it was ahead, or this one's is behind",
            fix=fix,
        )
    compared = ["the database's"] if servers else []
    compared += ["the newest snapshot's time"] if newest_ms is not None else []
    return ok("clock", f"agrees with {' and '.join(compared)}" if compared else "nothing to compare it with")


def embedded(found: str) -> Symptom:
    """`found`: the version of the server in the wheel; empty: it is not installed."""
    if found:
        return ok("embedded server", f"PostgreSQL {found}, for the demonstration and for drills")
    return skipped(
        "embedded server",
        "not installed",
        why="the demonstration, and drills without a server of yours, need one; backups do not",
        fix="pip install 'pgvault[embedded]'",
    )


def schedule(installed: str, problem: str) -> Symptom:
    """`installed`: what the state directory says of it; `problem`: why that cannot be read."""
    if problem:
        return warn("schedule", f"what was installed cannot be told: {problem}", fix="pgvault schedule status")
    if not installed:
        return warn(
            "schedule",
            "none is installed from here",
            why="snapshots are taken only when somebody types backup",
            fix="pgvault schedule install",
        )
    return ok("schedule", installed)
