"""What is fuzzed: a function that takes any bytes, and raises exactly if the code under it has a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = TypeVar("T")

SEED_BYTES_MAX: Final = 8192
"""Longer inputs are slow, and seldom say more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """run     returns whatever its input is, be it accepted or refused with an error of the package; anything else is a fault
    seeds      inputs to begin with
    magic      what stands before the msgpack of an input; None if it is none, and is changed as mere bytes"""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    magic: bytes | None = None


def accepted(decode: Callable[[T], Any], data: T, refusals: type[Exception] | tuple[type[Exception], ...]) -> bool:
    """Whether `decode` takes it. Anything but `refusals` escapes."""
    try:
        decode(data)
    except refusals:
        return False
    return True


def drawn(values: st.SearchStrategy[Any], encode: Callable[[Any], bytes], *, count: int = 25) -> list[bytes]:
    """Encoded values of a strategy, the same at each call."""
    found: list[bytes] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(values)
    def collect(value: Any) -> None:
        found.append(encode(value))

    collect()
    return found
