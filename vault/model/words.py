"""Numbers as people read them, how a program ended, and what to do where the machine gives no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MORE_MEMORY: Final = "free memory, or raise the limit (ulimit -v and -d, MemoryMax of a service, or that of the container), then run it again"
MORE_FILES: Final = (
    "raise the limit of open files (ulimit -n, LimitNOFILE of a service, fs.file-max of the machine), then run it again"
)
MORE_THREADS: Final = (
    "free memory, or raise the limit of it (ulimit -v, MemoryMax) or of processes and threads"
    " (ulimit -u, TasksMax, --pids-limit of a container), then run it again"
)
"""For what fails alike for want of either: the start of a thread or a process, and a key derivation, which starts threads."""
_KILLED: Final = -9
_SIGNALS: Final[Mapping[int, str]] = {
    1: "SIGHUP",
    2: "SIGINT",
    6: "SIGABRT",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
}
"""Those with one number on all systems."""
_MEMORY_AFTER_KILL: Final = (
    "look whether the system lacked memory (journalctl -k, or the container's limit), then run it again"
)


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The one of `known` that was meant, most likely; None if none is like it. Case counts for nothing."""
    from difflib import get_close_matches

    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.lower(), one)
    found = get_close_matches(word.lower(), folded, 1, likeness)
    return folded[found[0]] if found else None


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`; `many` where it is not `one` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Bytes in the largest fitting binary unit: `0 B`, `1023 B`, `1.0 KiB`, `12.3 MiB`."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1023.95 or unit == "PiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def exactly(milliseconds: float) -> str:
    """A length that somebody chose, or that is told next to one: `90 s` as `1.5 min`, `5 min`, `36 h` as `1.5 d`."""
    for unit, length_ms in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if milliseconds >= length_ms:
            return f"{milliseconds / length_ms:.1f}".removesuffix(".0") + f" {unit}"
    return f"{milliseconds / 1000:g} s"


def ended(code: int) -> str:
    """How a program ended, by the code that `subprocess` has of it: `exit code 3`, `killed by SIGTERM`."""
    if code >= 0:
        return f"exit code {code}"
    by = f"killed by {_SIGNALS.get(-code, f'signal {-code}')}"
    return f"{by}, as the system does where memory is short" if code == _KILLED else by


def after(code: int) -> str:
    """What to type next where `ended` names memory; else empty."""
    return _MEMORY_AFTER_KILL if code == _KILLED else ""


def duration(milliseconds: int) -> str:
    """How long ago or from now, rounded down: `12 s`, `5 min`, `3 h`, `9 d`."""
    seconds = milliseconds // 1000
    units = ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h"))
    length, unit = next(((length, unit) for limit, length, unit in units if seconds < limit), (86_400, "d"))
    return f"{seconds // length} {unit}"
