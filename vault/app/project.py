"""The Supabase project around a directory. Everything that reads `supabase/` goes through here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vault.app.toml.document import parsed

_CONFIG: Final = Path("supabase", "config.toml")
_FROM_ENVIRONMENT: Final = re.compile(r"env\((\w+)\)")


def root_of(here: Path) -> Path | None:
    """The nearest directory from `here` upwards that has a `supabase/config.toml`."""
    return next((folder for folder in (here, *here.parents) if (folder / _CONFIG).is_file()), None)


def project_id(here: Path, environment: Mapping[str, str]) -> str | None:
    """Raises  UsageError: config.toml cannot be read"""
    root = root_of(here)
    named = None if root is None else parsed(root / _CONFIG).get("project_id")
    if not isinstance(named, str) or not named:
        return None
    match = _FROM_ENVIRONMENT.fullmatch(named)
    return named if match is None else environment.get(match[1]) or None
