"""What a backup was asked for, as the canonical text that a manifest keeps: equal text = comparable snapshots. Pure. Spec 60-snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vault.repo.lineage import Known

FLAGS: Final = {
    "include_schemas": "-n",
    "exclude_schemas": "-N",
    "include_tables": "-t",
    "exclude_tables": "-T",
    "exclude_table_data": "--exclude-table-data",
}
"""Key of what narrows a database, in the configuration and in the text -> its flag."""

ORDERED: Final = frozenset({"exclude"})
"""Key of patterns in gitignore's syntax: `*.env` and then `!sample.env` leaves other files out than the two the other way round."""


def encode(database: bool, directories: Sequence[str], narrowing: Mapping[str, Sequence[str]]) -> str:
    """`narrowing`: patterns by key of FLAGS, of which order and repetition do not count, and of ORDERED, where the last that fits decides."""
    lists = {
        name: _last_of_each(patterns) if name in ORDERED else sorted(set(patterns))
        for name, patterns in narrowing.items()
        if patterns
    }
    what = {"database": database, "directories": list(directories), **lists}
    return json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _last_of_each(patterns: Sequence[str]) -> list[str]:
    """An earlier one of two equal patterns decides nothing."""
    return list(dict.fromkeys(reversed(patterns)))[::-1]


@lru_cache(maxsize=64)
def narrowed(text: str) -> tuple[str, ...]:
    """The patterns that make a snapshot one of a part of its database, as flags; none of text that somebody else wrote otherwise."""
    return _flags(_read(text), FLAGS)


def closest(text: str, earlier: Sequence[Known]) -> Known | None:
    """With which of `earlier`, oldest first, one of this selection is compared: the newest of the same, else of the same part of the
    database, else of any."""
    alike = [pair for pair in earlier if pair[1].selection == text]
    near = [pair for pair in earlier if narrowed(pair[1].selection) == narrowed(text)]
    return next(reversed(alike or near or earlier), None)


def narrowing(text: str) -> dict[str, tuple[str, ...]]:
    """The same by key of FLAGS, as `encode` took them."""
    lists = ((name, patterns) for name, patterns in _read(text).items() if name in FLAGS)
    return {name: tuple(map(str, patterns)) for name, patterns in lists if isinstance(patterns, list)}


def excluded(text: str) -> tuple[str, ...]:
    """The patterns of files that were to be left out, the last that fits deciding."""
    patterns = _read(text).get("exclude")
    return tuple(map(str, patterns)) if isinstance(patterns, list) else ()


def described(text: str) -> str:
    """What tells the snapshots of one source apart: `the database with migrations`, `documents, --exclude *.log`."""
    what = _read(text)
    named = what.get("directories")
    directories = [str(name) for name in named] if isinstance(named, list) else []
    database = ["the database" + (" with " if directories else "")] if what.get("database") else []
    held = "".join([*database, ", ".join(directories)]) or "nothing that is known here"
    return ", ".join([held, *_flags(what, {**FLAGS, "exclude": "--exclude"})])


def _read(text: str) -> Mapping[str, object]:
    """Nothing of text that somebody else wrote otherwise."""
    try:
        what = json.loads(text)
    except ValueError:
        return {}
    return what if isinstance(what, dict) else {}


def _flags(what: Mapping[str, object], names: Mapping[str, str]) -> tuple[str, ...]:
    lists = ((flag, what.get(name)) for name, flag in names.items())
    return tuple(f"{flag} {pattern}" for flag, patterns in lists if isinstance(patterns, list) for pattern in patterns)
