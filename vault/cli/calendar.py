"""What a policy keeps, a line a month: one sign a day. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.ops.retention.policy import Calendar, Verdict

_DAYS = 31


def months(verdicts: Iterable[Verdict], calendar: Calendar, *, signs: str) -> list[str]:
    """Newest month last. `signs`: of a day on which all stay, all go, some do either, and there is none."""
    days: dict[tuple[int, int], dict[int, set[bool]]] = {}
    for verdict in verdicts:
        shown = calendar.wall(verdict.candidate.time_ms)
        days.setdefault((shown.year, shown.month), {}).setdefault(shown.day, set()).add(bool(verdict.reasons))
    stay, go, both, none = list(signs)
    sign = {frozenset({True}): stay, frozenset({False}): go, frozenset({True, False}): both}
    lines = [
        f"{year:04}-{month:02}  "
        + "".join(sign[frozenset(there)] if (there := of_day.get(day)) else none for day in range(1, _DAYS + 1))
        for (year, month), of_day in sorted(days.items())
    ]
    return [*lines, f"{'':9}{stay} all of the day stay  {go} all go  {both} some stay"]
