"""All targets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fuzz.formats import formats
from tests.fuzz.target import Target
from tests.fuzz.texts import texts

TARGETS: Final[Mapping[str, Target]] = {target.name: target for group in (formats(), texts()) for target in group}
