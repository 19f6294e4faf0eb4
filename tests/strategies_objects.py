"""Hypothesis strategies for what objects and single files hold: schema, roles, catalog, ledger, manifest, upkeep."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.strategies import (
    U63,
    acls,
    counts,
    identities,
    list_refs,
    lsns,
    object_ids,
    oids,
    pack_ids,
    repository_ids,
    sections,
    snapshot_ids,
    text_lists,
    texts,
)
from vault.model import (
    Ack,
    CatalogFacts,
    CheckedPack,
    CheckRecord,
    Counts,
    Coverage,
    DatabasePart,
    DrillRecord,
    Effort,
    Finding,
    Findings,
    Forgotten,
    ForgottenSnapshot,
    Lease,
    Ledger,
    Manifest,
    Membership,
    Missing,
    OrderItem,
    Origin,
    ParameterAcl,
    Pin,
    Role,
    Roles,
    RoleSetting,
    SchemaEntry,
    ServerFacts,
    State,
    Sweep,
    Tablespace,
    WholeClosure,
    read_address,
)

# --- objects ---------------------------------------------------------------------------------------

schema_entries = st.builds(
    SchemaEntry,
    identity=identities,
    section=sections,
    tag=texts,
    namespace=texts,
    owner=texts,
    definition=texts,
    drop=texts,
    tablespace=texts,
    table_access_method=texts,
    function_definition=texts,
)


@st.composite
def orders(draw: st.DrawFn) -> tuple[OrderItem, ...]:
    count = draw(st.integers(0, 5))
    positions = st.sets(st.integers(0, max(count - 1, 0))).map(lambda needs: tuple(sorted(needs)))
    items = st.builds(OrderItem, identity=identities, section=sections, entry=object_ids, needs=positions)
    return tuple(draw(items) for _ in range(count))


def _tuples(item: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(item, max_size=3).map(tuple)


roles = st.builds(
    Roles,
    roles=_tuples(
        st.builds(
            Role,
            name=texts,
            superuser=st.booleans(),
            inherit=st.booleans(),
            create_role=st.booleans(),
            create_db=st.booleans(),
            can_login=st.booleans(),
            replication=st.booleans(),
            bypass_rls=st.booleans(),
            connection_limit=st.integers(-1, 2**31 - 1),
            valid_until=st.none() | texts,
            verifier=st.none() | texts,
            comment=st.none() | texts,
        )
    ),
    memberships=_tuples(
        st.builds(
            Membership,
            role=texts,
            member=texts,
            grantor=texts,
            admin=st.booleans(),
            inherit=st.none() | st.booleans(),
            set=st.none() | st.booleans(),
        )
    ),
    settings=_tuples(st.builds(RoleSetting, role=texts, here=st.booleans(), name=texts, value=texts)),
    tablespaces=_tuples(st.builds(Tablespace, name=texts, owner=texts, location=texts, acl=acls, options=text_lists)),
    parameter_acls=_tuples(st.builds(ParameterAcl, name=texts, acl=text_lists)),
    verifiers_read=st.booleans(),
)
addresses = (texts | st.sampled_from(("table s.t", 'function "s""".f(a,b)', "domain constraint c on s.d"))).map(
    read_address
)
catalogs = st.builds(
    CatalogFacts,
    acls=_tuples(st.tuples(addresses, texts, acls)),
    edges=_tuples(st.tuples(addresses, addresses, texts)),
    policies=_tuples(st.tuples(texts, texts, texts, text_lists)),
    extensions=_tuples(st.tuples(texts, texts, texts)),
    database=st.dictionaries(texts, st.none() | texts, max_size=3),
    functions=_tuples(st.tuples(texts, texts, texts, st.booleans(), st.booleans())),
    operators=_tuples(st.tuples(addresses, addresses, counts)),
)
states = st.sampled_from(State)
_missing = st.builds(Missing, item=texts, state=states, why=texts, fix=texts)
ledgers: st.SearchStrategy[Ledger] = st.dictionaries(
    texts,
    st.builds(Coverage, state=states, count=counts, missing=st.lists(_missing, max_size=3).map(tuple)),
    max_size=3,
)


# --- snapshots and upkeep --------------------------------------------------------------------------

