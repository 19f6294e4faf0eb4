"""Remove findings that hold nothing any more, and the answers to them. Spec 60-snapshot.

Never removes what waits for an answer. Whatever cannot be read stays, and with it every answer: it may be about that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from vault.errors import StoreError
from vault.format.notes import decode_ack, decode_findings, finding_id
from vault.format.snapshot import parse_snapshot_name
from vault.format.upkeep import DIRECTORIES
from vault.limits import LEASE_AGE_S
from vault.model import FileKind
from vault.repo.records import forgotten, load
from vault.repo.state import Open

_NEVER_CAME_MS: Final = LEASE_AGE_S * 1000
"""So long after its findings a snapshot may still be put: its writer's lease ends then."""


def tidy(repo: Open, *, now_ms: int) -> None:
    """now_ms  the store's time. What cannot be deleted stays. Raises  StoreError: nothing can be listed"""
    modified = {stored.name: stored.modified_ms for stored in repo.store.list(f"{DIRECTORIES[FileKind.FINDINGS]}/")}
    if not modified:
        return
    findings, acks = load(repo, FileKind.FINDINGS, decode_findings), load(repo, FileKind.ACK, decode_ack)
    there = {parse_snapshot_name(stored.name) for stored in repo.store.list("snapshots/")}
    records = forgotten(repo)  # after the listing: a forget writes its record before a snapshot goes
    if records.damaged:
        return  # what was forgotten looks as if it never came
    gone = {one.id for _, record in records.found for one in record.snapshots}
    answered = {ack.finding for _, ack in acks.found}
    held = set()
    for name, told in findings.found:
        numbers = {finding_id(told.snapshot, one.code, one.subject) for one in told.findings}
        never_came = told.snapshot not in gone and now_ms - modified.get(name, now_ms) >= _NEVER_CAME_MS
        if told.snapshot not in there and (numbers <= answered or never_came):
            _delete(repo, name)
        else:
            held |= numbers
    if not findings.damaged:
        for name, ack in acks.found:
            if ack.finding not in held:
                _delete(repo, name)


def _delete(repo: Open, name: str) -> None:
    with suppress(StoreError):
        repo.store.delete(name)
