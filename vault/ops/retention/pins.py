"""Pin a snapshot, so that nothing forgets it, and unpin it. Spec 80-leases, 60-snapshot.

Publish, then look, as all who share a repository: a pin that came too late for its snapshot is taken back and says so.
"""

from __future__ import annotations

from vault.errors import NotThere, UsageError
from vault.format.notes import decode_pin, encode_pin
from vault.format.snapshot import snapshot_name
from vault.ids import SnapshotId
from vault.limits import NOTE_BYTES_MAX
from vault.model import FileKind, Manifest, Pin
from vault.ports import Clock, Entropy
from vault.repo.records import forgotten, load, save
from vault.repo.state import Open


def pin(repo: Open, snapshot: SnapshotId, *, reason: str, host: str, clock: Clock, entropy: Entropy) -> Pin:
    """Pin it once more, whatever pins it has; the same reason a second time changes nothing.

    Raises  UsageError: no reason, or a long one; NotThere: the snapshot is gone, or is being forgotten
    """
    if not reason.strip():
        raise UsageError(
            "a pin needs a reason", why="in a year somebody asks why", hint='--reason "before the move to 17"'
        )
    if len(reason.encode("utf-8", "surrogatepass")) > NOTE_BYTES_MAX:
        raise UsageError("the reason is too long", why=f"at most {NOTE_BYTES_MAX} bytes are kept")
    for _, earlier in load(repo, FileKind.PIN, decode_pin).found:
        if earlier.snapshot == snapshot and earlier.reason == reason:
            repo.store.barrier()  # it may be of a run that was killed
            return earlier
    manifest = repo.manifest(snapshot)
    made = _pin_of(snapshot, manifest, reason=reason, host=host, now_ms=max(0, clock.now_ms()))
    name = save(repo, FileKind.PIN, encode_pin(made), entropy=entropy)
    gone = {one.id for _, record in forgotten(repo).found for one in record.snapshots}
    there = any(stored.name == snapshot_name(snapshot) for stored in repo.store.list(snapshot_name(snapshot)))
    if snapshot in gone or not there:
        repo.store.delete(name)
        raise NotThere(
            f"snapshot {snapshot.hex()[:12]} was forgotten meanwhile",
            why="a forget had written its record before this pin was there",
            hint="pick another one from: pgvault snapshots",
        )
    return made


def _pin_of(snapshot: SnapshotId, manifest: Manifest, *, reason: str, host: str, now_ms: int) -> Pin:
    return Pin(
        created_ms=now_ms,
        host=host,
        reason=reason,
        snapshot=snapshot,
        source=manifest.source,
        sequence=manifest.sequence,
    )


def unpin(repo: Open, snapshot: SnapshotId) -> tuple[Pin, ...]:
    """Remove all of its pins, and return them; none if it had none."""
    mine = [(name, one) for name, one in load(repo, FileKind.PIN, decode_pin).found if one.snapshot == snapshot]
    for name, _ in mine:
        repo.store.delete(name)
    repo.store.barrier()
    return tuple(one for _, one in mine)
