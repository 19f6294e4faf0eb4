"""A process that holds secrets is not to be looked into: no core file has them, and no other process of the same user reads them.

Linux alone: the process is marked as not dumpable (prctl(2)), so that its memory and /proc/PID/environ are root's. It still reads its
own descriptors, and a program that it starts begins without the mark. Elsewhere nothing is done, and nothing promised.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid_dumps() -> None:
    """From now on, also of what this process forks. Again is no error; never raises."""
    if sys.platform != "linux":
        return
    with suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
