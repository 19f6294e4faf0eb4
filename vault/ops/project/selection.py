"""What a backup was asked for, as the canonical text that a manifest keeps: equal text = comparable snapshots. Pure. Spec 60-snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

FLAGS: Final = {
    "include_schemas": "-n",
    "exclude_schemas": "-N",
    "include_tables": "-t",
    "exclude_tables": "-T",
    "exclude_table_data": "--exclude-table-data",
}
"""Key of what narrows a database, in the configuration and in the text -> its flag."""


def encode(database: bool, directories: Sequence[str], narrowing: Mapping[str, Sequence[str]]) -> str:
    """`narrowing`: patterns by key of FLAGS; order and repetition do not count."""
    lists = {name: sorted(set(patterns)) for name, patterns in narrowing.items() if patterns}
    what = {"database": database, "directories": list(directories), **lists}
    return json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=64)
def narrowed(text: str) -> tuple[str, ...]:
    """The patterns that make a snapshot one of a part of its database, as flags; none of text that somebody else wrote otherwise."""
    try:
        what = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(what, dict):
        return ()
    lists = ((flag, what.get(name)) for name, flag in FLAGS.items())
    return tuple(f"{flag} {pattern}" for flag, patterns in lists if isinstance(patterns, list) for pattern in patterns)
