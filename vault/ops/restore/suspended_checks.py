"""CHECKs that rows violate while they come: dropped, and added again when the rows are there.

A CHECK whose function reads another table may hold only once that one has its rows: it is validated again. Spec 75-restore, RST-8.
"""

from __future__ import annotations

import threading

from vault.errors import SourceError
from vault.model import SuspendedCheck
from vault.ops.restore.failures import Failures
from vault.ports import TargetSession


class SuspendedChecks:
    """From any thread."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._suspended: list[SuspendedCheck] = []

    def suspend(self, session: TargetSession, why: SourceError) -> bool:
        """Drop the CHECK that stands against the rows; True: try again."""
        with self._lock:
            try:
                check = session.suspend_check(why)
            except SourceError:
                return False
            if check is not None and check.add:
                self._suspended.append(check)
            return check is not None

    def resume(self, session: TargetSession) -> None:
        """Add all again, while no rows come. What does not hold is told. Raises  Unreachable"""
        with self._lock:
            suspended, self._suspended = self._suspended, []
        for check in suspended:
            self._resume(session, check)

    def _resume(self, session: TargetSession, check: SuspendedCheck) -> None:
        name = f"CHECK {check.name} of {check.subject}"
        try:
            session.run(check.add)
        except SourceError as error:
            self._failures.add(name, f"dropped, because rows violate it, and could not be added again: {error.why}")
            return
        try:
            session.run(check.validate)
        except SourceError:
            self._failures.add(name, "added NOT VALID: rows violate it")
