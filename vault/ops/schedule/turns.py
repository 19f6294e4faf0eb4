"""When a process that stays takes its next turn: at each time of the timetable, once for all that were missed. Pure."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from vault.ops.schedule.timetable import Timetable, last_due_ms, next_due_ms

RETRY_MS: Final = 60 * 60 * 1000
"""After a turn that saved nothing, unless the next is due earlier: a disk is mounted, a network is there again."""


def next_turn_ms(timetable: Timetable, *, now_ms: int, saved_ms: int, tried_ms: int, zone: tzinfo | None = None) -> int:
    """Not after `now_ms`: now.

    saved_ms   when the newest backup began that saved something; 0: none is known
    tried_ms   when the newest turn began, whatever came of it; 0: none did yet
    Either counts as 0 if it is after now: a clock was ahead then, and holds up no turn.
    """
    saved_ms, tried_ms = (0 if time_ms > now_ms else time_ms for time_ms in (saved_ms, tried_ms))
    due_ms = last_due_ms(timetable, now_ms, zone=zone)
    next_ms = next_due_ms(timetable, now_ms, zone=zone)
    if saved_ms >= due_ms:
        return next_ms
    return now_ms if tried_ms < due_ms else min(tried_ms + RETRY_MS, next_ms)
