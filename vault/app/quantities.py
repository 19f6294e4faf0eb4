"""Amounts as people write them, on the command line and in the configuration: ages, sizes, percentages. Pure."""

from __future__ import annotations

import re
from typing import Final

from vault.errors import UsageError
from vault.limits import KIB, MIB

_AGE_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_SIZE_BYTES: Final = {"": 1, "K": KIB, "M": MIB, "G": KIB * MIB, "T": MIB * MIB}


def age_ms(text: str, *, option: str) -> int:
    """`7d`, `12h`, `30m`, `0`. Raises  UsageError"""
    match = re.fullmatch(r"(\d{1,6})([smhdw])|0", text.strip())
    if match is None:
        raise UsageError(f"{option} {text}: not an age", why="a number and s, m, h, d or w", hint=f"{option} 7d")
    return int(match[1]) * _AGE_S[match[2]] * 1000 if match[1] else 0


def age_text(ms: int) -> str:
    """As `age_ms` reads it, in the largest unit that is exact; what is no whole second as milliseconds."""
    seconds, rest = divmod(ms, 1000)
    unit = next((unit for unit in "wdhms" if seconds and not seconds % _AGE_S[unit]), "s")
    return f"{ms} ms" if rest else f"{seconds // _AGE_S[unit]}{unit}"


def size_bytes(text: str, *, option: str) -> int:
    """`500M`, `2G`, `1048576`, `0`; units of 1,024. Raises  UsageError"""
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{option} {text}: not a size", why="a number, with K, M, G or T", hint=f"{option} 500M")
    return int(match[1]) * _SIZE_BYTES[match[2].upper()]


def share(text: str, *, option: str) -> float:
    """`5%` or `5` as 0.05; up to 100. Raises  UsageError"""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%?", text.strip())
    if match is None or float(match[1]) > 100:
        raise UsageError(f"{option} {text}: not a percentage", why="a number from 0 to 100", hint=f"{option} 5%")
    return float(match[1]) / 100
