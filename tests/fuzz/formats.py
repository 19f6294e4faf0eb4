"""The decoders of the format, each beside that of spec/reader.py: what one takes the other takes, and it is canonical."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final

from hypothesis import strategies as st

from spec import reader
from tests.fuzz.target import SEED_BYTES_MAX, Target, accepted, drawn
from tests.layouts import FIXED_LAYOUTS, LAYOUTS, Layout, accepts_only_canonical
from tests.vectors import by_vault
from tests.vectors.stored import Vector, load
from vault.errors import IntegrityError
from vault.format import codec, kit, pack
from vault.model import Codec, ObjectType
from vault.pipeline.compress import compress, compress_delta, decompress, frame_length

Decode = Callable[[bytes], Any]

FIXED_BYTES: Final = {"pack header": 68, "envelope header": 44, "footer": 12}
UPKEEP: Final = {
    "lease": reader.LEASE, "sweep": reader.SWEEP, "forgotten": reader.FORGOTTEN, "check": reader.CHECK, "pin": reader.PIN,
    "findings": reader.FINDINGS, "ack": reader.ACK, "drill": reader.DRILL,
}  # fmt: skip
READERS: Final[Mapping[str, Decode]] = {
    "codec": lambda data: reader.decode(data, "value", 1 << 20),
    "object record": reader.decode_record,
    "pack header": lambda data: reader.check_pack_header(data, None, None),
    "footer": lambda data: reader.decode_footer(data, 11_000),
    "fragment": reader.decode_fragment,
    "key bundle": reader.decode_bundle,
    "key slot": reader.decode_slot,
    "config": lambda data: reader.decode_config(_without_magic(data)),
    "schema entry": reader.decode_entry,
    "schema order": reader.decode_order,
    "roles": reader.decode_roles,
    "catalog": reader.decode_catalog,
    "ledger": reader.decode_ledger,
    "manifest": reader.decode_manifest,
    **{name: partial(reader.decode_upkeep, kind=kind) for name, kind in UPKEEP.items()},
}
"""Layout -> what the reader of the spec has for it. Of items of lists it has none: they are compared inside of nodes."""
VECTORS: Final = {
    "codec": "encoding", "object record": "record", "fragment": "index", "key bundle": "bundle", "key slot": "slot",
    "config": "config", "schema entry": "entry", "schema order": "order", "roles": "roles", "catalog": "catalog",
    "ledger": "ledger", "manifest": "snapshot", "kit": "kit", "node": "node", **dict.fromkeys(UPKEEP, "upkeep"),
}  # fmt: skip
MAGIC: Final = {"key slot": b"PGVAULTK", "config": b"PGVAULTC"}
NODES: Final = {kind.name.lower().replace("_", " "): kind for kind in by_vault.FORMS}


def formats() -> Iterator[Target]:
    for name in LAYOUTS:
        is_bytes = name in FIXED_LAYOUTS or name == "object record"
        yield Target(
            name=name,
            run=partial(layout, name),
            seeds=partial(_layout_seeds, name),
            magic=None if is_bytes else MAGIC.get(name, b""),
        )
    for name, kind in NODES.items():
        seeds = partial(_node_seeds, kind)
        yield Target(name=name, run=partial(node, kind), seeds=seeds, magic=b"")
    yield Target(name="trailer", run=trailer, seeds=lambda: [_trailer()["plain"]], magic=b"")
    yield Target(name="kit", run=recovery_kit, seeds=partial(_vector_data, "kit"))
    yield Target(name="zstd", run=frame, seeds=_frames)
    yield Target(name="zstd delta", run=delta, seeds=lambda: [compress_delta(BASE[40:] + b"more", BASE)])


def layout(name: str, data: bytes) -> None:
    """It is taken by both or by none, and only if it is what its value encodes to, but for ancillary fields, which a reader drops."""
    data = data[: FIXED_BYTES.get(name, len(data))]
    accepts = _accepts if _has_ancillary(data.removeprefix(MAGIC.get(name, b""))) else accepts_only_canonical
    ours = accepts(LAYOUTS[name], data)
    if name in READERS:
        agree(ours, READERS[name], data, may_limit=name == "key slot")


def _has_ancillary(data: bytes) -> bool:
    """Whether a key in it starts with an underscore."""
    try:
        waiting = [codec.decode(data, what="input", bytes_max=len(data))]
    except IntegrityError:
        return False
    for value in waiting:
        if isinstance(value, tuple):
            waiting += value
        elif isinstance(value, Mapping):
            waiting += value.values()
            if any(key.startswith("_") for key in value):
                return True
    return False


def _accepts(layout: Layout, data: bytes) -> bool:
    try:
        value = layout.decode(data)
    except IntegrityError:
        return False
    assert accepts_only_canonical(layout, layout.encode(value))
    return True


def agree(ours: bool, theirs: Decode, data: bytes, *, may_limit: bool = False) -> None:
    """`may_limit`: the reader refuses at once what we refuse where it is used."""
    layer = None
    try:
        theirs(data)
    except reader.Refused as refused:
        layer = refused.layer
    assert (layer is None) == ours or (may_limit and layer == "limit"), f"ours {ours}, the reader's {layer}"


def node(kind: ObjectType, data: bytes) -> None:
    ours = accepted(lambda plain: by_vault.open_node({"data": plain, "node_type": int(kind)}), data, IntegrityError)
    agree(ours, partial(reader.decode_node, node_type=int(kind)), data)


@cache
def _trailer() -> Mapping[str, Any]:
    return next(vector for vector in _vectors("pack_trailer") if vector.expect == "ok").inputs()


def trailer(data: bytes) -> None:
    header, offset = _trailer()["header"], _trailer()["trailer_offset"]
    decoded = pack.decode_header(header)
    ours = accepted(
        lambda plain: pack.decode_trailer(plain, header=decoded, trailer_offset=offset), data, IntegrityError
    )
    agree(ours, partial(reader.decode_trailer, header=header, trailer_offset=offset), data)


def recovery_kit(data: bytes) -> None:
    """Its lines may be broken and have others between them, so the value is what comes back."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        found = kit.decode_kit(text)
    except IntegrityError:
        agree(False, reader.decode_kit, data)
        return
    assert kit.decode_kit(kit.encode_kit(found.repository, found.secret, found.slot)) == found
    agree(True, reader.decode_kit, data, may_limit=True)


