"""A part of the work for each of several machines: by what an item is called, so that every machine draws the same line. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vault.crypto import keyed
from vault.errors import UsageError

_MACHINES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """`number` of `of`, from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str, *, option: str) -> Part:
        """Raises  UsageError: not n/m with 1 <= n <= m"""
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= _MACHINES_MAX:
            raise UsageError(
                f"{option} {text}: not a part", why="n/m is part n of m, from 1/m to m/m", hint=f"{option} 1/4"
            )
        return cls(int(match[1]), int(match[2]))

    def has(self, name: bytes) -> bool:
        """Whether the item of this name is of this part. The parts of one number share nothing, and leave nothing out."""
        return self.of == 1 or int.from_bytes(keyed.digest(name)[:8], "big") % self.of == self.number - 1

    @property
    def is_whole(self) -> bool:
        return self.of == 1


WHOLE: Final = Part(1, 1)
