"""Lines to type next, as they work where the repository was named on the command line and nowhere else. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from typing import Final

from vault.app.conninfo import redacted

WITHOUT_REPOSITORY: Final = frozenset({"init", "help", "completion", "demo", "config"})
"""They look into none, or say themselves which."""


def with_repository(fix: str, repository: str, commands: Collection[str]) -> str:
    """`fix` with `-r REPOSITORY` in each command of ours that names none. A command ends at `;`, `)` or the end of its line."""
    named = f"pgvault -r {shlex.quote(redacted(repository))} "
    words = "|".join(map(re.escape, sorted(set(commands) - WITHOUT_REPOSITORY)))
    return re.sub(rf"\bpgvault (?=(?:{words})\b(?![^;)\n]* (?:-r|--repo)[ =]))", lambda _: named, fix)
