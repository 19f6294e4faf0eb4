"""Four values given by position are told apart by their types: two of one type, exchanged, would be noticed by nobody."""

from __future__ import annotations

import ast

from tests.architecture.sources import modules

MANY = 4


def positional(function: ast.FunctionDef) -> list[str]:
    """Types of the arguments that a caller may give without a name."""
    given = [*function.args.posonlyargs, *function.args.args]
    named = [one for one in given if one.arg not in ("self", "cls")]
    return [ast.unparse(one.annotation) if one.annotation else one.arg for one in named]


def test_of_four_arguments_by_position_no_two_have_one_type() -> None:
    wrong = [
        f"{module}:{node.lineno} {node.name}({', '.join(types)})"
        for module, tree in modules()
        if not module.startswith("vault.cli.commands.")  # click passes them by name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        if len(types := positional(node)) >= MANY and len(set(types)) < len(types)
    ]
    assert wrong == [], "take those after the second by name"


def test_arguments_are_counted_without_the_object_itself() -> None:
    [method] = ast.parse("def f(self, a: int, /, b: int, *, c: int): ...").body
    assert isinstance(method, ast.FunctionDef)
    assert positional(method) == ["int", "int"]
