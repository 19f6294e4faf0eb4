"""Canonical msgpack: equal values have equal bytes. The only module that touches msgpack.

Never guesses: input that is not byte for byte what `encode` gives for the value read is refused. Decoding is bounded
before memory is taken: the input's length, then its structure (a skip that builds nothing), then its depth.
Invariant: `encode(decode(b)) == b`. Spec 10-encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import msgpack  # type: ignore[import-untyped]

from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.limits import NESTING_DEPTH_MAX

Value: TypeAlias = "bool | int | bytes | str | tuple[Value, ...] | Mapping[str, Value] | None"

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**64 - 1
POSITIVE_MAX: Final = 2**63 - 1
"""Bound of counts, sizes and times that the spec does not bound otherwise."""

_SCALARS: Final = frozenset({type(None), bool, int, bytes, str})


def encode(value: Value) -> bytes:
    """Write `value` in canonical form.

    Raises  Malformed: a kind that the format does not have, an integer out of range, text that is not valid Unicode;
            LimitExceeded: nested too deeply
    """
    try:
        packed = msgpack.packb(_canonical(value, NESTING_DEPTH_MAX), use_bin_type=True)
    except (OverflowError, ValueError) as error:
        raise Malformed("a value cannot be encoded", why=type(error).__name__) from error
    assert isinstance(packed, bytes)
    return packed


def proven(value: Value, decode_value: Callable[[Value], object]) -> Value:
    """`value`, unless its own decoder refuses it: what no reader takes must never be written [ENC-13]. Raises as it"""
    decode_value(value)
    return value


def encode_proven(value: Value, decode_bytes: Callable[[bytes], object]) -> bytes:
    """As `encode`, and as `proven` over the bytes. Raises as both"""
    data = encode(value)
    decode_bytes(data)
    return data


def decode(data: bytes, *, what: str, bytes_max: int) -> Value:
    """Read one canonical value; `what` names it in messages. Arrays are tuples.

    Raises  LimitExceeded: longer than `bytes_max`, nested too deeply; Malformed: anything else
    """
    if len(data) > bytes_max:
        raise LimitExceeded(f"{what}: {len(data)} bytes, the limit is {bytes_max}")
    try:
        _skim(data, what)
        value = msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_ascending_map,
            unicode_errors="strict",
        )
        _refuse_foreign(value, what)
        same = msgpack.packb(value, use_bin_type=True) == data
    except IntegrityError:
        raise
    except msgpack.StackError as error:
        raise LimitExceeded(f"{what}: nested deeper than {NESTING_DEPTH_MAX}") from error
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise Malformed(f"{what}: not valid msgpack", why=type(error).__name__) from error
    if not same:
        raise Malformed(f"{what}: not in canonical form")
    checked: Value = value
    return checked


def decode_own(data: bytes) -> Value:
    """A value that this program encoded, and that was authenticated since: taken without the proofs of `decode`.

    Raises  Malformed: it is not msgpack
    """
    try:
        value: Value = msgpack.unpackb(data, use_list=False, raw=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Malformed("not valid msgpack", why=type(error).__name__) from error
    return value


def _canonical(value: Value, depth_left: int) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth_left == 0:
        raise LimitExceeded(f"a value is nested deeper than {NESTING_DEPTH_MAX}")
    if isinstance(value, tuple | list):
        return [_canonical(item, depth_left - 1) for item in value]
    if isinstance(value, Mapping):
        if not all(type(key) is str for key in value):
            raise Malformed("a map has a key that is not text")
        return {key: _canonical(value[key], depth_left - 1) for key in sorted(value)}
    raise Malformed(f"the format has no {kind.__name__}")


def _skim(data: bytes, what: str) -> None:
    """Prove that `data` is one whole value, so that no count in it is larger than what follows."""
    unpacker = msgpack.Unpacker(max_buffer_size=max(len(data), 1))
    unpacker.feed(data)
    unpacker.skip()
    if unpacker.tell() != len(data):
        raise Malformed(f"{what}: bytes after the value")


def _ascending_map(pairs: Sequence[tuple[object, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    last: str | None = None
    for key, value in pairs:
        if type(key) is not str:
            raise Malformed("a map has a key that is not text")
        if last is not None and key <= last:
            raise Malformed("keys of a map do not ascend")
        result[key] = value
        last = key
    return result


def _refuse_foreign(value: object, what: str) -> None:
    """Refuse floats, extension types and deep nesting, which survive a round trip through msgpack."""
    layer = [value]
    containers = 0
    while layer:
        inner: list[object] = []
        nested = False
        for item in layer:
            if isinstance(item, dict):
                inner.extend(item.values())
                nested = True
            elif type(item) is tuple:
                inner.extend(item)
                nested = True
            elif type(item) not in _SCALARS:
                raise Malformed(f"{what}: a kind of value that the format does not have")
        containers += nested
        if containers > NESTING_DEPTH_MAX:
            raise LimitExceeded(f"{what}: nested deeper than {NESTING_DEPTH_MAX}")
        layer = inner


# --- typed access ----------------------------------------------------------------------------------


def text_of(value: Value, what: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{what}: not text")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Malformed(f"{what}: text that is not valid Unicode") from error
    return value


def integer_of(value: Value, what: str, *, low: int = 0, high: int = POSITIVE_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"{what}: not an integer")
    if not low <= value <= high:
        raise Malformed(f"{what}: out of range")
    return value


def blob_of(value: Value, what: str, *, length: int | None = None) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed(f"{what}: not bytes")
    if length is not None and len(value) != length:
        raise Malformed(f"{what}: {len(value)} bytes instead of {length}")
    return value


def flag_of(value: Value, what: str) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"{what}: not a boolean")
    return value


def array_of(value: Value, what: str) -> tuple[Value, ...]:
    if not isinstance(value, tuple):
        raise Malformed(f"{what}: not an array")
    return value


def texts_of(value: Value, what: str) -> tuple[str, ...]:
    return tuple(text_of(item, what) for item in array_of(value, what))


def map_of(value: Value, what: str) -> Mapping[str, Value]:
    if not isinstance(value, Mapping):
        raise Malformed(f"{what}: not a map")
    return value


def ascend(values: Sequence[str] | Sequence[bytes] | Sequence[int]) -> bool:
    """Whether `values` ascend strictly, so that each is there once."""
    return all(before < following for before, following in pairwise(values))  # type: ignore[operator]


class Record:
    """A map whose keys the spec names. Read every field, then call `finish`, which refuses the others.

    Every getter raises Malformed if the key is missing or its value is of another kind or out of range.
    """

    def __init__(self, value: Value, *, what: str) -> None:
        self._what = what
        self._left: dict[str, Value] = dict(map_of(value, what))

    @classmethod
    def decode(cls, data: bytes, *, what: str, bytes_max: int) -> Record:
        """The map that `data` is. Raises as `codec.decode`"""
        return cls(decode(data, what=what, bytes_max=bytes_max), what=what)

    def finish(self) -> Mapping[str, Value]:
        """Return the ancillary fields. Raises Unsupported: a field that this program does not know."""
        for key in self._left:
            if not key.startswith("_"):
                raise Unsupported(
                    f"{self._what}: unknown field {key[:40]!r}", hint="a newer pgvault wrote it: update this one"
                )
        return self._left

    def value(self, key: str) -> Value:
        try:
            return self._left.pop(key)
        except KeyError:
            raise Malformed(f"{self._what}: field {key} is missing") from None

    def text(self, key: str) -> str:
        value = self.value(key)
        if (
            type(value) is str and value.isascii()
        ):  # before the name is made, which only a refusal shows: a list has thousands
            return value
        return text_of(value, self._name(key))

    def integer(self, key: str, low: int = 0, high: int = POSITIVE_MAX) -> int:
        value = self.value(key)
        if type(value) is int and low <= value <= high:
            return value
        return integer_of(value, self._name(key), low=low, high=high)

    def blob(self, key: str, length: int | None = None) -> bytes:
        return blob_of(self.value(key), self._name(key), length=length)

    def flag(self, key: str) -> bool:
        return flag_of(self.value(key), self._name(key))

    def array(self, key: str) -> tuple[Value, ...]:
        return array_of(self.value(key), self._name(key))

    def texts(self, key: str) -> tuple[str, ...]:
        return texts_of(self.value(key), self._name(key))

    def map(self, key: str) -> Mapping[str, Value]:
        return map_of(self.value(key), self._name(key))

    def record(self, key: str) -> Record:
        return Record(self.value(key), what=self._name(key))

    def optional_text(self, key: str) -> str | None:
        value = self.value(key)
        return None if value is None else text_of(value, self._name(key))

    def optional_blob(self, key: str, length: int | None = None) -> bytes | None:
        value = self.value(key)
        return None if value is None else blob_of(value, self._name(key), length=length)

    def optional_record(self, key: str) -> Record | None:
        value = self.value(key)
        return None if value is None else Record(value, what=self._name(key))

    def _name(self, key: str) -> str:
        return f"{self._what}: {key}"


class Row:
    """An array of exactly `length` fields, read from left to right with the getters of Record."""

    def __init__(self, value: Value, *, length: int, what: str) -> None:
        fields = array_of(value, what)
        if len(fields) != length:
            raise Malformed(f"{what}: {len(fields)} fields instead of {length}")
        self._what = what
        self._rest = iter(fields)

    def value(self) -> Value:
        return next(self._rest)

    def text(self) -> str:
        return text_of(next(self._rest), self._what)

    def integer(self, low: int = 0, high: int = POSITIVE_MAX) -> int:
        return integer_of(next(self._rest), self._what, low=low, high=high)

    def blob(self, length: int | None = None) -> bytes:
        return blob_of(next(self._rest), self._what, length=length)

    def flag(self) -> bool:
        return flag_of(next(self._rest), self._what)

    def array(self) -> tuple[Value, ...]:
        return array_of(next(self._rest), self._what)

    def texts(self) -> tuple[str, ...]:
        return texts_of(next(self._rest), self._what)

    def optional_integer(self) -> int | None:
        value = next(self._rest)
        return None if value is None else integer_of(value, self._what)

    def optional_text(self) -> str | None:
        value = next(self._rest)
        return None if value is None else text_of(value, self._what)

    def optional_texts(self) -> tuple[str, ...] | None:
        value = next(self._rest)
        return None if value is None else texts_of(value, self._what)

    def optional_flag(self) -> bool | None:
        value = next(self._rest)
        return None if value is None else flag_of(value, self._what)

    def optional_blob(self, length: int | None = None) -> bytes | None:
        value = next(self._rest)
        return None if value is None else blob_of(value, self._what, length=length)
