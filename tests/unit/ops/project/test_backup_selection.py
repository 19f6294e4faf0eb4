"""What a backup was asked for, as text: equal text means that snapshots are comparable."""

from __future__ import annotations

import pytest

from vault.ops.project.backup_selection import FLAGS, encode


def text(**narrowing: list[str]) -> str:
    return encode(True, ["files"], narrowing)


@pytest.mark.parametrize("key", FLAGS)
def test_order_and_repetition_of_names_do_not_count(key: str) -> None:
    assert text(**{key: ["b", "a", "b"]}) == text(**{key: ["a", "b"]}) != text(**{key: ["a"]})


def test_what_is_excluded_from_directories_depends_on_the_order() -> None:
    """Of gitignore's patterns the last that fits decides."""
    assert text(exclude=["*.env", "!sample.env"]) != text(exclude=["!sample.env", "*.env"])
    assert text(exclude=["*.env", "*.env"]) == text(exclude=["*.env"])
    assert text(exclude=["a", "!a", "a"]) == text(exclude=["!a", "a"]) != text(exclude=["a", "!a"])
    assert text(exclude=[]) == text()
