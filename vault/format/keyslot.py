"""Key bundle and key slot. Spec 20-keys.

Never derives or unwraps. Invariant: `slot_aad` of a decoded slot is what its writer authenticated, ancillary fields
included.
"""

from __future__ import annotations

from typing import Final

from vault.errors import LimitExceeded, Malformed, Unsupported
from vault.format import codec
from vault.format.codec import Record, Value
from vault.format.names import hex_name, parse_hex_name
from vault.ids import RepositoryId, SlotId
from vault.limits import CUT_SEED_MAX, FORMAT_VERSION, SLOT_BYTES_MAX, TAG_BYTES
from vault.model import Kdf, KeyBundle, KeySlot

KEYS: Final = "keys"

_MAGIC: Final = b"PGVAULTK"
_KEY_BYTES: Final = 32
_LABEL_BYTES_MAX: Final = 200
_BUNDLE_KIND: Final = "full"
_KDF_NAME: Final = "argon2id"
_NEWER: Final = "a newer pgvault wrote it: update this one"


def encode_bundle(bundle: KeyBundle) -> bytes:
    """Raises as `decode_bundle`"""
    return codec.encode_proven(
        {"cut": bundle.cut_seed, "id": bundle.id_key, "kind": bundle.kind, "root": bundle.root}, decode_bundle
    )


def decode_bundle(data: bytes) -> KeyBundle:
    """Raises  Unsupported: a kind other than `full`; Malformed"""
    fields = Record.decode(data, what="key bundle", bytes_max=SLOT_BYTES_MAX)
    kind = fields.text("kind")
    if kind != _BUNDLE_KIND:
        raise Unsupported(f"key bundle: kind {kind[:40]!r}", hint=_NEWER)
    bundle = KeyBundle(
        id_key=fields.blob("id", _KEY_BYTES),
        root=fields.blob("root", _KEY_BYTES),
        cut_seed=fields.integer("cut", 1, CUT_SEED_MAX),
        kind=kind,
    )
    fields.finish()
    return bundle


def encode_slot(slot: KeySlot) -> bytes:
    """The whole file. Raises as `decode_slot`"""
    data = _MAGIC + codec.encode({**_bound_fields(slot), "wrapped": slot.wrapped})
    decode_slot(data)
    return data


def decode_slot(data: bytes) -> KeySlot:
    """Read a slot file. The KDF's parameters are bounded where they are used, in the derivation.

    Raises  Unsupported: newer version or derivation; LimitExceeded: the file is too large; Malformed
    """
    if len(data) > SLOT_BYTES_MAX:
        raise LimitExceeded(f"key slot: {len(data)} bytes, the limit is {SLOT_BYTES_MAX}")
    if not data.startswith(_MAGIC):
        raise Malformed("key slot: not a key slot")
    body = codec.decode(data[len(_MAGIC) :], what="key slot", bytes_max=SLOT_BYTES_MAX)
    fields = Record(body, what="key slot")
    version = fields.integer("version", 1)
    if version > FORMAT_VERSION:
        raise Unsupported(f"key slot: version {version}", hint=_NEWER)
    repository = RepositoryId(fields.blob("repository", 16))
    kdf_fields = fields.record("kdf")
    kdf = _decode_kdf(kdf_fields)
    label, created_ms, wrapped = fields.text("label"), fields.integer("created"), fields.blob("wrapped")
    ancillary: dict[str, Value] = dict(fields.finish())
    kdf_ancillary = kdf_fields.finish()
    if kdf_ancillary:
        ancillary["kdf"] = kdf_ancillary
    _check_label(label)
    if len(wrapped) <= TAG_BYTES:
        raise Malformed("key slot: wrapped bundle shorter than a tag")
    return KeySlot(
        repository=repository,
        kdf=kdf,
        label=label,
        created_ms=created_ms,
        wrapped=wrapped,
        ancillary=codec.encode(ancillary) if ancillary else b"",
    )


def slot_aad(slot: KeySlot) -> bytes:
    """What the wrapping binds: everything but `wrapped`."""
    return _MAGIC + codec.encode(_bound_fields(slot))


def slot_name(slot: SlotId) -> str:
    return hex_name(KEYS, slot)


def parse_slot_name(name: str) -> SlotId | None:
    """None for a name that is not a slot's."""
    identifier = parse_hex_name(KEYS, name)
    return None if identifier is None else SlotId(identifier)


def _bound_fields(slot: KeySlot) -> dict[str, Value]:
    ancillary: dict[str, Value] = {}
    if slot.ancillary:
        ancillary.update(
            codec.map_of(codec.decode(slot.ancillary, what="key slot", bytes_max=SLOT_BYTES_MAX), "key slot")
        )
    kdf: dict[str, Value] = dict(codec.map_of(ancillary.pop("kdf", {}), "key slot")) | {
        "lanes": slot.kdf.lanes,
        "memory": slot.kdf.memory_kib,
        "name": _KDF_NAME,
        "passes": slot.kdf.passes,
        "salt": slot.kdf.salt,
    }
    return ancillary | {
        "created": slot.created_ms,
        "kdf": kdf,
        "label": slot.label,
        "repository": slot.repository,
        "version": FORMAT_VERSION,
    }


def _decode_kdf(fields: Record) -> Kdf:
    name = fields.text("name")
    if name != _KDF_NAME:
        raise Unsupported(f"key slot: key derivation {name[:40]!r}", hint=_NEWER)
    return Kdf(
        passes=fields.integer("passes"),
        memory_kib=fields.integer("memory"),
        lanes=fields.integer("lanes"),
        salt=fields.blob("salt", _KEY_BYTES),
    )


def _check_label(label: str) -> None:
    if len(label.encode("utf-8", "surrogatepass")) > _LABEL_BYTES_MAX:
        raise Malformed(f"key slot: the label is longer than {_LABEL_BYTES_MAX} bytes")
