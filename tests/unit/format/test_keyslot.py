"""Key bundle and key slot: spec 20-keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import codec, keyslot
from vault.format.codec import Value
from vault.ids import RepositoryId, SlotId
from vault.limits import SLOT_BYTES_MAX
from vault.model import Kdf, KeyBundle, KeySlot

BUNDLE = KeyBundle(id_key=b"i" * 32, root=b"r" * 32, cut_seed=7)
SLOT = KeySlot(
    repository=RepositoryId(b"\x22" * 16),
    kdf=Kdf(passes=3, memory_kib=65536, lanes=4, salt=b"s" * 32),
    label="laptop",
    created_ms=1_700_000_000_000,
    wrapped=b"w" * 120,
)
KDF_FIELDS: dict[str, Value] = {"lanes": 4, "memory": 65536, "name": "argon2id", "passes": 3, "salt": b"s" * 32}
BOUND_FIELDS: dict[str, Value] = {
    "created": 1_700_000_000_000,
    "kdf": KDF_FIELDS,
    "label": "laptop",
    "repository": b"\x22" * 16,
    "version": 1,
}


def slot_file(**changes: Any) -> bytes:
    fields = {**BOUND_FIELDS, "wrapped": b"w" * 120, **changes}
    return b"PGVAULTK" + codec.encode({key: value for key, value in fields.items() if value is not ...})


def bundle(**changes: Any) -> bytes:
    fields = {"cut": 7, "id": b"i" * 32, "kind": "full", "root": b"r" * 32, **changes}
    return codec.encode({key: value for key, value in fields.items() if value is not ...})


def test_bundle_has_the_layout_of_the_spec() -> None:
    assert keyslot.encode_bundle(BUNDLE) == bundle()
    assert keyslot.decode_bundle(bundle()) == BUNDLE


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kind": "append-only"}, Unsupported),
        ({"kind": "append-only", "write": b"x"}, Unsupported),
        ({"kind": 1}, Malformed),
        ({"cut": 0}, Malformed),
        ({"cut": 2**63}, Malformed),
        ({"id": b"i" * 31}, Malformed),
        ({"root": b"r" * 33}, Malformed),
        ({"root": ...}, Malformed),
        ({"extra": 1}, Unsupported),
    ],
)
@pytest.mark.spec("KEY-1")
def test_damaged_bundle_is_refused(changes: dict[str, Any], error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        keyslot.decode_bundle(bundle(**changes))


def test_slot_has_the_layout_of_the_spec() -> None:
    assert keyslot.encode_slot(SLOT) == slot_file()
    assert keyslot.decode_slot(slot_file()) == SLOT


@pytest.mark.spec("KEY-3")
def test_aad_is_magic_and_record_without_wrapped() -> None:
    assert keyslot.slot_aad(SLOT) == b"PGVAULTK" + codec.encode(BOUND_FIELDS)


def test_ancillary_fields_stay_in_the_aad() -> None:
    kdf: dict[str, Value] = {**KDF_FIELDS, "_hint": "x"}
    slot = keyslot.decode_slot(slot_file(_note="n", kdf=kdf))
    assert (slot.label, slot.kdf) == (SLOT.label, SLOT.kdf)
    assert keyslot.slot_aad(slot) == b"PGVAULTK" + codec.encode({**BOUND_FIELDS, "_note": "n", "kdf": kdf})
    assert keyslot.encode_slot(slot) == slot_file(_note="n", kdf=kdf)


@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("magic", b"PGVAULTC" + slot_file()[8:], Malformed),
        ("version 2", slot_file(version=2), Unsupported),
        ("version 2 of another shape", slot_file(version=2, kdf=...), Unsupported),
        ("version 0", slot_file(version=0), Malformed),
        ("another derivation", slot_file(kdf={**KDF_FIELDS, "name": "scrypt"}), Unsupported),
        ("unknown parameter", slot_file(kdf={**KDF_FIELDS, "x": 1}), Unsupported),
        ("salt is short", slot_file(kdf={**KDF_FIELDS, "salt": b"s"}), Malformed),
        ("unknown field", slot_file(x=1), Unsupported),
        ("label is long", slot_file(label="é" * 101), Malformed),
        ("repository is short", slot_file(repository=bytes(15)), Malformed),
        ("nothing wrapped", slot_file(wrapped=bytes(16)), Malformed),
        ("time is negative", slot_file(created=-1), Malformed),
        ("too large", slot_file(wrapped=bytes(SLOT_BYTES_MAX)), LimitExceeded),
    ],
)
def test_damaged_slot_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        keyslot.decode_slot(data)


def test_writer_refuses_long_label_and_large_slot() -> None:
    with pytest.raises(Malformed):
        keyslot.encode_slot(replace(SLOT, label="x" * 201))
    with pytest.raises(LimitExceeded):
        keyslot.encode_slot(replace(SLOT, wrapped=bytes(SLOT_BYTES_MAX)))


@pytest.mark.spec("KEY-2")
def test_name_is_lower_case_hex_below_keys() -> None:
    name = "keys/" + "ab" * 32
    assert keyslot.slot_name(SlotId(b"\xab" * 32)) == name
    assert keyslot.parse_slot_name(name) == b"\xab" * 32
    assert keyslot.parse_slot_name("keys/" + "AB" * 32) is None
