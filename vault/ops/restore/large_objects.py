"""Large objects of a snapshot: one that is there stays, unless everything shall be as recorded."""

from __future__ import annotations

from vault.errors import SourceError
from vault.model import LargeObjectItem
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.steps import RestorePlan
from vault.ports import TargetSession
from vault.repo.snapshot import Snapshot


def create_large_objects(plan: RestorePlan, snapshot: Snapshot, session: TargetSession, failures: Failures) -> int:
    """How many were made; what fails is among `failures`. Raises  Unreachable; IntegrityError: the snapshot is damaged"""
    made = 0
    listed = snapshot.large_objects() if plan.picked.large_objects else iter(())
    for item in snapshot.to_read(listed, lambda item: item.chunks):
        try:
            made += _create(plan, snapshot, session, item=item, failures=failures)
        except SourceError as error:
            failures.add(f"LARGE OBJECT {item.oid}", error.why or error.message)
    return made


def _create(
    plan: RestorePlan, snapshot: Snapshot, session: TargetSession, *, item: LargeObjectItem, failures: Failures
) -> bool:
    blocks = snapshot.large_object_blocks(item)
    differing = None if plan.fresh else session.compare_large_object(item, blocks)
    there = differing is not None
    if differing is not None and not (differing and plan.options.replace):
        if differing:
            why = f"differs on the target in its {', '.join(differing)}; -c replaces it"
            failures.add(f"LARGE OBJECT {item.oid}", why)
        return False
    for note in session.create_large_object(item, snapshot.large_object_blocks(item), replace=there):
        failures.add(f"LARGE OBJECT {item.oid}", note)
    return True
