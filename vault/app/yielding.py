"""How busy the machine is, and how a process takes what nobody else wants of it. Linux tells both; elsewhere there is less to have."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_NICENESS: Final = 19
_IDLE_CLASS: Final = 3 << 13
"""ioprio_set(2): class "idle", which gets the disk when nobody else wants it."""
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "armv7l": 314, "ppc64le": 273, "s390x": 282}
"""Number of the system call, for which the C library has no name."""
_AUTOGROUP: Final = Path("/proc/self/autogroup")
_TRIES: Final = 5
_STAT: Final = Path("/proc/stat")
_IDLE_FIELD: Final = 3
"""Of the line of all processors. Those that wait for a disk are not done with it."""


def give_way(*, session: bool = False) -> None:
    """Of the processor's time the least, and the disk when it is idle; what this process starts inherits both. Never raises.

    session  the whole session is this process's own, and gives way too: Linux shares the processor between sessions before it looks at
             what is nice within one (sched(7), autogroup)
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    if session:
        _make_session_nice()
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        with suppress(Exception):
            import ctypes

            ctypes.CDLL(None).syscall(number, 1, 0, _IDLE_CLASS)


def _make_session_nice() -> None:
    """The kernel takes one such wish a tenth of a second, whoever's it is."""
    for _ in range(_TRIES):
        try:
            _AUTOGROUP.write_text(str(_NICENESS), encoding="ascii")
            return
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # no such kernel, or no such right
            return


def idle_share() -> Callable[[], float | None]:
    """A function that tells which share of the processors' time since its last call was idle; None: nobody can say."""
    before = _times()

    def share() -> float | None:
        nonlocal before
        last, before = before, _times()
        if last is None or before is None:
            return None
        spent = [later - earlier for earlier, later in zip(last, before, strict=False)]
        return spent[_IDLE_FIELD] / total if (total := sum(spent)) > 0 else 0.0

    return share


def _times() -> list[int] | None:
    try:
        with _STAT.open("rb") as file:
            words = file.readline().split()
        return [int(word) for word in words[1:9]] if words[:1] == [b"cpu"] else None
    except (OSError, ValueError):
        return None
