"""Compare a snapshot that is about to be committed with the last good one and what came since, and record what is found first.

Findings are durable before the manifest is put: a ruin never stands in the repository without its warning, whenever the run dies, and
where the record cannot be written there is no snapshot either. Findings of a snapshot that never came warn of nothing. Spec 60-snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vault.errors import IntegrityError
from vault.format.notes import encode_findings
from vault.ids import SnapshotId
from vault.limits import NOTES_MAX
from vault.model import FileKind, Finding, Findings, Manifest
from vault.ops.guard import codes
from vault.ops.guard.compare import bounded, compare, finding
from vault.ops.guard.facts import Terms
from vault.ops.guard.gather import gather
from vault.ops.guard.references import kept_for, last_good, later_ones, tells_of_contents
from vault.ops.project.backup_selection import excluded
from vault.ports import Entropy
from vault.repo.lineage import Known, in_order
from vault.repo.records import save
from vault.repo.remembered import Remembered, unanswered, unanswered_at_opening
from vault.repo.state import Indexed, Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """good     what it was compared with; where only next to a later snapshot something was found, that one
    found    all that is wrong; lost: what of it `good` has
    holders  numbers of the snapshots next to which contents are gone"""

    good: Known | None = None
    found: tuple[Finding, ...] = ()
    lost: tuple[Finding, ...] = ()
    holders: tuple[int, ...] = ()


def judged(
    repo: Indexed,
    known: Sequence[Known],
    new: Known,
    *,
    terms: Terms,
    now_ms: int,
    entropy: Entropy,
) -> Judgement:
    """What is found about `new`, whose objects can be read; recorded, if it is anything. Raises  StoreError: it cannot be recorded"""
    notes = unanswered_at_opening(repo.open)
    judgement = weighed(new, known, notes, partial(_compared, repo, new=new, terms=terms))
    if judgement.found:
        record = recorded(new, judgement, now_ms=now_ms)
        save(repo.open, FileKind.FINDINGS, encode_findings(record), entropy=entropy)
    return judgement


def recorded(new: Known, judgement: Judgement, *, now_ms: int) -> Findings:
    snapshot, manifest = new
    return Findings(
        created_ms=now_ms,
        findings=judgement.found,
        holders=judgement.holders,
        snapshot=snapshot,
        source=manifest.source,
        sequence=manifest.sequence,
    )


def weighed(
    new: Known, known: Sequence[Known], notes: Remembered, compared: Callable[[Known], tuple[Finding, ...]]
) -> Judgement:
    """What is to be said of `new`, next to all before it that count. Pure, if `compared` is: what is found next to one of these."""
    _, manifest = new
    good = last_good(manifest, known, notes)
    later = later_ones(manifest, known, notes, good)
    if good is None and not later:
        return Judgement()
    next_to = {} if good is None else {good[0]: compared(good)}
    next_to |= {pair[0]: _of_contents(pair, compared(pair), manifest) for pair in later}
    every = [
        one for found in reversed(next_to.values()) for one in found
    ]  # of one fault the last good one has the word
    if notes.damaged and not any(one.code == codes.NOT_COMPARED for one in every):
        first = notes.damaged[0].file
        told = f"{first} does not open, so what it was compared with may be a ruin itself: pgvault check"
        every.append(finding(codes.NOT_COMPARED, "", told))
    found = bounded(every)
    is_told_by_good = good is not None and bool(next_to[good[0]])
    told_by = good if is_told_by_good or not found else next((pair for pair in later if next_to[pair[0]]), good)
    lost = () if told_by is None else next_to.get(told_by[0], ())
    holders = _holders([*later, *([] if good is None else [good])], next_to)
    return Judgement(good=told_by, found=found, lost=tuple(lost) or found, holders=holders)


def _compared(repo: Indexed, before: Known, *, new: Known, terms: Terms) -> tuple[Finding, ...]:
    try:
        return compare(*gather(repo.known(*before), repo.known(*new), terms), terms)
    except IntegrityError as error:
        return (finding(codes.NOT_COMPARED, "", f"snapshot {before[0].hex()[:12]}: {error.message}"),)


def _holders(before: Iterable[Known], next_to: Mapping[SnapshotId, Iterable[Finding]]) -> tuple[int, ...]:
    numbers = {manifest.sequence for id, manifest in before if any(map(tells_of_contents, next_to[id]))}
    return tuple(sorted(numbers)[-NOTES_MAX:])


def _of_contents(before: Known, found: Iterable[Finding], manifest: Manifest) -> tuple[Finding, ...]:
    """Next to a ruin, whose definitions may be what was mended. Of files that were to be left out nothing is told."""
    where = f" (before: snapshot {before[0].hex()[:12]})"
    same_files = excluded(before[1].selection) == excluded(manifest.selection)
    return tuple(
        finding(one.code, one.subject, one.text + where)
        for one in found
        if tells_of_contents(one) and (same_files or one.code != codes.FILES_LOST)
    )


def warning(repo: Open, of: Known) -> str:
    """For who is about to use a snapshot: that it looks like a ruin, and which the last good one is. Empty: it does not. Raises  StoreError"""
    snapshot, manifest = of
    notes = unanswered(repo)
    found = [one for _, one in notes.open.get(snapshot, ())]
    if not found:
        return ""
    base = last_good(manifest, repo.snapshots(), notes)
    told = f"{found[0].code} {found[0].subject}".rstrip() + (f" and {len(found) - 1} more" if found[1:] else "")
    good = "" if base is None else f"; the last good one before it is {base[0].hex()[:12]}"
    return f"snapshot {snapshot.hex()[:12]} looks like damage ({told}): pgvault ack{good}"


def held(known: Sequence[Known], notes: Remembered, gone: Iterable[SnapshotId]) -> dict[SnapshotId, SnapshotId]:
    """Of each selection the newest sound snapshot before one with open findings -> that one: what a forget leaves alone. So is each that
    holds what is gone from that one.

    gone  recorded as forgotten. What is neither there nor forgotten never came, and holds nothing
    """
    there = {snapshot for snapshot, _ in known} | set(gone)
    sources: dict[str, list[Known]] = {}
    for pair in in_order(known):
        sources.setdefault(pair[1].source, []).append(pair)
    kept: dict[SnapshotId, SnapshotId] = {}
    for ruin, (source, sequence) in sorted(notes.places.items(), key=lambda pair: (pair[1], pair[0])):
        if ruin in there:
            earlier = [pair for pair in sources.get(source, ()) if pair[1].sequence < sequence]
            kept |= {good: ruin for good in kept_for(ruin, earlier, notes) if good not in kept}
    return kept
