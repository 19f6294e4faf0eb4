"""What a backup was asked for, as text: equal text means that snapshots are comparable."""

from __future__ import annotations

import pytest

from vault.ops.project.backup_selection import FLAGS, described, encode


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


def test_what_is_held_in_words() -> None:
    assert (
        described(encode(True, ["edge_functions", "migrations"], {})) == "the database with edge_functions, migrations"
    )
    assert described(encode(False, ["documents"], {"exclude": ["*.log"]})) == "documents, --exclude *.log"
    assert described(encode(True, [], {"exclude_tables": ["t"]})) == "the database, -T t"
    assert described("somebody else's") == "nothing that is known here"
