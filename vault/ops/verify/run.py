"""Verify that the content of snapshots equals their manifests: every byte decoded, every number counted, every file rendered.

A check asks whether the repository's bytes are intact; this asks whether what a snapshot says of itself is true. Closure, ids, rows, bytes
and sizes (`closure`, `contents`), the coverage (`agreement`), rendered files (`renders`), the rules of taking over (`line`). What many
snapshots share is looked at once. Nothing is remembered of earlier runs; `record` leaves the result in the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import IntegrityError, VaultError
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import Manifest
from vault.ops.check.closure import Closure
from vault.ops.check.damages import Damage, Damages
from vault.ops.check.parts import WHOLE, Part
from vault.ops.project.components import Selectors
from vault.ops.verify import line
from vault.ops.verify.agreement import disagreements
from vault.ops.verify.contents import SnapshotContents
from vault.ops.verify.renders import Renders
from vault.ports import Entropy, Progress
from vault.repo import checks
from vault.repo.lineage import in_order, is_mended
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed

_PLACES_MAX: Final = 1000
"""Places kept for one mismatch."""


@dataclass(slots=True)
class Doubt:
    """What is wrong, or was not verified, and where: `SNAPSHOT:what`, bounded."""

    why: str
    where: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """verified     snapshots of which everything was looked at and found right, with the packs that they need, None for all
    damage       what cannot be read; mismatches: what is whole, and is not what a list or a manifest says of it
    not_verified what could not be told
    objects, read_bytes   looked at, each once; rows, files, rendered: of what was asked for"""

    asked: tuple[SnapshotId, ...]
    verified: Mapping[SnapshotId, frozenset[PackId] | None]
    objects: int
    read_bytes: int
    rows: int
    files: int
    rendered: int
    damage: tuple[Damage, ...]
    mismatches: tuple[Doubt, ...]
    not_verified: tuple[Doubt, ...]


def run(
    repo: Indexed,
    wanted: Sequence[SnapshotId] | None,
    *,
    selectors: Callable[[str], Selectors],
    progress: Progress,
    part: Part = WHOLE,
) -> VerifyReport:
    """Verify the snapshots that are `wanted`, None for all that are there, in their order.

    selectors  of a source: what its configuration calls its components
    part       of the contents and rendered files; lists and manifests are looked at whole
    Raises     StoreError: the store does not answer
    """
    told = _Telling()
    known = dict(repo.open.snapshots())
    asked = _asked(repo, known, wanted, told)
    verifying = _Verifying(repo, known, told, progress=progress, part=part)
    for snapshot_id in asked:
        verifying.one(snapshot_id, known[snapshot_id], selectors)
    return verifying.report(asked)


def _asked(
    repo: Indexed, known: dict[SnapshotId, Manifest], wanted: Sequence[SnapshotId] | None, told: _Telling
) -> tuple[SnapshotId, ...]:
    """Those whose files open now, whatever the cache tells of them."""
    asked = []
    for snapshot_id, manifest in repo.open.scan(read=True):
        if wanted is not None and snapshot_id not in wanted:
            continue
        if isinstance(manifest, IntegrityError):
            told.findings.add(manifest, affects=f"{snapshot_id.hex()[:12]}: the whole snapshot")
        else:
            asked.append((snapshot_id, manifest))
    known.update(asked)
    return tuple(snapshot_id for snapshot_id, _ in in_order(asked))


class _Telling:
    """What was found, sorted by what it is."""

    def __init__(self) -> None:
        self.findings = Damages()
        self.mismatches: dict[str, Doubt] = {}
        self.not_verified: dict[str, Doubt] = {}
        self.times = 0
        """How often something was found wrong, or was not verified; places are bounded, this is not."""

    def error(self, error: VaultError, label: str) -> None:
        self.times += 1
        if isinstance(error, IntegrityError) and (error.file or error.object_id):
            self.findings.add(error, label)
        else:
            self.that(error.message + (f": {error.why}" if error.why else ""), label, proven=_is_proof(error))

    def that(self, why: str, label: str, *, proven: bool) -> None:
        self.times += 1
        told = (self.mismatches if proven else self.not_verified).setdefault(why, Doubt(why))
        if len(told.where) < _PLACES_MAX and label not in told.where:
            told.where.append(label)


def _is_proof(error: VaultError) -> bool:
    """A row without a form in UTF-8 is as it was captured: only its rendering is missing."""
    return isinstance(error, IntegrityError)


class _Verifying:
    """One run. Each snapshot is looked at on its own; what it shares with one that was whole costs nothing more."""

    def __init__(
        self, repo: Indexed, known: Mapping[SnapshotId, Manifest], told: _Telling, *, progress: Progress, part: Part
    ) -> None:
        self._repo = repo
        self._known = known
        self._told = told
        self._progress = progress
        self._part = part
        self._reader = repo.reader()
        bad: dict[ObjectId, IntegrityError] = {}
        self._contents = SnapshotContents(repo, bad, told.error, progress=progress, part=part)
        self._closure = Closure(repo, bad, told.error, contents=self._contents)
        self._renders = Renders(self._reader, part)
        self._verified: dict[SnapshotId, frozenset[PackId] | None] = {}
        self._rows = self._files = 0

    def one(self, snapshot_id: SnapshotId, manifest: Manifest, selectors: Callable[[str], Selectors]) -> None:
        # what the first one shares with nobody is read whole; of the later ones nobody knows how much
        whole = None if self._verified or not self._part.is_whole else _bytes(manifest)
        self._progress.stage(f"verifying {snapshot_id.hex()[:12]}", whole)
        before, earlier = self._told.times, self._told.findings.so_far()
        self._contents.of(snapshot_id, manifest)
        packs = self._closure.check(snapshot_id, manifest)
        if packs is None and not self._repo.open.lists(snapshot_id):
            self._told.findings.back_to(earlier)  # forgotten and pruned while it was looked at
            self._told.that("it was forgotten meanwhile", f"{snapshot_id.hex()[:12]}:snapshot", proven=False)
            return
        if packs is not None:
            self._compare(snapshot_id, manifest, selectors(manifest.source))
        if packs is not None and self._told.times == before and self._part.is_whole:
            self._verified[snapshot_id] = self._closure.packs.packs(packs)
        self._rows += manifest.database.tables.sums.rows if manifest.database is not None else 0
        self._files += sum(ref.sums.items for ref in manifest.directories.values())

    def _compare(self, snapshot_id: SnapshotId, manifest: Manifest, selectors: Selectors) -> None:
        """What a snapshot says of itself, now that all that it names is whole. One that was mended has the numbers of what it was made of."""
        at = snapshot_id.hex()[:12] + ":"
        try:
            for one in disagreements(Snapshot(snapshot_id, manifest, self._reader), selectors):
                self._told.that(one.why, at + one.item, proven=one.proven and not is_mended(manifest))
            if broken := line.broken_rule(manifest, self._known, self._reader):
                self._told.that(broken, f"{at}rows", proven=True)
        except IntegrityError as error:
            self._told.error(error, f"{at} manifest")
        for why in line.suspects(snapshot_id, self._known):
            self._told.that(why, f"{at}rows", proven=False)
        for path, failed in self._renders.all(snapshot_id, manifest, selectors):
            self._told.error(failed, at + path)

    def report(self, asked: tuple[SnapshotId, ...]) -> VerifyReport:
        return VerifyReport(
            asked=asked,
            verified=self._verified,
            objects=self._closure.objects,
            read_bytes=self._contents.read_bytes,
            rows=self._rows,
            files=self._files,
            rendered=self._renders.files,
            damage=self._told.findings.all(),
            mismatches=tuple(self._told.mismatches.values()),
            not_verified=tuple(self._told.not_verified.values()),
        )


def _bytes(manifest: Manifest) -> int:
    database = 0 if manifest.database is None else manifest.database.tables.sums.bytes
    return database + sum(ref.sums.bytes for ref in manifest.directories.values())


def record(repo: Indexed, report: VerifyReport, *, host: str, now_ms: int, entropy: Entropy) -> None:
    """Leave the result in the repository. Raises  StoreError: it cannot be written"""
    checks.record_verified(
        repo,
        host=host,
        now_ms=now_ms,
        objects=report.objects,
        read_bytes=report.read_bytes,
        damage=list(_lines(report)),
        verified=report.verified,
        asked=report.asked,
        entropy=entropy,
    )


def _lines(report: VerifyReport) -> Iterator[str]:
    """Of each snapshot that something is wrong with, what it is: the record carries a line on until that snapshot is verified again."""
    for fault in report.damage:
        for snapshot in dict.fromkeys(label.partition(":")[0] for label in fault.affects):
            yield f"{snapshot}: {fault.file or fault.object}: {fault.why}"
    for one in report.mismatches:
        for snapshot, what in dict(label.partition(":")[::2] for label in reversed(one.where)).items():
            yield f"{snapshot}: {what}: {one.why}"
