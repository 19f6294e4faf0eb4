"""What guards found in a snapshot, and what was acknowledged of it, goes with its copy: else the copy would count as sound there.

Pins and drills do not: they are about the one repository. Written before the snapshot, as by a guard, so that no forget takes what it
holds; what is said of it later comes with the next copy. Spec 60-snapshot SNAP-25.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from vault.format.notes import decode_ack, decode_findings, encode_ack, encode_findings, finding_id
from vault.ids import FindingId, SnapshotId
from vault.model import Ack, FileKind, Findings
from vault.ports import Entropy
from vault.repo.records import load, save
from vault.repo.state import Open


class Carrier:
    """From one repository into another. `warn` hears of records that cannot be read."""

    def __init__(self, here: Open, there: Open, *, entropy: Entropy, warn: Callable[[str], None]) -> None:
        self._there = there
        self._entropy = entropy
        found, acks = load(here, FileKind.FINDINGS, decode_findings), load(here, FileKind.ACK, decode_ack)
        for error in (*found.damaged, *acks.damaged):
            warn(f"{error.file} cannot be read ({error.message}), so what it says is not copied")
        self._found: dict[SnapshotId, list[Findings]] = defaultdict(list)
        for _, findings in found.found:
            self._found[findings.snapshot].append(findings)
        self._acks: dict[FindingId, Ack] = {ack.finding: ack for _, ack in acks.found}
        self._told = {
            finding_id(findings.snapshot, one.code, one.subject)
            for _, findings in load(there, FileKind.FINDINGS, decode_findings).found
            for one in findings.findings
        }
        self._acknowledged = {ack.finding for _, ack in load(there, FileKind.ACK, decode_ack).found}

    def carry(self, snapshot: SnapshotId, copy: SnapshotId) -> None:
        """Say of the copy what is said of the snapshot. Raises  StoreError"""
        for findings in self._found.get(snapshot, ()):
            numbers = {one: finding_id(copy, one.code, one.subject) for one in findings.findings}
            untold = tuple(one for one, number in numbers.items() if number not in self._told)
            if untold:
                plain = encode_findings(replace(findings, snapshot=copy, findings=untold))
                save(self._there, FileKind.FINDINGS, plain, entropy=self._entropy)
                self._told.update(numbers.values())
            for one, number in numbers.items():
                ack = self._acks.get(finding_id(snapshot, one.code, one.subject))
                if ack is not None and number not in self._acknowledged:
                    save(self._there, FileKind.ACK, encode_ack(replace(ack, finding=number)), entropy=self._entropy)
                    self._acknowledged.add(number)
