"""Every encoding: it comes back equal, it is the only one of its value, and hostile bytes end in an IntegrityError."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.layouts import FIXED_LAYOUTS, LAYOUTS, accepts_only_canonical
from vault.errors import IntegrityError
from vault.format import codec, pack
from vault.format.codec import Value

every_layout = pytest.mark.parametrize("name", list(LAYOUTS))
few = settings(max_examples=60, deadline=None)


@every_layout
@few
@given(data=st.data())
def test_value_comes_back_equal(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    value = data.draw(layout.values)
    assert layout.decode(layout.encode(value)) == value


@every_layout
@few
@given(data=st.data())
def test_flipped_bit_is_refused_or_the_only_form_of_another_value(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    value = data.draw(layout.values)
    encoded = bytearray(layout.encode(value))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    if accepts_only_canonical(layout, bytes(encoded)):
        assert layout.decode(bytes(encoded)) != value


@every_layout
@few
@given(data=st.data())
def test_truncated_encoding_is_refused(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    encoded = layout.encode(data.draw(layout.values))
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(IntegrityError):
        layout.decode(encoded[:end])


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in FIXED_LAYOUTS])
@few
@given(data=st.data())
def test_encoding_with_a_tail_is_refused(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    encoded = layout.encode(data.draw(layout.values))
    with pytest.raises(IntegrityError):
        layout.decode(encoded + data.draw(st.binary(min_size=1, max_size=90)))


@every_layout
@few
@given(noise=st.binary(max_size=300))
def test_noise_raises_nothing_but_integrity_errors(name: str, noise: bytes) -> None:
    layout = LAYOUTS[name]
    if name in FIXED_LAYOUTS:
        noise = noise[:12]
    accepts_only_canonical(layout, noise)


@every_layout
@few
@given(value=strategies.values)
def test_canonical_value_of_another_shape_raises_nothing_but_integrity_errors(name: str, value: Value) -> None:
    layout = LAYOUTS[name]
    encoded = codec.encode(value)
    if name not in FIXED_LAYOUTS:
        accepts_only_canonical(layout, encoded)
    for magic in (b"PGVAULTK", b"PGVAULTC"):
        if name in {"key slot", "config"}:
            accepts_only_canonical(layout, magic + encoded)


@pytest.mark.parametrize(
    "name", ["key bundle", "schema entry", "schema order", "roles", "catalog", "manifest", "lease"]
)
@few
@given(data=st.data())
def test_changed_field_of_a_record_raises_nothing_but_integrity_errors(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    fields = codec.decode(layout.encode(data.draw(layout.values)), what="record", bytes_max=1 << 20)
    assert isinstance(fields, dict)
    key = data.draw(st.sampled_from(sorted(fields)))
    accepts_only_canonical(layout, codec.encode({**fields, key: data.draw(strategies.values)}))


@few
@given(data=st.data())
def test_trailer_comes_back_and_fits_no_other_place(data: st.DataObject) -> None:
    header = data.draw(strategies.pack_headers)
    records = data.draw(strategies.tiled_records(header.pack_class))
    pad = data.draw(st.integers(0, 1000))
    end = (records[-1].offset + records[-1].length if records else pack.HEADER_BYTES) + pad
    if not records:
        with pytest.raises(IntegrityError):
            pack.encode_trailer(records, header=header, pad=pad)
        return
    plain = pack.encode_trailer(records, header=header, pad=pad)
    assert pack.decode_trailer(plain, header=header, trailer_offset=end) == records
    other = data.draw(st.integers(0, 2 * end).filter(lambda offset: offset != end))
    with pytest.raises(IntegrityError):
        pack.decode_trailer(plain, header=header, trailer_offset=other)
