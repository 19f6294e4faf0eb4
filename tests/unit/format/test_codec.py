"""The canonical encoding and typed access: spec 10-encoding."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import codec
from vault.format.codec import Record, Row, Value
from vault.limits import NESTING_DEPTH_MAX

BYTES_MAX = 1 << 20
MIB = 1 << 20


def decode(data: bytes) -> Value:
    return codec.decode(data, what="value", bytes_max=BYTES_MAX)


def nested(depth: int, innermost: bytes) -> bytes:
    return b"\x91" * depth + innermost


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "c0"),
        (True, "c3"),
        (127, "7f"),
        (128, "cc80"),
        (-32, "e0"),
        (-33, "d0df"),
        (2**64 - 1, "cfffffffffffffffff"),
        (-(2**63), "d38000000000000000"),
        (b"", "c400"),
        (b"\x00", "c40100"),
        ("é", "a2c3a9"),
        ("x" * 32, "d920" + "78" * 32),
        ((), "90"),
        ({}, "80"),
        ({"b": 1, "a": (2,)}, "82" + "a161" + "9102" + "a162" + "01"),
        ({"é": 1, "z": 2}, "82" + "a17a" + "02" + "a2c3a9" + "01"),
    ],
)
def test_value_has_one_form(value: Value, data: str) -> None:
    assert codec.encode(value).hex() == data
    assert decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("nothing", ""),
        ("reserved byte", "c1"),
        ("bytes after the value", "0000"),
        ("half a value", "a261"),
        ("float32", "ca00000000"),
        ("float64 inside an array", "91cb0000000000000000"),
        ("extension", "d40100"),
        ("timestamp", "d6ff00000000"),
        ("float as a map value", "81a161ca00000000"),
        ("long integer", "cc01"),
        ("signed form of a positive integer", "d001"),
        ("long text", "d90161"),
        ("long bytes", "c5000161"),
        ("long array", "dc000100"),
        ("long map", "de0000"),
        ("keys descend", "82a16201a16101"),
        ("key twice", "82a16101a16101"),
        ("key is an integer", "810101"),
        ("key is bytes", "81c4016101"),
        ("key is an array", "819001"),
        ("key is nil", "81c001"),
        ("text is not UTF-8", "a1ff"),
        ("text has a surrogate", "a3eda080"),
        ("text longer than all", "dbffffffff61"),
    ],
)
@pytest.mark.spec("ENC-8")
def test_any_other_form_is_malformed(fault: str, data: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(data))


@pytest.mark.spec("ENC-6")
def test_nesting_is_bounded_on_both_sides() -> None:
    assert codec.encode(decode(nested(16, b"\xc0"))) == nested(16, b"\xc0")
    for data in (nested(17, b"\xc0"), nested(16, b"\x90"), nested(16, b"\x80"), nested(5000, b"\xc0")):
        with pytest.raises(LimitExceeded):
            decode(data)


@pytest.mark.spec("ENC-6")
@pytest.mark.parametrize("enclose", [lambda value: (value,), lambda value: [value], lambda value: {"k": value}])
def test_what_is_nested_too_deep_is_not_written(enclose: Callable[[Value], Value]) -> None:
    value: Value = None
    for _ in range(NESTING_DEPTH_MAX):
        value = enclose(value)
    codec.encode(value)
    with pytest.raises(LimitExceeded):
        codec.encode(enclose(value))


@pytest.mark.spec("ENC-9")
def test_length_is_bounded_before_parsing() -> None:
    with pytest.raises(LimitExceeded):
        codec.decode(b"\xc1" * 11, what="value", bytes_max=10)


def test_counts_that_cannot_be_take_no_memory() -> None:
    """100 nested arrays that each claim a million elements would take 800 MB if they were believed."""
    claims = (b"\xdd" + (1_000_000).to_bytes(4, "big")) * 100
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError):
            decode(claims + bytes(1_000_000))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 32 * MIB


@pytest.mark.spec("ENC-7")
def test_bytes_after_the_value_are_named() -> None:
    with pytest.raises(Malformed, match="bytes after the value"):
        decode(b"\x01\x02")


@pytest.mark.parametrize("value", [1.5, 2**64, -(2**63) - 1, "\ud800", {1: 2}, object(), bytearray(b"x")])
def test_encode_refuses_what_the_format_does_not_have(value: Value) -> None:
    with pytest.raises(Malformed):
        codec.encode(value)


# --- records ---------------------------------------------------------------------------------------


@pytest.mark.spec("ENC-10")
def test_record_refuses_unknown_fields_except_ancillary_ones() -> None:
    record = Record({"a": 1, "_new": 2}, what="thing")
    assert record.integer("a") == 1
    assert record.finish() == {"_new": 2}
    record = Record({"a": 1, "b": 2}, what="thing")
    record.integer("a")
    with pytest.raises(Unsupported, match=r"thing.*'b'"):
        record.finish()


@pytest.mark.spec("ENC-11")
def test_record_refuses_a_missing_field() -> None:
    with pytest.raises(Malformed, match="thing: field a is missing"):
        Record({}, what="thing").text("a")


@pytest.mark.spec("ENC-12")
@pytest.mark.parametrize("value", [None, True, 5, b"bytes", "text", (1,), {"k": 1}])
def test_getters_refuse_values_of_another_kind(value: Value) -> None:
    kinds = {
        "text": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "blob": isinstance(value, bytes),
        "flag": isinstance(value, bool),
        "array": isinstance(value, tuple),
        "map": isinstance(value, dict),
        "record": isinstance(value, dict),
        "optional_text": value is None or isinstance(value, str),
        "optional_blob": value is None or isinstance(value, bytes),
        "optional_record": value is None or isinstance(value, dict),
    }
    for getter, fits in kinds.items():
        record = Record({"k": value}, what="thing")
        if fits:
            getattr(record, getter)("k")
        else:
            with pytest.raises(Malformed, match="thing: k"):
                getattr(record, getter)("k")


@pytest.mark.spec("ENC-12")
@pytest.mark.parametrize("value", [None, True, 5, -1, b"bytes", "text", ("a",), (1,), {"k": 1}])
def test_getters_of_a_row_refuse_values_of_another_kind(value: Value) -> None:
    kinds = {
        "text": isinstance(value, str),
        "integer": value == 5,
        "blob": isinstance(value, bytes),
        "flag": isinstance(value, bool),
        "array": isinstance(value, tuple),
        "texts": value == ("a",),
    }
    optional = {f"optional_{kind}": fits or value is None for kind, fits in kinds.items() if kind != "array"}
    for getter, fits in (kinds | optional).items():
        row = Row((value,), length=1, what="thing")
        if fits:
            assert getattr(row, getter)() == value
        else:
            with pytest.raises(Malformed, match=r"^thing: "):
                getattr(row, getter)()


@pytest.mark.spec("ENC-12")
def test_integers_and_bytes_out_of_range_are_malformed() -> None:
    for low, high in ((0, 4), (6, 9)):
        with pytest.raises(Malformed):
            Record({"k": 5}, what="thing").integer("k", low, high)
    with pytest.raises(Malformed):
        Record({"k": -1}, what="thing").integer("k")
    with pytest.raises(Malformed):
        Record({"k": b"abc"}, what="thing").blob("k", 4)
    with pytest.raises(Malformed):
        Record({"k": ("a", 1)}, what="thing").texts("k")


def test_messages_never_show_a_value() -> None:
    with pytest.raises(Malformed) as caught:
        Record({"k": "secret"}, what="thing").integer("k")
    assert "secret" not in str(caught.value) + caught.value.why


def test_row_refuses_another_number_of_fields() -> None:
    for fields in ((), (1,), (1, 2, 3)):
        with pytest.raises(Malformed):
            Row(fields, length=2, what="pair")
    row = Row((1, None, 2, None), length=4, what="four")
    assert (row.integer(), row.optional_text()) == (1, None)
    assert (row.optional_integer(), row.optional_integer()) == (2, None)
