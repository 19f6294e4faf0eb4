"""Remove snapshots: plan, a value that can be shown, then run. Frees no space; a prune does. Spec 80-leases, 82-retention.

Never removes a snapshot before a durable record says that it goes, nor a pinned one. A forget that died leaves such a record, and
the next one, whatever it was asked for, finishes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vault.errors import AuthenticationFailed, IntegrityError, UnsafeError, Unsupported, UsageError
from vault.format.snapshot import parse_snapshot_name, snapshot_name
from vault.format.upkeep import DIRECTORIES, encode_forgotten
from vault.ids import SnapshotId
from vault.model import FileKind, Forgotten, ForgottenSnapshot
from vault.model.words import counted
from vault.ops.guard.judge import held
from vault.ops.project.backup_selection import narrowed
from vault.ops.retention.policy import Calendar, Candidate, Policy, Verdict, judge
from vault.ports import Clock, Entropy
from vault.repo.lineage import SKEW_MS, Known, tag_words
from vault.repo.records import forgotten, save
from vault.repo.remembered import Remembered, remembered
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is to decide about. `known`: oldest first. `unfinished`: recorded as forgotten, not pinned, and still there.

    `held`: good snapshots -> the one that looks like the ruin of each.
    `unreadable`: those of `damaged` that may hold a snapshot, nobody knows which.
    """

    known: tuple[Known, ...]
    notes: Remembered
    unfinished: frozenset[SnapshotId]
    held: Mapping[SnapshotId, SnapshotId]
    damaged: tuple[IntegrityError, ...]
    unreadable: tuple[IntegrityError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPlan:
    """`verdicts`: of the sources that were asked for, or of the snapshots that were named, oldest first."""

    inventory: Inventory
    verdicts: tuple[Verdict, ...]
    by_policy: bool = True

    def kept(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.reasons]

    def removed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.reasons]

    def going(self) -> set[SnapshotId]:
        """All that a run removes, that of a forget that died included."""
        return {verdict.candidate.id for verdict in self.removed()} | self.inventory.unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """`removed`: oldest first. `spared`: pinned while this ran."""

    removed: tuple[SnapshotId, ...]
    spared: tuple[SnapshotId, ...]


def take_stock(repo: Open) -> Inventory:
    """Raises  IntegrityError: a pin cannot be read; StoreError"""
    known, damaged = repo.listing()
    notes = remembered(repo)
    if unreadable := notes.damaged_of(FileKind.PIN):
        raise AuthenticationFailed(
            "a pin cannot be read, so nobody knows which snapshot it keeps",
            why=f"{unreadable[0].message}; {counted(len(unreadable), 'such file')}",
            hint="if nobody here pinned it, remove that file from the repository; then pin again what is to stay",
            file=unreadable[0].file,
        )
    records = forgotten(repo)
    recorded = {one.id for _, record in records.found for one in record.snapshots}
    there = {snapshot for snapshot, _ in known}
    unfinished = frozenset((recorded & there) - notes.pins.keys())
    not_open = {snapshot for error in damaged if (snapshot := parse_snapshot_name(error.file)) is not None}
    return Inventory(
        known=tuple(known),
        notes=notes,
        unfinished=unfinished,
        held=held([pair for pair in known if pair[0] not in unfinished], notes, recorded | not_open),
        damaged=(*damaged, *notes.damaged, *records.damaged),
        unreadable=(*notes.damaged_of(FileKind.FINDINGS, FileKind.DRILL), *records.damaged),
    )


def plan_policy(
    inventory: Inventory, policy: Policy, *, sources: Collection[str] | None, calendar: Calendar, now_ms: int
) -> ForgetPlan:
    """What a policy would do to the snapshots of these sources, of all for None.

    Raises  UsageError: the policy is empty; IntegrityError: what holds snapshots cannot be read
    """
    if policy.is_empty():
        raise UsageError(
            "the policy is empty",
            why="no rule says which snapshots to keep, so all would go",
            hint="add rules, such as --keep-daily 7, or --preset dev; pgvault forget --help lists them",
        )
    _require_readable(inventory)
    candidates = [one for one in _candidates(inventory) if sources is None or one.source in sources]
    verdicts = judge(candidates, policy, calendar=calendar, now_ms=now_ms + SKEW_MS)
    return ForgetPlan(inventory=inventory, verdicts=tuple(verdicts))


