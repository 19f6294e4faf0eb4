"""Faults of `tests/mutation.py` that change nothing anybody could notice, each with the reason: they are not counted.

A name is the file, the innermost function ("" for what runs on import) and the change as the program prints it. A name that
no fault has any more is an error, so that the list follows the code.
"""

from __future__ import annotations

from typing import Final

Name = tuple[str, str, str]

EQUIVALENT: Final[dict[Name, str]] = {}
