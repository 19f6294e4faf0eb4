"""Manifest, schema, roles, catalog, ledger and upkeep records: field names and refusals: spec 60-snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import cluster, codec, ledger, schema, snapshot, upkeep
from vault.format.codec import Value
from vault.ids import ObjectId, PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import (
    CatalogFacts,
    Counts,
    Coverage,
    DatabasePart,
    Effort,
    FileKind,
    Forgotten,
    ForgottenSnapshot,
    Identity,
    Lease,
    ListRef,
    Manifest,
    Membership,
    Missing,
    OrderItem,
    ParameterAcl,
    Role,
    Roles,
    RoleSetting,
    SchemaEntry,
    Section,
    ServerFacts,
    State,
    Sums,
    Sweep,
    Tablespace,
    read_address,
)

ID = ObjectId(b"\xaa" * 32)
SERVER = ServerFacts(
    version_num=150018, version="15.18", system_id="7", database="app", database_oid=5, encoding="UTF8",
    in_recovery=False, timeline=1, postmaster_start="t", snapshot="s", horizon=2**64 - 1, next_xid=2, insert_lsn=3,
    flush_lsn=4, insert_lsn_before=5,
)  # fmt: skip
MANIFEST = Manifest(
    host="client",
    source="app",
    created_ms=1_700_000_000_000,
    sequence=1,
    parent=None,
    selection="all",
    tags={"name": "x"},
    program="pgvault 0.1",
    database=DatabasePart(
        server=SERVER, tables=ListRef(), entries=ListRef(root=ID, sums=Sums(items=1)), order=ID, roles=ID,
        catalog=ID, sequences=ListRef(), large_objects=ListRef(),
    ),
    directories={"edge_functions": ListRef()},
    ledger=ID,
    coverage={"schema": (State.CAPTURED, 3)},
    counts=Counts(tables=1, records=2, users=3, user_roles=4, rls_policies=5, rpc_functions=6, migrations=7,
                  edge_functions=8, encryption_functions=9),
    effort=Effort(read_bytes=1, new_bytes=2, extents=3, extents_reused=4, duration_ms=5),
)  # fmt: skip
EMPTY: Value = (None, 0, 0, 0)
MANIFEST_VALUE: dict[str, Value] = {
    "counts": {
        "edge_functions": 8, "encryption_functions": 9, "migrations": 7, "records": 2, "rls_policies": 5,
        "rpc_functions": 6, "tables": 1, "user_roles": 4, "users": 3,
    },
    "coverage": {"schema": ("captured", 3)},
    "created": 1_700_000_000_000,
    "database": {
        "catalog": ID, "entries": (ID, 1, 0, 0), "large_objects": EMPTY, "order": ID, "roles": ID,
        "sequences": EMPTY, "tables": EMPTY,
        "server": {
            "database": "app", "database_oid": 5, "encoding": "UTF8", "flush_lsn": 4, "horizon": 2**64 - 1,
            "in_recovery": False, "insert_lsn": 3, "insert_lsn_before": 5, "next_xid": 2, "postmaster_start": "t",
            "snapshot": "s", "system_id": "7", "timeline": 1, "version": "15.18", "version_num": 150018,
        },
    },
    "directories": {"edge_functions": EMPTY},
    "effort": {"duration": 5, "extents": 3, "extents_reused": 4, "new_bytes": 2, "read_bytes": 1},
    "host": "client",
    "ledger": ID,
    "origin": None,
    "parent": None,
    "program": "pgvault 0.1",
    "selection": "all",
    "sequence": 1,
    "source": "app",
    "suspect": "",
    "tags": {"name": "x"},
}  # fmt: skip


def manifest(**changes: Any) -> bytes:
    fields = {**MANIFEST_VALUE, **changes}
    return codec.encode({key: value for key, value in fields.items() if value is not ...})


def database(**changes: Any) -> Value:
    part = MANIFEST_VALUE["database"]
    assert isinstance(part, dict)
    return {**part, **changes}


def test_manifest_has_the_fields_of_the_spec() -> None:
    assert snapshot.encode_manifest(MANIFEST) == manifest()
    assert snapshot.decode_manifest(manifest()) == MANIFEST
    assert snapshot.decode_manifest(manifest(_later=1)) == MANIFEST
    assert snapshot.decode_manifest(manifest(parent=ID, database=None)) == replace(
        MANIFEST, parent=SnapshotId(ID), database=None
    )


@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("unknown field", manifest(x=1), Unsupported),
        ("unknown field of database", manifest(database=database(x=1)), Unsupported),
        ("unknown field of server", manifest(database=database(server={"x": 1})), IntegrityError),
        ("field missing", manifest(ledger=...), Malformed),
        ("sequence 0", manifest(sequence=0), Malformed),
        ("unknown state", manifest(coverage={"schema": ("done", 3)}), Malformed),
        ("count is negative", manifest(coverage={"schema": ("captured", -1)}), Malformed),
        ("counts lack one", manifest(counts={}), Malformed),
        ("parent is short", manifest(parent=b"x"), Malformed),
        ("tag is no text", manifest(tags={"a": 1}), Malformed),
        ("SNAP-2: directory name", manifest(directories={"../x": EMPTY}), Malformed),
        ("SNAP-2: directory name ends in a line", manifest(directories={"x\n": EMPTY}), Malformed),
        ("SNAP-2: no directory name", manifest(directories={"": EMPTY}), Malformed),
        ("TREE-1: directory", manifest(directories={"x": (None, 1, 0, 0)}), Malformed),
        ("too long", bytes(FILE_BYTES_MAX + 1), LimitExceeded),
    ],
)
def test_damaged_manifest_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        snapshot.decode_manifest(data)


def test_writer_refuses_directory_name_that_is_none() -> None:
    with pytest.raises(Malformed):
        snapshot.encode_manifest(replace(MANIFEST, directories={"Edge": ListRef()}))


@pytest.mark.spec("SNAP-1")
def test_snapshot_name_is_lower_case_hex() -> None:
    name = "snapshots/" + "ab" * 32
    assert snapshot.snapshot_name(SnapshotId(b"\xab" * 32)) == name
    assert snapshot.parse_snapshot_name(name) == b"\xab" * 32
    assert snapshot.parse_snapshot_name(name + ".tmp") is None


# --- objects ---------------------------------------------------------------------------------------

IDENTITY = Identity(desc="FUNCTION", kind="function", names=("public", "f"), args=("integer",), sub="")
IDENTITY_VALUE: Value = ("FUNCTION", "function", ("public", "f"), ("integer",), "")


def order(*needs: tuple[int, ...]) -> bytes:
    return codec.encode({"entries": tuple((IDENTITY_VALUE, 2, ID, each) for each in needs)})


def test_schema_entry_and_order_have_the_fields_of_the_spec() -> None:
    entry = SchemaEntry(
        identity=IDENTITY, section=Section.PRE_DATA, tag="t", namespace="n", owner="o", definition="d", drop="x",
        tablespace="ts", table_access_method="heap", function_definition="f",
    )  # fmt: skip
    expected = codec.encode(
        {
            "definition": "d",
            "drop": "x",
            "function_definition": "f",
            "identity": IDENTITY_VALUE,
            "namespace": "n",
            "owner": "o",
            "section": 2,
            "table_access_method": "heap",
            "tablespace": "ts",
            "tag": "t",
        }
    )
    assert schema.encode_entry(entry) == expected
    assert schema.decode_entry(expected) == entry
    items = tuple(
        OrderItem(identity=IDENTITY, section=Section.PRE_DATA, entry=ID, needs=needs) for needs in ((1,), (), (0, 1))
    )
    assert schema.encode_order(items) == order((1,), (), (0, 1))
    assert schema.decode_order(order((1,), (), (0, 1))) == items
    assert schema.decode_order(order()) == ()


@pytest.mark.parametrize("needs", [(1,), (0, 0), (-1,), (2**63,)])
def test_order_whose_needs_are_not_there_is_malformed(needs: tuple[int, ...]) -> None:
    with pytest.raises(Malformed):
        schema.decode_order(order(needs))
    with pytest.raises(Malformed):
        schema.encode_order((OrderItem(identity=IDENTITY, section=Section.NONE, entry=ID, needs=needs),))


def test_roles_have_the_field_order_of_the_spec() -> None:
    roles = Roles(
        roles=(
            Role(
                name="r", superuser=True, inherit=False, create_role=True, create_db=False, can_login=True,
                replication=False, bypass_rls=True, connection_limit=-1, valid_until=None, verifier="SCRAM",
                comment=None,
            ),
        ),
        memberships=(Membership(role="r", member="m", grantor="g", admin=True, inherit=None, set=False),),
        settings=(RoleSetting(role="", here=True, name="n", value="v"),),
        tablespaces=(Tablespace(name="t", owner="o", location="/l", acl=None, options=("a=b",)),),
        parameter_acls=(ParameterAcl(name="p", acl=("x",)),),
        verifiers_read=True,
    )  # fmt: skip
    expected = codec.encode(
        {
            "memberships": (("r", "m", "g", True, None, False),),
            "parameter_acls": (("p", ("x",)),),
            "roles": (("r", True, False, True, False, True, False, True, -1, None, "SCRAM", None),),
            "settings": (("", True, "n", "v"),),
            "tablespaces": (("t", "o", "/l", None, ("a=b",)),),
            "verifiers_read": True,
        }
    )
    assert cluster.encode_roles(roles) == expected
    assert cluster.decode_roles(expected) == roles


def test_catalog_has_the_field_order_of_the_spec() -> None:
    facts = CatalogFacts(
        acls=((read_address("o"), "w", None), (read_address("p"), "w", ())),
        edges=((read_address("a"), read_address("b"), "n"),),
        policies=(("s", "t", "p", ("r",)),),
        extensions=(("e", "1.0", "s"),),
        database={"encoding": "UTF8", "acl": None},
        functions=(("s", "f", "integer", True, False),),
        operators=((read_address("o"), read_address("p"), 2),),
    )
    expected = codec.encode(
        {
            "acls": (("o", "w", None), ("p", "w", ())),
            "database": {"acl": None, "encoding": "UTF8"},
            "edges": (("a", "b", "n"),),
            "extensions": (("e", "1.0", "s"),),
            "functions": (("s", "f", "integer", True, False),),
            "operators": (("o", "p", 2),),
            "policies": (("s", "t", "p", ("r",)),),
        }
    )
    assert cluster.encode_catalog(facts) == expected
    assert cluster.decode_catalog(expected) == facts


def test_ledger_has_the_field_order_of_the_spec() -> None:
    coverage = Coverage(
        state=State.FAILED, count=2, missing=(Missing(item="i", state=State.NOT_PERMITTED, why="w", fix="f"),)
    )
    expected = codec.encode({"rows": ("failed", 2, (("i", "not_permitted", "w", "f"),))})
    assert ledger.encode_ledger({"rows": coverage}) == expected
    assert ledger.decode_ledger(expected) == {"rows": coverage}
    with pytest.raises(Malformed):
        ledger.decode_ledger(codec.encode({"rows": ("lost", 2, ())}))


# --- upkeep ----------------------------------------------------------------------------------------

PACKS = (PackId(b"\x01" * 32), PackId(b"\x02" * 32))


def test_upkeep_records_have_the_fields_of_the_spec() -> None:
    lease = Lease(created_ms=1, host="h", pid=2, purpose="backup", source="s", parent=SnapshotId(ID), packs=PACKS)
    assert upkeep.encode_lease(lease) == codec.encode(
        {"created": 1, "host": "h", "packs": PACKS, "parent": ID, "pid": 2, "purpose": "backup", "source": "s"}
    )
    assert upkeep.encode_sweep(Sweep(created_ms=1, packs=PACKS)) == codec.encode({"created": 1, "packs": PACKS})
    removed = ForgottenSnapshot(id=SnapshotId(ID), source="s", sequence=4, created_ms=3)
    assert upkeep.encode_forgotten(Forgotten(created_ms=1, snapshots=(removed,))) == codec.encode(
        {"created": 1, "snapshots": ((ID, "s", 4, 3),)}
    )


@pytest.mark.parametrize("decode", [upkeep.decode_sweep, upkeep.decode_lease])
@pytest.mark.parametrize("packs", [(PACKS[1], PACKS[0]), (PACKS[0], PACKS[0]), (b"short",)])
def test_packs_out_of_order_are_malformed(decode: Callable[[bytes], object], packs: tuple[bytes, ...]) -> None:
    fields: dict[str, Value] = {"created": 1, "packs": packs}
    if decode is upkeep.decode_lease:
        fields |= {"host": "h", "parent": None, "pid": 2, "purpose": "backup", "source": "s"}
    with pytest.raises(Malformed):
        decode(codec.encode(fields))


@pytest.mark.parametrize(
    ("kind", "directory"),
    [
        (FileKind.LEASE, "leases"),
        (FileKind.SWEEP, "sweeps"),
        (FileKind.FORGOTTEN, "forgotten"),
        (FileKind.CHECK, "checks"),
        (FileKind.PIN, "pins"),
        (FileKind.FINDINGS, "findings"),
        (FileKind.ACK, "acks"),
        (FileKind.DRILL, "drills"),
    ],
)
def test_upkeep_files_are_named_by_kind_and_hash(kind: FileKind, directory: str) -> None:
    name = f"{directory}/" + "ab" * 32
    assert upkeep.upkeep_name(kind, b"\xab" * 32) == name
    assert upkeep.parse_upkeep_name(name) == (kind, b"\xab" * 32)
    assert upkeep.parse_upkeep_name("packs/" + "ab" * 32) is None
