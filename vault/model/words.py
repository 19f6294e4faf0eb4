"""Numbers as people read them."""

from __future__ import annotations


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


def duration(milliseconds: int) -> str:
    """`12 s`, `5 min`, `3 h`, `9 d`."""
    seconds = milliseconds // 1000
    units = ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h"))
    length, unit = next(((length, unit) for limit, length, unit in units if seconds < limit), (86_400, "d"))
    return f"{seconds // length} {unit}"