def plan_named(inventory: Inventory, named: Sequence[SnapshotId], *, remove_all: bool) -> ForgetPlan:
    """These go, and no others; `remove_all`: even if a source is left without any.

    Raises  UnsafeError: one is pinned, or good where what follows looks like a ruin, or the last whole and sound one of its source;
    IntegrityError: nobody can tell whether it is
    """
    if not remove_all:
        _require_readable(inventory)
    candidates = _candidates(inventory)
    going = [one for one in candidates if one.id in named]
    for one in going:
        if one.pinned:
            raise UnsafeError(
                f"snapshot {one.id.hex()[:12]} is pinned",
                why="; ".join(one.pinned),
                hint=f"unpin it first: pgvault unpin {one.id.hex()[:12]}",
            )
        if one.held and not remove_all:
            raise UnsafeError(
                f"snapshot {one.id.hex()[:12]} is the last good one before what looks like a ruin",
                why=one.held,
                hint="look at what changed: pgvault ack; then forget it, or add --unsafe-allow-remove-all",
            )
    for source in () if remove_all else sorted({one.source for one in going}):
        _refuse_last(source, [one for one in candidates if one.source == source], going)
    verdicts = tuple(Verdict(candidate=one, reasons=()) for one in going)
    return ForgetPlan(inventory=inventory, verdicts=verdicts, by_policy=False)


def run(repo: Open, plan: ForgetPlan, *, clock: Clock, entropy: Entropy) -> ForgetReport:
    """Record, look for new pins, remove. Nothing to do is nothing written; what a killed run removed is durable after it all the same."""
    going = plan.going()
    order = [pair for pair in plan.inventory.known if pair[0] in going]
    recorded = tuple(
        ForgottenSnapshot(
            id=snapshot, source=manifest.source, sequence=manifest.sequence, created_ms=manifest.created_ms
        )
        for snapshot, manifest in order
        if snapshot not in plan.inventory.unfinished
    )
    if recorded:
        record = Forgotten(created_ms=max(0, clock.now_ms()), snapshots=recorded)
        save(repo, FileKind.FORGOTTEN, encode_forgotten(record), entropy=entropy)
    pins = remembered(repo).pins if order else {}
    removed = [snapshot for snapshot, _ in order if snapshot not in pins]
    spared = [snapshot for snapshot, _ in order if snapshot in pins]
    if removed:
        repo.store.delete(*map(snapshot_name, removed))
    repo.store.barrier()
    return ForgetReport(removed=tuple(removed), spared=tuple(spared))


def _require_readable(inventory: Inventory) -> None:
    """Raises  IntegrityError"""
    if not inventory.unreadable:
        return
    first = inventory.unreadable[0]
    if isinstance(first, Unsupported):
        hint = "update pgvault here"
    elif first.file.startswith(f"{DIRECTORIES[FileKind.FORGOTTEN]}/"):
        hint = "pgvault repair snapshots"
    else:
        hint = "pin what is good (pgvault diff shows what changed), then remove that file from the repository"
    raise type(first)(
        "what may hold a snapshot cannot be read, so nothing is forgotten",
        why=f"{first.file}: {first.message}; {counted(len(inventory.unreadable), 'such file')}",
        hint=hint,
        file=first.file,
    ) from first


def _candidates(inventory: Inventory) -> list[Candidate]:
    notes = inventory.notes
    return [
        Candidate(
            id=snapshot,
            source=manifest.source,
            selection=manifest.selection,
            sequence=manifest.sequence,
            time_ms=manifest.created_ms,
            whole=not narrowed(manifest.selection),
            sound=notes.is_sound(snapshot, manifest),
            tags=frozenset(tag_words(manifest)),
            pinned=tuple(pin.reason for pin in notes.pins.get(snapshot, ())),
            held=_held(inventory.held.get(snapshot)),
            drilled=(drill := notes.drills.get(snapshot)) is not None and drill.passed,
            proven=drill is not None and drill.passed and not drill.not_checked,
        )
        for snapshot, manifest in inventory.known
        if snapshot not in inventory.unfinished
    ]


def _held(ruin: SnapshotId | None) -> str:
    return (
        ""
        if ruin is None
        else f"pinned until somebody answers for {ruin.hex()[:12]}, which looks like its ruin: pgvault ack"
    )


def _refuse_last(source: str, chain: Sequence[Candidate], going: Collection[Candidate]) -> None:
    left = [one for one in chain if one not in going]
    good = [one for one in chain if one.whole and one.sound]
    if left and (any(one.whole and one.sound for one in left) or not good):
        return
    what = "snapshot" if not left else "whole and sound snapshot"
    raise UnsafeError(
        f"that would leave source {source} without a {what}",
        why=f"{counted(len(chain), 'snapshot')} of it are there, and these are the last to restore from",
        hint="take a new backup first; or add --unsafe-allow-remove-all",
    )
