"""What the expressions of an object call: operators, functions, collations. Pure values.

`CASE x WHEN`, `NULLIF`, `IS DISTINCT FROM` and `JOIN USING` have no form that names their operator's schema, so that equal
text is not equal meaning; the catalogs tell it, pg_depend which operators there are and the stored expressions how often each
is called (pg_depend has one line for an operator that one place names and another one only implies). Spec 75-restore, RST-13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from vault.model.address import Address
from vault.model.database import Edge

Calls = Mapping[Address, int]
"""Operator, function or collation -> how often expressions call it; 0 where that is not counted."""

_CALLED: Final = frozenset({"operator", "function", "procedure", "aggregate", "collation"})
_HAVE_EXPRESSIONS: Final = frozenset(
    {
        *("rule", "table constraint", "domain constraint", "trigger", "policy", "index", "statistics object"),
        *("table column", "function", "procedure", "type", "publication relation", "table"),
        "function of access method",
    }
)
_TYPES: Final = frozenset({"type", "domain constraint"})
"""Kinds whose address starts with the one text of a type."""
_OF_ROOT: Final = "P"
"""pg_depend's letter for the primary owner of what belongs to a partition."""
_GROUPS_APART_VERSION: Final = 180000
_BARE: Final = re.compile(r"[a-z_][a-z0-9_]*")
_LAST: Final = "pg_catalog"
_DEFAULT: Final = "default value"
_COLUMN: Final = "table column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """`of`: object -> calls, of objects that call anything. `counted`: the counts of two sides can be compared."""

    of: Mapping[Address, Calls] = field(default_factory=lambda: MappingProxyType({}))
    counted: bool = True
    _under: Mapping[tuple[str, ...], list[Address]] = field(init=False, repr=False, compare=False)
    """Schema and name, or a type -> objects with expressions that are it or a part of it."""

    def __post_init__(self) -> None:
        under: dict[tuple[str, ...], list[Address]] = {}
        for address in self.of:
            under.setdefault(_top(address), []).append(address)
        object.__setattr__(self, "_under", under)

    def about(self, address: Address) -> dict[Address, Calls]:
        """What an object calls, and all parts of the relation that it is or belongs to; too many rather than too few.

        A constraint's index has the name of the constraint, and the predicate of an exclusion constraint is the index's.
        """
        tops = [_top(address)]
        if address.kind == "table constraint":
            tops.append((address.names[0], address.names[-1]))
        return {part: self.of[part] for top in tops for part in self._under.get(top, ())}

    def changed(self, called: Mapping[Address, Calls]) -> dict[Address, Calls]:
        """Of the objects of `called`, those that call something else, or otherwise often -> what they should call."""
        return {
            address: self.of.get(address, {}) for address, calls in called.items() if not self._equal(address, calls)
        }

    def _equal(self, address: Address, calls: Calls) -> bool:
        recorded = self.of.get(address, {})
        return recorded == calls if self.counted else recorded.keys() == calls.keys()


def meanings(
    edges: Iterable[Edge], operators: Iterable[tuple[Address, Address, int]], *, counted: bool = True
) -> Meanings:
    """From catalog facts, see CatalogFacts.

    A partition's trigger that came with its root's means what that one means: which of its edges the catalog has depends on
    whether the partition or the trigger was there first.
    """
    edges = list(edges)
    inherited = {
        dependent for dependent, of, kind in edges if kind == _OF_ROOT and {dependent.kind, of.kind} == {"trigger"}
    }
    calls: dict[Address, dict[Address, int]] = {}
    for dependent, referenced, _ in edges:
        address = caller(dependent)
        if is_called(referenced) and address.kind in _HAVE_EXPRESSIONS and dependent not in inherited:
            calls.setdefault(address, {})[referenced] = 0
    for dependent, operator, count in operators:
        if (address := caller(dependent)).kind in _HAVE_EXPRESSIONS and dependent not in inherited:
            calls.setdefault(address, {})[operator] = count
    return Meanings(of=calls, counted=counted)


def are_counts_comparable(one: int, other: int) -> bool:
    """From 18 on a grouping expression is stored apart, so that a call in it is counted otherwise."""
    return (one >= _GROUPS_APART_VERSION) == (other >= _GROUPS_APART_VERSION)


def is_called(address: Address) -> bool:
    return address.kind in _CALLED


def caller(address: Address) -> Address:
    """The object whose expression calls: a generated column's depends as the column up to 14, and as its default from 15 on."""
    if address.kind != _DEFAULT:
        return address
    printed = address.printed.replace(f"{_DEFAULT} for ", f"{_COLUMN} ", 1)
    return replace(address, kind=_COLUMN, printed=printed)


def search_paths(lost: Iterable[Calls]) -> Iterator[str]:
    """Paths under which an operator that only its name tells is found again, the mildest first.

    pg_catalog is looked at first unless it is named: named last, an operator of the same name and types in a schema wins.
    """
    operators = {called for calls in lost for called in calls if called.kind == "operator"}
    schemas = sorted({_element(operator.names[0]) for operator in operators})
    orders: list[Sequence[str]] = [schemas, schemas[::-1]] if len(schemas) > 1 else [schemas] if schemas else []
    for order in (*orders, *([*order, _LAST] for order in orders)):
        yield ", ".join(order)


def _top(address: Address) -> tuple[str, ...]:
    """What an object is, or is a part of: schema and name, or the one text of a type."""
    return address.names[:1] if address.kind in _TYPES else address.names[:2]


def _element(schema: str) -> str:
    """Of a search_path, which knows no keywords."""
    return schema if _BARE.fullmatch(schema) else '"' + schema.replace('"', '""') + '"'
