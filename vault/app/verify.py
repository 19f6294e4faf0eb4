"""Verify snapshots as every front end asks for it: on their own, or against a live database without a restore."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.database import DatabaseFlags, around, flagged, of_configuration
from vault.app.settings.source import SourceSettings
from vault.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ops.check.parts import Part
    from vault.ops.compare.against import Against
    from vault.ops.verify.run import VerifyReport
    from vault.ports import Progress
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Indexed


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """`snapshot`: the user's word, None for all of the chosen source, or of every source."""

    snapshot: str | None
    part: Part


def verify(settings: Settings, request: VerifyRequest, *, progress: Progress) -> tuple[Indexed, VerifyReport]:
    """Raises  NotThere, UsageError; as `wiring.open_repository`; StoreError"""
    from vault.ops.verify.run import run

    opened = wiring.open_repository(settings)
    wanted = None
    if request.snapshot is not None:
        wanted = [wiring.named(settings, opened, request.snapshot)]
    elif settings.source is not None:
        wanted = [found for found, manifest in opened.snapshots() if manifest.source == settings.source]
    indexed = opened.indexed(settings.cache_dir)
    return indexed, run(indexed, wanted, selectors=settings.selectors, progress=progress, part=request.part)


def record(indexed: Indexed, report: VerifyReport, *, now_ms: int) -> None:
    """Raises  StoreError: no record could be left"""
    from vault.ops.verify import run as verifying

    verifying.record(indexed, report, host=socket.gethostname(), now_ms=max(0, now_ms), entropy=wiring.system_entropy)


def against(
    settings: Settings, spec: str, flags: DatabaseFlags, *, allow_cleartext: bool, progress: Progress
) -> tuple[Snapshot, Against]:
    """The snapshot against the database of the flags, else of the configuration, else of the project around.

    Raises  NotThere, UsageError; Unreachable, PermissionMissing, SourceError, Incoherent; IntegrityError, StoreError
    """
    section = settings.sources.get(settings.source_name() or "", SourceSettings())
    chosen = flagged(settings, flags, configured=section, command="verify SNAP --against")
    chosen = chosen or of_configuration(settings, settings.chosen_source()) or around(settings)
    if chosen is None or chosen.conninfo is None:
        raise UsageError("--against which database?", hint="add -d DATABASE, --local or --linked")
    settings = settings.with_variables(chosen.variables)
    snapshot = wiring.open_snapshot(settings, spec, copies=False)
    if snapshot.manifest.database is None:
        raise UsageError("the snapshot holds no database", hint="choose another with: pgvault snapshots")
    from vault.ops.compare.against import compare_against
    from vault.ops.compare.row_digests import KEY_BYTES
    from vault.source.postgres.capture.database import open_capture
    from vault.source.postgres.capture.reach import CaptureOptions

    try:
        capture = open_capture(
            chosen.conninfo,
            options=CaptureOptions(allow_gaps=True, allow_cleartext=allow_cleartext),
            programs=wiring.client_programs(settings),
            environment=settings.child_environment(),
            notify=progress.stage,
        )
    except Unreachable as error:
        error.advise(chosen.advice)
        raise
    with capture:
        return snapshot, compare_against(snapshot, capture, key=wiring.system_entropy(KEY_BYTES), progress=progress)
