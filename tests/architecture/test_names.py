"""One name for one thing: a class's name tells a reader which class it is, in whatever module it is read."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable

from tests.architecture.sources import modules

ALLOWED: dict[str, str] = {}
"""Name that two public classes share -> why both keep it."""


def shared(files: Iterable[tuple[str, ast.Module]]) -> dict[str, list[str]]:
    """Name of a public class -> the modules that define one of that name, where there are several."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for module, tree in files:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    return {name: places for name, places in homes.items() if len(places) > 1}


def test_no_two_public_classes_share_a_name() -> None:
    assert {name: places for name, places in shared(modules()).items() if name not in ALLOWED} == {}


def test_allowed_names_are_still_shared() -> None:
    assert set(ALLOWED) <= set(shared(modules()))


def test_second_class_of_a_name_is_seen() -> None:
    planted = ("vault.somewhere", ast.parse("class TableName: ...\nclass _Private: ...\nclass Alone: ..."))
    again = ("vault.elsewhere", ast.parse("def f():\n    class TableName: ...\nclass _Private: ..."))
    assert shared([planted, again]) == {"TableName": ["vault.somewhere", "vault.elsewhere"]}
