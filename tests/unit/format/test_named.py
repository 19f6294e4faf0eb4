"""A refusal begins with the name of what it refuses, and says how many fields a row has: spec 10-encoding.

One structure lies in another; without the name nobody could tell which of them is damaged.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vault.errors import IntegrityError
from vault.format import chunks, cluster, codec, config, keyslot, ledger, lists, notes, schema, snapshot, tree, upkeep
from vault.format.codec import Value
from vault.limits import NOTE_BYTES_MAX
from vault.model import State

ID = bytes(32)
LONG = "x" * (NOTE_BYTES_MAX + 1)
OK = next(iter(State)).value
NO_CHUNKS: Value = ((), None)
INSIDE: Value = (((ID, 1, True), (ID, 1, False)), None)
FILE: tuple[Value, ...] = (b"a", "f", 0, (0, 0), 0, (0, 0), 0, False, b"", NO_CHUNKS)
CHECK: dict[str, Value] = {"created": 0, "kind": "", "host": "", "objects": 0, "read_bytes": 0, "damage": ()}
DRILL: dict[str, Value] = {"created": 0, "duration": 0, "host": ""}
LEASE: dict[str, Value] = {"parent": None, "created": 0, "host": "", "pid": 0, "purpose": "", "source": ""}


@pytest.mark.parametrize(
    ("decode", "value", "said"),
    [
        (chunks.decode_list_ref, (), "list reference: 0 fields instead of 4"),
        (chunks.decode_chunk, (), "chunk: 0 fields instead of 3"),
        (chunks.decode_chunk_list, (), "chunk list: 0 fields instead of 2"),
        (lists.FILES.decode, 1, "file: not an array"),
        (lists.FILES.decode, (), "file: 0 fields instead of 10"),
        (lists.FILES.decode, (*FILE[:3], (), *FILE[4:]), "file: time: 0 fields instead of 2"),
        (lists.FILES.decode, (*FILE[:3], (0, 10**9), *FILE[4:]), "file: time: out of range"),
        (lists.FILES.decode, (*FILE[:4], 1, *FILE[5:]), "file: "),
        (lists.FILES.decode, (*FILE[:4], 2, *FILE[5:9], INSIDE), "file: a chunk that continues a row"),
        (lists.FILES.decode, (*FILE, 0), "file: stamp: not a map"),
        (lists.FILES.decode, (*FILE, {"attributes": {"a": 1}}), "file: attribute: not text"),
        (lists.EXTENTS.decode, (), "extent: 0 fields instead of 7"),
        (lists.EXTENTS.decode, (0, 1, 0, 1, NO_CHUNKS, (), None), "extent: "),
        (lists.TABLES.decode, (), "table: 0 fields instead of 14"),
        (lists.SEQUENCES.decode, (), "sequence: 0 fields instead of 4"),
        (lists.LARGE_OBJECTS.decode, (), "large object: 0 fields instead of 6"),
        (lists.LARGE_OBJECTS.decode, (1, "o", None, None, 1, NO_CHUNKS), "large object: "),
        (lists.LARGE_OBJECTS.decode, (1, "o", None, None, 2, INSIDE), "large object: a chunk that continues a row"),
        (lists.ENTRIES.decode, (), "entry: 0 fields instead of 3"),
        (schema.decode_identity, (), "identity: 0 fields instead of 5"),
        (tree.decode_child, (), "node: child: 0 fields instead of 5"),
    ],
)
def test_refused_row_is_named(decode: Callable[[Value], object], value: Value, said: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        decode(value)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("decode", "value", "said"),
    [
        (tree.decode_node, (), "node: 0 fields instead of 2"),
        (tree.decode_node, 1, "node: not an array"),
        (keyslot.decode_bundle, {}, "key bundle: field kind"),
        (ledger.decode_ledger, 1, "ledger: not a map"),
        (ledger.decode_ledger, {"a": ()}, "coverage: 0 fields instead of 3"),
        (ledger.decode_ledger, {"a": (OK, 0, ((),))}, "coverage: missing: 0 fields instead of 4"),
        (cluster.decode_roles, {}, "roles: field roles"),
        (cluster.decode_roles, {"roles": ((),)}, "role: 0 fields instead of 12"),
        (cluster.decode_roles, {"roles": (), "memberships": ((),)}, "membership: 0 fields instead of 6"),
        (cluster.decode_roles, {"roles": (), "memberships": (), "settings": ((),)}, "setting: 0 fields instead of 4"),
        (cluster.decode_catalog, {}, "catalog facts: field acls"),
        (cluster.decode_catalog, {"acls": ((),)}, "acl: 0 fields instead of 3"),
        (cluster.decode_catalog, {"acls": (), "edges": ((),)}, "catalog facts: 0 fields instead of 3"),
        (cluster.decode_catalog, {"acls": (), "edges": (), "policies": ((),)}, "policy: 0 fields instead of 4"),
        (schema.decode_entry, {}, "schema entry: field"),
        (schema.decode_order, {}, "schema order: field entries"),
        (schema.decode_order, {"entries": ((),)}, "schema order: 0 fields instead of 4"),
        (snapshot.decode_manifest, {}, "snapshot: field parent"),
        (snapshot.decode_manifest, {"parent": None, "database": None, "coverage": {"a": ()}}, "coverage: 0 fields"),
        (notes.decode_pin, {}, "pin: field created"),
        (notes.decode_pin, {"created": 0, "host": LONG}, "pin: host: a text of more"),
        (notes.decode_pin, {"created": 0, "host": "", "reason": LONG}, "pin: reason: a text of more"),
        (notes.decode_findings, {}, "findings: field findings"),
        (notes.decode_findings, {"findings": ((),), "created": 0, "holders": ()}, "finding: 0 fields instead of 3"),
        (
            notes.decode_findings,
            {"findings": (("", "", LONG),), "created": 0, "holders": ()},
            "finding: a text of more",
        ),
        (notes.decode_ack, {}, "acknowledgement: field created"),
        (notes.decode_ack, {"created": 0, "finding": ID, "host": LONG}, "acknowledgement: host: a text of more"),
        (notes.decode_ack, {"created": 0, "finding": ID, "host": "", "reason": LONG}, "acknowledgement: reason: a"),
        (notes.decode_drill, {}, "drill record: field created"),
        (notes.decode_drill, {**DRILL, "host": LONG}, "drill record: host: a text of more"),
        (notes.decode_drill, {**DRILL, "mismatches": (LONG,)}, "drill record: mismatches: a text of more"),
        (notes.decode_drill, {**DRILL, "mismatches": (), "not_checked": (LONG,)}, "drill record: not_checked: a text"),
        (notes.decode_check, {}, "check record: field packs"),
        (notes.decode_check, {"packs": ((),)}, "check record: packs: 0 fields instead of 3"),
        (notes.decode_check, {**CHECK, "packs": (), "host": LONG}, "check record: host: a text of more"),
        (
            notes.decode_check,
            {**CHECK, "packs": (), "closures": ((),)},
            "check record: closures: 0 fields instead of 3",
        ),
        (
            notes.decode_check,
            {**CHECK, "packs": (), "closures": ((ID, 0, (0,)),)},
            "check record: packs of a closure: out of range",
        ),
        (upkeep.decode_lease, {}, "lease: field parent"),
        (upkeep.decode_lease, {**LEASE, "packs": (1,)}, "lease: packs: not bytes"),
        (upkeep.decode_sweep, {}, "sweep: field created"),
        (upkeep.decode_sweep, {"created": 0, "packs": (ID[1:],)}, "sweep: packs: 31 bytes instead of 32"),
        (upkeep.decode_forgotten, {}, "forgotten record: field created"),
        (upkeep.decode_forgotten, {"created": 0, "snapshots": ((),)}, "forgotten snapshot: 0 fields instead of 4"),
    ],
)
def test_refused_file_or_object_is_named(decode: Callable[[bytes], object], value: Value, said: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        decode(codec.encode(value))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("decode", "data", "said"),
    [
        (config.decode_config, b"pgvault-config\0", "config: "),
        (keyslot.decode_slot, b"other", "key slot: not a key slot"),
    ],
)
def test_refused_start_is_named(decode: Callable[[bytes], object], data: bytes, said: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        decode(data)
    assert str(caught.value).startswith(said)
