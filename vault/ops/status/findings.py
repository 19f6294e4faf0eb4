"""What a status says of the guard's findings: of which snapshot, whether a later one is sound again, and else what leads back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vault.model.words import duration
from vault.ops.guard.way_back import ways_back
from vault.ops.status.seen import Reason, Seen, Trouble
from vault.repo.lineage import Known


def of_findings(seen: Seen, source: str, *, now_ms: int) -> Iterator[Reason]:
    """One reason for all that wait of the source: the newest is told."""
    waiting = [row for row in seen.waiting if row.source == source]
    if not waiting:
        return
    newest, own = waiting[-1], [pair for pair in seen.known if pair[1].source == source]
    short, what = newest.snapshot.hex()[:12], f"{newest.finding.code} {newest.finding.subject}".strip()
    ruin = next((pair for pair in own if pair[0] == newest.snapshot), None)
    taken = "" if ruin is None else f", {duration(max(0, now_ms - ruin[1].created_ms))} old,"
    others = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    text = f"snapshot {short}{taken} looks like damage: {what}: {newest.finding.text}{others}"
    answer, meant = f"pgvault ack {short} --reason", ""
    sound = None if ruin is None else _sound_again(seen, ruin, own)
    if sound is not None:
        later = sound[0].hex()[:12]
        text = f"{text}; in the later {later} nothing was found"
        fix = f'{answer} "mended before {later}"'
    else:
        meant = f'{answer} "..."'
        fix = ways_back(waiting, seen.known, seen.notes, seen.ways).get(newest.snapshot, meant)
    is_one = fix == meant
    yield Reason(trouble=Trouble.FINDINGS, source=source, text=text, fix=fix, meant="" if is_one else meant)


def _sound_again(seen: Seen, ruin: Known, own: Sequence[Known]) -> Known | None:
    """The newest of the same selection that came after it: as long as nobody answers, it was compared with what was good before the ruin."""
    return next(
        (
            pair
            for pair in reversed(own)
            if pair[1].sequence > ruin[1].sequence
            and pair[1].selection == ruin[1].selection
            and seen.notes.is_sound(*pair)
        ),
        None,
    )
