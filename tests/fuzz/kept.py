"""The corpus that is kept: for each target the inputs that reach something of their own, one in base64 a line."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).parent / "corpus"
INPUTS_MAX: Final = 150
BYTES_MAX: Final = 400
"""Of an input that is kept; longer ones are found again from the shorter."""


def path_of(target: str) -> Path:
    return DIRECTORY / f"{target.replace(' ', '_')}.txt"


def load(target: str) -> list[bytes]:
    path = path_of(target)
    return [base64.b64decode(line) for line in path.read_text().splitlines()] if path.exists() else []


def save(target: str, inputs: Iterable[bytes]) -> int:
    """The shortest ones; how many."""
    chosen = sorted({one for one in inputs if len(one) <= BYTES_MAX}, key=lambda one: (len(one), one))[:INPUTS_MAX]
    DIRECTORY.mkdir(exist_ok=True)
    path_of(target).write_text("".join(base64.b64encode(one).decode() + "\n" for one in chosen))
    return len(chosen)
