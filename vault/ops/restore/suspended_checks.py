"""CHECKs that rows violate while they come: dropped, and added again when the rows are there.

A CHECK whose function reads another table may hold only once that one has its rows: it is validated again. Spec 75-restore, RST-8.
"""

from __future__ import annotations

import threading

from vault.errors import SourceError
from vault.model import SuspendedCheck
from vault.ops.restore.failures import Failures
from vault.ports import TargetSession
from vault.sql.sqlstate import CHECK_VIOLATION


class SuspendedChecks:
    """From any thread."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._suspended: list[SuspendedCheck] = []
        self._not_valid: dict[SuspendedCheck, str] = {}

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
        """Add all again, while no rows come, and validate those that hold by now. Raises  Unreachable"""
        with self._lock:
            suspended, self._suspended = self._suspended, []
        waiting = [*self._not_valid, *(check for check in suspended if self._is_added(session, check))]
        self._not_valid = {check: why for check in waiting if (why := _why_not_valid(session, check))}

    def tell(self) -> None:
        """Of those that did not hold when they were looked at last."""
        for check, why in self._not_valid.items():
            self._failures.add(_named(check), f"added NOT VALID: {why}")

    def _is_added(self, session: TargetSession, check: SuspendedCheck) -> bool:
        try:
            session.run(check.add)
        except SourceError as error:
            why = f"dropped, because rows violate it, and could not be added again: {error.why}"
            self._failures.add(_named(check), why)
            return False
        return True


def _named(check: SuspendedCheck) -> str:
    return f"CHECK {check.name} of {check.subject}"


def _why_not_valid(session: TargetSession, check: SuspendedCheck) -> str:
    """Empty: it was validated now, or was not before the restore either."""
    why = ""
    for way in check.validate:
        try:
            session.run(way)
        except SourceError as error:
            why = "rows violate it" if error.sqlstate == CHECK_VIOLATION else f"it could not be validated: {error.why}"
        else:
            return ""
    return why
