"""Symptoms of the repository: there, of this format, open, writable, with room, and nothing left behind in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vault.errors import IntegrityError, StoreError, StoreFull
from vault.limits import FORMAT_VERSION, PACK_BYTES_TARGET
from vault.model.words import counted, duration, size
from vault.ops.doctor.symptoms import Symptom, ok, skipped, stopped, warn
from vault.ops.retention.unlock import LeaseRow
from vault.repo.freshness import Rollback

FREE_BYTES_MIN = 1024 * 1024
"""With less not even an unchanged day can be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Of the repository's file system, for this user; `None`: the storage does not tell."""

    free_bytes: int | None
    free_files: int | None


def contents(place: str, *, snapshots: int, damaged: Sequence[IntegrityError], network: str) -> Symptom:
    """`network`: type of the network file system that it lies on, or empty."""
    told = f"{place}: {counted(snapshots, 'snapshot')}, format {FORMAT_VERSION}"
    if network:
        told += f", on a network file system ({network})"
    if damaged:
        return warn(
            "repository",
            f"{told}; {counted(len(damaged), 'file')} damaged",
            why=f"{damaged[0].file}: {damaged[0].message}; a backup goes on from what is whole",
            fix="pgvault check",
        )
    return ok("repository", told)


def writable(problem: str, place: str) -> Symptom:
    """`problem`: why nothing can be written there, or empty. Nothing was written to find out."""
    if not problem:
        return ok("writable", "this user may write there")
    return stopped(
        "writable",
        StoreError(
            f"cannot write to {place}", why=problem, hint="run as the user that owns it, or mount it for writing"
        ),
    )


def writable_bucket() -> Symptom:
    return skipped("writable", "object storage says so when something is put, and nothing was")


def space(room: Room, *, recent_bytes: Sequence[int], database_bytes: int | None) -> Symptom:
    """`recent_bytes`: what each of the last snapshots of the source added; without any the database's size is what counts."""
    if room.free_bytes is None:
        return skipped("space", "the storage does not say what is free")
    free = f"{size(room.free_bytes)} free"
    if room.free_bytes < FREE_BYTES_MIN or room.free_files == 0:
        what = "no file can be added" if room.free_files == 0 else "nothing can be added"
        error = StoreFull(
            f"{free}: {what}", why="the repository's disk is full", hint="free space there, or: pgvault prune"
        )
        return stopped("space", error)
    if recent_bytes:
        last, needed = recent_bytes[-1], max(*recent_bytes, 2 * PACK_BYTES_TARGET)
        told = f"{free}; the last snapshot added {size(last)}"
        if len(recent_bytes) > 1:
            told += f", at most {size(max(recent_bytes))} each of the last {len(recent_bytes)}"
    elif database_bytes is not None:
        needed = max(database_bytes, 2 * PACK_BYTES_TARGET)
        told = f"{free}; the database has {size(database_bytes)}, a first snapshot takes less"
    else:
        needed, told = 2 * PACK_BYTES_TARGET, free
    if room.free_bytes < needed:
        return warn("space", told, why="the next snapshot may not fit", fix="free space there, or: pgvault prune")
    return ok("space", told)


def leases(rows: Iterable[LeaseRow]) -> Symptom:
    listed = list(rows)
    dead = [row for row in listed if row.dead]
    if dead:
        return warn(
            "leases",
            f"{counted(len(dead), 'lease')} of the dead",
            why=f"the oldest is {duration(round(1000 * max(row.age_s for row in dead)))} old; it holds up a prune, never a backup",
            fix="pgvault unlock",
        )
    return ok(
        "leases", f"{counted(len(listed), 'process', 'processes')} may be at work" if listed else "nobody is at work"
    )


def leftovers(*, temporary: int, sweeps: int, key_slots: Sequence[str]) -> Symptom:
    """`temporary`: old files of runs that were killed; `sweeps`: of prunes that did not finish; `key_slots`: ids of an unfinished init."""
    if key_slots:
        return warn(
            "leftovers",
            f"{counted(len(key_slots), 'key slot')} of an init that did not finish",
            why="they open nothing here",
            fix=f"pgvault key remove {key_slots[0][:12]}",
        )
    if sweeps:
        return warn(
            "leftovers",
            "a prune did not finish",
            why="what it announced is still there, and no backup relies on it",
            fix="pgvault prune",
        )
    if temporary:
        return ok("leftovers", f"{counted(temporary, 'file')} of runs that were killed; the next backup removes them")
    return ok("leftovers", "none")


def rollback(found: Rollback | None, source: str) -> list[Symptom]:
    """What went away of the source since this machine saw it."""
    return [] if found is None else [stopped("snapshots", found.error(), source=source)]
