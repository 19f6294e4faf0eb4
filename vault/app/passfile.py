"""Whether libpq's password file has a line for a connection, by libpq's own rules. Never reads the password."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_FIELD: Final = re.compile(r"((?:[^:\\]|\\.)*):")


def names_password(path: Path, wanted: Sequence[str]) -> bool:
    """`wanted`: host, port, database and user. False also of a file that libpq passes over: absent, no file, open to others."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return False
        lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return False
    return any(_is_for(line, wanted) for line in lines if not line.startswith("#"))


def _is_for(line: str, wanted: Sequence[str]) -> bool:
    at = 0
    for value in wanted:
        field = _FIELD.match(line, at)
        if field is None or (field[1] != "*" and re.sub(r"\\(.)", r"\1", field[1]) != value):
            return False
        at = field.end()
    return True
