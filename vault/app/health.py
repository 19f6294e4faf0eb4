"""Waiting for a database that is being started: asked again until it answers, for a bounded time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vault.errors import Unreachable
from vault.model.words import exactly

WAIT_S: Final = 300.0
"""A stack with images to fetch takes minutes; what takes longer is not coming up by itself."""
_FIRST_PAUSE_S: Final = 0.5
_PAUSE_S_MAX: Final = 5.0
_ATTEMPT_S_MAX: Final = 20.0
"""More than an attempt takes: what passes beyond that, the machine slept."""


def wait_until(
    attempt: Callable[[], None],
    *,
    patience_s: float,
    uptime_s: Callable[[], float],
    pause: Callable[[float], None],
    tell: Callable[[str], None],
) -> None:
    """Until `attempt` raises Unreachable no more; time that the machine slept does not count.

    tell    hears once why it waits
    Raises  Unreachable: not within `patience_s`; and whatever else `attempt` raises, at once
    """
    waited_s, pause_s, told = 0.0, _FIRST_PAUSE_S, False
    while True:
        before = uptime_s()
        try:
            attempt()
            return
        except Unreachable as error:
            waited_s += min(uptime_s() - before, _ATTEMPT_S_MAX)
            if waited_s >= patience_s:
                raise _never(error, patience_s) from error
            if not told:
                tell(f"waiting for the database, {exactly(patience_s * 1000)} at most: {error.message}: {error.why}")
                told = True
        pause_s = min(pause_s, patience_s - waited_s)
        pause(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, _PAUSE_S_MAX)


def _never(error: Unreachable, patience_s: float) -> Unreachable:
    why = f"{error.message}: {error.why}" if error.why else error.message
    if patience_s <= 0:
        return error
    return Unreachable(f"the database did not answer within {exactly(patience_s * 1000)}", why=why, hint=error.hint)
