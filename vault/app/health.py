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


SETTLE_S: Final = 30.0
"""What still builds, migrates or fills after so long is no start any more."""
CALM_S: Final = 2.0
"""The machine counts as calm when it was for so long: a start pauses now and then."""
CALM_SHARE: Final = 0.5
_LOOK_S: Final = 0.5
_UNSEEN_S: Final = 10.0
"""How long it takes where nobody can say how busy the machine is."""


def settle(*, patience_s: float, idle_share: Callable[[], float | None], pause: Callable[[float], None]) -> None:
    """Until the machine has had time left for a while, at most `patience_s`: a stack that starts is not held up.

    idle_share  of all processors since it was asked last, 0..1; None: unknown
    """
    waited_s = calm_s = 0.0
    idle_share()
    while calm_s < CALM_S and waited_s < patience_s:
        pause(_LOOK_S)
        waited_s += _LOOK_S
        share = idle_share()
        if share is None:
            pause(max(0.0, min(patience_s, _UNSEEN_S) - waited_s))
            return
        calm_s = calm_s + _LOOK_S if share >= CALM_SHARE else 0.0


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
