"""Small faults of a source file: each one change of its syntax tree, and the tree with that change. Nothing is written or run.

What does nothing at run time (annotations, docstrings, names of type variables, `__all__`) and the wording of messages has none.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WORDS_OF_A_MESSAGE: Final = 4
"""A text of so many words is a sentence for people, whose wording no test should hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`node`, `variant`: place in the walk over the tree of the file, and which change of that node.

    `function`, `first_line`: the innermost function that runs it, and where that begins; "" and 0 for what runs on import.
    """

    path: Path
    line: int
    function: str
    first_line: int
    node: int
    variant: int
    what: str

    @property
    def name(self) -> tuple[str, str, str]:
        """What it is called in a list that outlives changes of other lines."""
        return str(self.path.relative_to(ROOT)), self.function, self.what

    def __str__(self) -> str:
        place = f" in {self.function}" if self.function else ""
        return f"{self.path.relative_to(ROOT)}:{self.line}{place}: {self.what}"


# --- faults --------------------------------------------------------------------------------------

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Add: ast.Sub,
    ast.FloorDiv: ast.Mult,
}
_CALLED: Final = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}


def faults_in(path: Path) -> Iterator[Fault]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    quiet = set(map(id, _quiet(tree)))
    functions = _functions(tree)
    for at, node in enumerate(ast.walk(tree)):
        if id(node) not in quiet:
            for variant, changed in enumerate(variants(node)):
                line = int(getattr(node.iter if isinstance(node, ast.comprehension) else node, "lineno", 0))
                function, first_line = functions.get(id(node), ("", 0))
                what = _change(ast.unparse(node), ast.unparse(changed))
                yield Fault(
                    path=path, line=line, function=function, first_line=first_line, node=at, variant=variant, what=what
                )


def faulty(fault: Fault) -> ast.Module:
    """The tree of the file with the fault in it."""
    tree = ast.parse(fault.path.read_text(encoding="utf-8"))
    old = next(node for at, node in enumerate(ast.walk(tree)) if at == fault.node)
    new = list(variants(old))[fault.variant]

    class Exchanged(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    Exchanged().visit(tree)
    return ast.fix_missing_locations(tree)


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in its place by mistake."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield _with(node, ops=[*ops[:at], _COMPARED[type(op)](), *ops[at + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for at in range(len(values)):
                left = [*values[:at], *values[at + 1 :]]
                yield left[0] if len(left) == 1 else _with(node, values=left)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.Compare | ast.UnaryOp):  # those have variants of their own
                yield _with(node, test=ast.UnaryOp(op=ast.Not(), operand=test))
        case ast.comprehension(ifs=ifs):
            for at in range(len(ifs)):
                yield _with(node, ifs=[*ifs[:at], *ifs[at + 1 :]])
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value.count(" ") < WORDS_OF_A_MESSAGE - 1:
            yield ast.Constant(f"XX{value}")
        case ast.BinOp(op=ast.Sub(), left=left_operand):
            yield left_operand
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield _with(node, func=ast.Name(id=_CALLED[name], ctx=ast.Load()), keywords=[])
        case ast.keyword(value=value) if not isinstance(value, ast.Constant):
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield ast.Expr(ast.YieldFrom(ast.Tuple(elts=[], ctx=ast.Load())))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()


def _with(node: ast.AST, **changed: object) -> ast.AST:
    new = copy.copy(node)
    for field, value in changed.items():
        setattr(new, field, value)
    return new


def _functions(tree: ast.Module) -> dict[int, tuple[str, int]]:
    """The id of what a function runs when it is called -> its name, and the first line of its code object (a decorator's)."""
    found: dict[int, tuple[str, int]] = {}
    for node in ast.walk(tree):  # an outer one comes before those in it, which take over what is theirs
        if isinstance(node, ast.FunctionDef):
            first_line = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found |= {id(part): (node.name, first_line) for one in node.body for part in ast.walk(one)}
    return found


def _quiet(tree: ast.AST) -> Iterator[ast.AST]:
    """What does nothing at run time, and the wording of messages."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                yield node.value
            case ast.FunctionDef(returns=returns, decorator_list=decorators):
                of_types = [
                    *decorators,
                    returns,
                    *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)),
                ]
                yield from (part for one in of_types if one is not None for part in ast.walk(one))
            case ast.ClassDef(decorator_list=decorators):
                yield from (part for one in decorators for part in ast.walk(one))
            case ast.AnnAssign(annotation=annotation):
                yield from ast.walk(annotation)
            case ast.Call(func=ast.Name(id="TypeVar" | "NewType" | "cast"), args=[of_type, *_]):
                yield from ast.walk(of_type)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                yield from ast.walk(value)
            case ast.JoinedStr(values=values):
                yield from (one for one in values if isinstance(one, ast.Constant))
            case _:
                pass


def _change(before: str, after: str) -> str:
    """In a line, without most of what a long text has in common with its change before they part."""
    same = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
    start = max(0, same - 40) if len(before) > 100 and same > 60 else 0
    return " -> ".join(("..." if start else "") + _line(text[start:]) for text in (before, after))


def _line(text: str) -> str:
    line = " ".join(text.split("\n")[0].split())
    return line if len(line) <= 100 else f"{line[:97]}..."
