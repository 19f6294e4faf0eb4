"""Hypothesis strategies over everything that a field's Python type allows, not only what the format takes.

Integers of any size and sign, floats for them, text with surrogates, bytes of any length, lists with duplicates: what a
program that reads systems could come to hold.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

EDGES = [0, 1, 2**15, 2**31, 2**32, 2**63, 2**64, 2**70, 2**63 * 10**9, 12_000_000_000 * 10**9]
integers = st.integers() | st.sampled_from(
    [sign * edge + step for edge in EDGES for sign in (1, -1) for step in (-1, 0, 1)]
)
texts = st.text(max_size=12) | st.text(st.characters(), max_size=6) | st.just("a" * 300)
blobs = (
    st.binary(max_size=40)
    | st.binary(min_size=32, max_size=32)
    | st.sampled_from([b"", bytes(32), b"a/b", b"../a", b"/", b"\0", b"a" * 65_537])
)
surprises: st.SearchStrategy[Any] = (
    st.floats() | st.none() | st.booleans() | integers | texts | blobs | st.just(()) | st.just({})
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation of the model."""
    if isinstance(kind, NewType):
        return values_of(kind.__supertype__)
    if kind is object or _names_value(kind):
        return surprises
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(one) for one in arguments])
    if (origin in (tuple, Sequence) and len(arguments) == 2 and arguments[1] is Ellipsis) or origin is Sequence:
        return st.lists(values_of(arguments[0]), max_size=12).map(tuple)
    if origin is tuple:
        return st.tuples(*[values_of(one) for one in arguments])
    if origin is Mapping:
        return st.dictionaries(values_of(arguments[0]).filter(_hashable), values_of(arguments[1]), max_size=4)
    if kind is types.NoneType:
        return st.none()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return built(kind)
    raise NotImplementedError(f"no values of {kind!r}")


T = TypeVar("T")


def built(kind: type[T], /, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Instances of a dataclass; fields that are not given have any value."""
    hints = _hints(kind)
    drawn = {name: values_of(hint) for name, hint in hints.items() if name not in given}
    return st.builds(kind, **drawn, **given)


def mixed(legal: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """A legal value of which one field has any value that its type allows."""

    @st.composite
    def one(draw: st.DrawFn) -> T:
        value = draw(legal)
        if not dataclasses.is_dataclass(value):
            return value
        hints = _hints(type(value))
        name = draw(st.sampled_from(sorted(hints)))
        changed: T = dataclasses.replace(value, **{name: draw(values_of(hints[name]))})  # type: ignore[type-var]
        return changed

    return one()


_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: integers | integers | integers | st.floats(),
    str: texts,
    bytes: blobs,
    bool: st.booleans(),
}


def _names_value(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and any(get_origin(one) is Mapping for one in get_args(kind))


def _hints(kind: type[Any]) -> dict[str, Any]:
    """The codec's Value names itself, so its parts are looked up here."""
    return get_type_hints(kind, localns={"Mapping": Mapping, "Value": object})


def _hashable(value: object) -> bool:
    return isinstance(value, str | int | bytes | float | None)