servers = st.builds(
    ServerFacts,
    version_num=counts,
    version=texts,
    system_id=texts,
    database=texts,
    database_oid=oids,
    encoding=texts,
    in_recovery=st.booleans(),
    timeline=counts,
    postmaster_start=texts,
    snapshot=texts,
    horizon=lsns,
    next_xid=lsns,
    insert_lsn=lsns,
    flush_lsn=lsns,
    insert_lsn_before=lsns,
)
database_parts = st.builds(
    DatabasePart,
    server=servers,
    tables=list_refs,
    entries=list_refs,
    order=object_ids,
    roles=object_ids,
    catalog=object_ids,
    sequences=list_refs,
    large_objects=list_refs,
)
_nine_counts = st.builds(Counts, **dict.fromkeys(Counts.__dataclass_fields__, counts))
_efforts = st.builds(Effort, **dict.fromkeys(Effort.__dataclass_fields__, counts))
manifests = st.builds(
    Manifest,
    source=texts,
    created_ms=counts,
    sequence=st.integers(1, U63),
    parent=st.none() | snapshot_ids,
    selection=texts,
    tags=st.dictionaries(texts, texts, max_size=3),
    program=texts,
    database=st.none() | database_parts,
    directories=st.dictionaries(st.from_regex(r"\A[a-z0-9_-]{1,8}\Z"), list_refs, max_size=3),
    ledger=object_ids,
    coverage=st.dictionaries(texts, st.tuples(states, counts), max_size=3),
    counts=_nine_counts,
    effort=_efforts,
    suspect=texts,
    host=texts,
    origin=st.none() | st.builds(Origin, repository=repository_ids, snapshot=snapshot_ids),
)
_ascending_packs = st.sets(pack_ids, max_size=4).map(lambda packs: tuple(sorted(packs)))
leases = st.builds(
    Lease,
    created_ms=counts,
    host=texts,
    pid=counts,
    purpose=texts,
    source=texts,
    parent=st.none() | snapshot_ids,
    packs=_ascending_packs,
)
sweeps = st.builds(Sweep, created_ms=counts, packs=_ascending_packs)
forgottens = st.builds(
    Forgotten,
    created_ms=counts,
    snapshots=st.lists(
        st.builds(ForgottenSnapshot, id=snapshot_ids, source=texts, sequence=st.integers(1, U63), created_ms=counts),
        max_size=3,
    ).map(tuple),
)
_notes = _tuples(texts)
pins = st.builds(
    Pin, created_ms=counts, host=texts, reason=texts, snapshot=snapshot_ids, source=texts, sequence=st.integers(1, U63)
)
_finding_lists = st.lists(st.builds(Finding, code=texts, subject=texts, text=texts), min_size=1, max_size=4).map(
    lambda drawn: tuple(found for _, found in sorted({(one.code, one.subject): one for one in drawn}.items()))
)
_numbers = st.sets(st.integers(1, U63), min_size=1, max_size=4).map(sorted)
findings = st.builds(
    lambda numbers, **fields: Findings(holders=tuple(numbers[:-1]), sequence=numbers[-1], **fields),
    _numbers,
    created_ms=counts,
    findings=_finding_lists,
    snapshot=snapshot_ids,
    source=texts,
)
acks = st.builds(Ack, created_ms=counts, finding=snapshot_ids, host=texts, reason=texts)


@st.composite
def drills(draw: st.DrawFn) -> DrillRecord:
    mismatches = draw(_notes)
    return draw(
        st.builds(
            DrillRecord,
            created_ms=counts,
            duration_ms=counts,
            host=texts,
            mismatches=st.just(mismatches),
            not_checked=_notes,
            passed=st.booleans() if not mismatches else st.just(False),
            rows=counts,
            server=texts,
            snapshot=snapshot_ids,
            source=texts,
            tables=counts,
        )
    )


@st.composite
def checks(draw: st.DrawFn) -> CheckRecord:
    ids = draw(_ascending_packs)
    packs = tuple(CheckedPack(id=id, size=draw(counts), read_ms=draw(st.none() | counts)) for id in ids)
    positions = st.sets(st.integers(0, max(len(ids) - 1, 0)), max_size=len(ids)).map(lambda drawn: tuple(sorted(drawn)))
    snapshots = draw(st.sets(snapshot_ids, max_size=3))
    closures = tuple(
        WholeClosure(snapshot=id, checked_ms=draw(counts), packs=draw(positions) if ids else ())
        for id in sorted(snapshots)
    )
    return draw(
        st.builds(
            CheckRecord,
            created_ms=counts,
            kind=texts,
            host=texts,
            objects=counts,
            read_bytes=counts,
            damage=text_lists,
            packs=st.just(packs),
            closures=st.just(closures),
        )
    )
