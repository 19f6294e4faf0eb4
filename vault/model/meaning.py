"""What the expressions of an object call: operators, functions, collations. Pure values.

`CASE x WHEN`, `NULLIF`, `IS DISTINCT FROM` and `JOIN USING` have no form that names their operator's schema, so that equal
text is not equal meaning; the catalogs tell it, pg_depend which operators there are and the stored expressions how often each
is called (pg_depend has one line for an operator that one place names and another one only implies). Spec 75-restore, RST-13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Final

Calls = Mapping[str, int]
"""Operator, function or collation, as pg_identify_object names it -> how often expressions call it; 0 where that is not counted."""

_CALLED: Final = ("operator ", "function ", "procedure ", "aggregate ", "collation ")
_OTHER_OPERATORS: Final = ("operator class ", "operator family ", "operator of access method ")
_HAVE_EXPRESSIONS: Final = (
    *("rule ", "table constraint ", "domain constraint ", "trigger ", "policy ", "index ", "statistics object "),
    *("table column ", "function ", "procedure ", "type ", "publication relation ", "table "),
)
_OF_ROOT: Final = "P"
"""pg_depend's letter for the primary owner of what belongs to a partition."""
_GROUPS_APART_VERSION: Final = 180000
_SCHEMA: Final = re.compile(r'operator ("(?:[^"]|"")+"|[^".]+)\.')
_LAST: Final = "pg_catalog"
_DEFAULT: Final = "default value for "
_COLUMN: Final = "table column "


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """`of`: object -> calls, of objects that call anything. `counted`: the counts of two sides can be compared."""

    of: Mapping[str, Calls] = field(default_factory=lambda: MappingProxyType({}))
    counted: bool = True
    _named: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    """Names that occur in an object's -> objects; too many rather than too few."""

    def __post_init__(self) -> None:
        named: dict[str, tuple[str, ...]] = {}
        for name in self.of:
            for part in set(_parts(name)):
                named[part] = (*named.get(part, ()), name)
        object.__setattr__(self, "_named", named)

    def about(self, names: Sequence[str]) -> dict[str, Calls]:
        """What objects call whose name may contain the qualified name that `names` starts with: its own, and those of its parts.

        An address of a type is one text, quoted where it has to be. A constraint's index has the name of the constraint, and
        the predicate of an exclusion constraint is the index's.
        """
        if len(names) == 1:
            wanted: Iterable[Sequence[str]] = [names]
        else:
            wanted = [pair for last in names[1:3] for pair in product(_forms(names[0]), _forms(last))]
        return {name: self.of[name] for pair in wanted for name in self._named.get(".".join(pair), ())}

    def changed(self, found: Mapping[str, Calls]) -> dict[str, Calls]:
        """Of the objects of `found`, those that call something else, or otherwise often -> what they should call."""
        return {name: self.of.get(name, {}) for name, calls in found.items() if not self._equal(name, calls)}

    def _equal(self, name: str, calls: Calls) -> bool:
        recorded = self.of.get(name, {})
        return recorded == calls if self.counted else recorded.keys() == calls.keys()


def meanings(
    edges: Iterable[tuple[str, str, str]], operators: Iterable[tuple[str, str, int]], *, counted: bool = True
) -> Meanings:
    """From catalog facts, see CatalogFacts.

    A partition's trigger that came with its root's means what that one means: which of its edges the catalog has depends on
    whether the partition or the trigger was there first.
    """
    edges = list(edges)
    inherited = {
        dependent for dependent, of, kind in edges if kind == _OF_ROOT and {dependent[:8], of[:8]} == {"trigger "}
    }
    found: dict[str, dict[str, int]] = {}
    for dependent, referenced, _ in edges:
        name = subject(dependent)
        if is_called(referenced) and name.startswith(_HAVE_EXPRESSIONS) and dependent not in inherited:
            found.setdefault(name, {})[referenced] = 0
    for dependent, operator, count in operators:
        if (name := subject(dependent)).startswith(_HAVE_EXPRESSIONS) and dependent not in inherited:
            found.setdefault(name, {})[operator] = count
    return Meanings(of=found, counted=counted)


def are_counts_comparable(one: int, other: int) -> bool:
    """From 18 on a grouping expression is stored apart, so that a call in it is counted otherwise."""
    return (one >= _GROUPS_APART_VERSION) == (other >= _GROUPS_APART_VERSION)


def is_called(name: str) -> bool:
    return name.startswith(_CALLED) and not name.startswith(_OTHER_OPERATORS)


def subject(name: str) -> str:
    """A generated column's expression depends as the column up to 14, and as its default from 15 on."""
    return f"{_COLUMN}{name.removeprefix(_DEFAULT)}" if name.startswith(_DEFAULT) else name


def search_paths(lost: Mapping[str, Calls]) -> Iterator[str]:
    """Paths under which an operator that only its name tells is found again, the mildest first.

    pg_catalog is looked at first unless it is named: named last, an operator of the same name and types in a schema wins.
    """
    named = (_SCHEMA.match(name) for calls in lost.values() for name in calls)
    schemas = sorted({one[1] for one in named if one is not None})
    orders: list[Sequence[str]] = [schemas, schemas[::-1]] if len(schemas) > 1 else [schemas] if schemas else []
    for order in (*orders, *([*order, _LAST] for order in orders)):
        yield ", ".join(order)


def _parts(name: str) -> Iterator[str]:
    """Every piece of `kind [x on ]schema.name[.column | (arguments)]` that may be schema and name."""
    pieces = name.split(" on ")
    for at in range(len(pieces)):
        rest = " on ".join(pieces[at:])
        if at == 0:
            rest = rest.removeprefix(next((kind for kind in _HAVE_EXPRESSIONS if rest.startswith(kind)), ""))
        yield rest
        yield from (rest[:end] for end, letter in enumerate(rest) if letter in ".( ")


def _forms(name: str) -> tuple[str, str]:
    """A name that needs no quotes still has them if it is a keyword."""
    return name, '"' + name.replace('"', '""') + '"'