BASE: Final = bytes(range(256)) * 8


def frame(data: bytes) -> None:
    """Two libraries of zstd: both take a frame and make the same of it, or none does."""
    _same_plain(data, Codec.ZSTD, None)


def delta(data: bytes) -> None:
    _same_plain(data, Codec.ZSTD_DELTA, BASE)


def _same_plain(data: bytes, way: Codec, base: bytes | None) -> None:
    ours = theirs = None
    try:
        length = frame_length(data)
        ours = decompress(data, way, plain_length=length, base=base)
        assert len(ours) == length
    except IntegrityError:
        pass
    try:
        theirs = reader.decompress(data, None, reader.FILE_BYTES_MAX, base)
    except reader.Refused:
        pass
    assert ours == theirs, "the two make something else of it"


# --- what to begin with ----------------------------------------------------------------------------


def _without_magic(data: bytes) -> bytes:
    reader.need(data[:8] == b"PGVAULTC", "no magic")
    return data[8:]


@cache
def _vectors(kind: str) -> tuple[Vector, ...]:
    return tuple(vector for vector in load() if vector.kind == kind)


def _vector_data(kind: str, wanted: Callable[[Mapping[str, Any]], bool] = lambda inputs: True) -> list[bytes]:
    inputs = [vector.inputs() for vector in _vectors(kind) if len(str(vector.stored_input)) < 4 * SEED_BYTES_MAX]
    found = [bytes(one.get("data") or one.get("record") or b"") for one in inputs if wanted(one)]
    return [data for data in found if len(data) <= SEED_BYTES_MAX]


def _node_seeds(kind: ObjectType) -> list[bytes]:
    return _vector_data("node", lambda inputs: inputs["node_type"] == kind)


def _layout_seeds(name: str) -> Iterable[bytes]:
    made = drawn(LAYOUTS[name].values, LAYOUTS[name].encode)
    if name not in VECTORS:
        return made
    if name in UPKEEP:
        return [*made, *_vector_data("upkeep", lambda inputs: inputs["file_kind"] == UPKEEP[name])]
    stored = _vector_data(VECTORS[name])
    return [*made, *(data[:-32] for data in stored)] if name == "config" else [*made, *stored]


def _frames() -> list[bytes]:
    plains = [b"", b"a", b"ab" * 500, *drawn(st.binary(max_size=600), bytes, count=10)]
    return [compress(plain + bytes(200))[1] for plain in plains]
