"""Vectors of the sealed records of chapter 60: leases, sweeps, forgotten, checks, pins, findings, acknowledgements, drills."""

from __future__ import annotations

import hashlib
from typing import Any

from spec.vectors import write
from spec.vectors.vector import Collection, Vector
from spec.vectors.write import encode, fixed

CREATED = 1_700_000_000_000
PACKS = sorted([fixed("pack one"), fixed("pack two")])
SNAPSHOT = fixed("some snapshot")
OF = {"sequence": 7, "snapshot": SNAPSHOT, "source": "app"}
NOTE_BYTES_MAX, NOTES_MAX = 4 << 10, 1024


def finding_id(code: str, subject: str) -> bytes:
    return hashlib.sha256(encode([SNAPSHOT, code, subject])).digest()


GOOD: dict[str, tuple[int, dict[str, Any]]] = {
    "lease": (
        write.LEASE,
        {"created": CREATED, "host": "db1", "packs": PACKS, "parent": SNAPSHOT, "pid": 42, "purpose": "backup", "source": "app"},
    ),
    "sweep": (write.SWEEP, {"created": CREATED, "packs": PACKS}),
    "forgotten": (write.FORGOTTEN, {"created": CREATED, "snapshots": [[SNAPSHOT, "app", 7, CREATED]]}),
    "check": (
        write.CHECK,
        {
            "closures": [[SNAPSHOT, CREATED, [0, 1]]], "created": CREATED, "damage": ["packs/00: damaged"], "host": "db1",
            "kind": "check", "objects": 9, "packs": [[PACKS[0], 300, CREATED], [PACKS[1], 400, None]], "read_bytes": 300,
        },
    ),
    "pin": (write.PIN, {"created": CREATED, "host": "db1", "reason": "before the move", **OF}),
    "findings": (
        write.FINDINGS,
        {
            "created": CREATED,
            "findings": [["ROWS_GONE", "public.orders", "1000 rows became 3"], ["TABLE_GONE", "public.users", "it is gone"]],
            "holders": [3, 6],
            **OF,
        },
    ),
    "ack": (write.ACK, {"created": CREATED, "finding": finding_id("ROWS_GONE", "public.orders"), "host": "db1", "reason": "we cleaned up"}),
    "drill": (
        write.DRILL,
        {
            "created": CREATED, "duration": 8123, "host": "db1", "mismatches": ["public.orders: 3 rows differ"],
            "not_checked": ["extension cube is not here"], "passed": False, "rows": 1000, "server": "15.18",
            "snapshot": SNAPSHOT, "source": "app", "tables": 12,
        },
    ),
}  # fmt: skip
PROVES = {"pin": "NOTE-1", "findings": "NOTE-2", "ack": "NOTE-1", "check": "NOTE-4", "drill": "NOTE-5"}
BOUNDED = {"pin": ("host", "reason"), "ack": ("host", "reason"), "drill": ("host", "server"), "check": ("host",)}


def vectors() -> list[Vector]:
    c = Collection("upkeep")

    def case(kind: str, name: str, spec: str, layer: str, comment: str, /, **changed: Any) -> None:
        number, good = GOOD[kind]
        value = {key: item for key, item in (good | changed).items() if item is not ...}
        c.refuse(f"{kind}_{name}", spec, layer, comment, file_kind=number, data=encode(value))

    for kind, (_, good) in GOOD.items():
        if kind != "findings":
            case(kind, "good", PROVES.get(kind, "ENC-10"), "ok", "every field")
        case(kind, "ancillary_key", "ENC-10", "ok", "a key that starts with _", _later="x")
        case(kind, "key_unknown", "ENC-10", "unsupported", "a key of a later version", later=1)
        for key in good:
            case(kind, f"{key}_absent", "ENC-11", "malformed", f"without {key}", **{key: ...})
    for kind, keys in BOUNDED.items():
        for key in keys:
            longest = "é" * (NOTE_BYTES_MAX // 2)
            case(kind, f"{key}_longest", "NOTE-1", "ok", "4096 bytes of UTF-8", **{key: longest})
            case(kind, f"{key}_too_long", "NOTE-1", "limit", "4097 bytes of UTF-8", **{key: longest + "a"})
    for kind in ("lease", "sweep"):
        case(kind, "packs_descending", "ENC-12", "malformed", "packs descend", packs=PACKS[::-1])
        case(kind, "packs_twice", "ENC-12", "malformed", "a pack twice", packs=[PACKS[0]] * 2)
    for kind in ("pin", "findings"):
        case(kind, "sequence_0", "NOTE-1", "malformed", "numbers are from 1", sequence=0)
        case(kind, "snapshot_short", "NOTE-1", "malformed", "an id of 31 bytes", snapshot=SNAPSHOT[:31])
    case("forgotten", "sequence_0", "ENC-12", "malformed", "numbers are from 1", snapshots=[[SNAPSHOT, "app", 0, 1]])
    _checks(case)
    _findings(c, case)
    for key in ("mismatches", "not_checked"):
        case("drill", f"{key}_most", "NOTE-1", "ok", "1024 lines", **{key: ["x"] * NOTES_MAX})
        case("drill", f"{key}_too_many", "NOTE-1", "limit", "1025 lines", **{key: ["x"] * (NOTES_MAX + 1)})
        case("drill", f"{key}_too_long", "NOTE-1", "limit", "a line too long", **{key: ["x" * (NOTE_BYTES_MAX + 1)]})
    case("drill", "passed", "NOTE-5", "ok", "nothing differed", passed=True, mismatches=[])
    case("drill", "passed_and_differed", "NOTE-5", "malformed", "it passed, and something differed", passed=True)
    return c.vectors


def _checks(case: Any) -> None:
    first, second = ([pack, 300, None] for pack in PACKS)
    case("check", "empty", "NOTE-4", "ok", "an empty repository", packs=[], closures=[], damage=[])
    case("check", "packs_descending", "NOTE-4", "malformed", "packs descend", packs=[second, first])
    case("check", "packs_twice", "NOTE-4", "malformed", "a pack twice", packs=[first, first])
    case("check", "pack_size_negative", "NOTE-4", "malformed", "a negative size", packs=[[PACKS[0], -1, None], second])
    case("check", "closures_twice", "NOTE-4", "malformed", "a snapshot twice", closures=[[SNAPSHOT, 1, [0]]] * 2)
    for name, positions in {"descending": [1, 0], "twice": [0, 0], "past_end": [2], "negative": [-1]}.items():
        case(
            "check",
            f"positions_{name}",
            "NOTE-4",
            "malformed",
            f"positions: {name}",
            closures=[[SNAPSHOT, 1, positions]],
        )


def _findings(c: Collection, case: Any) -> None:
    number, good = GOOD["findings"]
    ids = [finding_id(code, subject).hex() for code, subject, _text in good["findings"]]
    told = {"value": {"ids": ids}}
    c.ok("findings_good", "NOTE-2 NOTE-3", "every field, and the ids", told, file_kind=number, data=encode(good))
    one, two = ["A", "x", ""], ["A", "y", ""]
    case("findings", "same_code", "NOTE-2", "ok", "one code, two subjects", findings=[one, two])
    case("findings", "none", "NOTE-2", "malformed", "no finding", findings=[])
    case("findings", "descending", "NOTE-2", "malformed", "subjects descend", findings=[two, one])
    case("findings", "twice", "NOTE-2", "malformed", "one pair, two texts", findings=[one, ["A", "x", "again"]])
    case("findings", "fields_2", "NOTE-2", "malformed", "a finding without its text", findings=[["A", "x"]])
    case(
        "findings", "text_too_long", "NOTE-1", "limit", "4097 bytes", findings=[["A", "x", "a" * (NOTE_BYTES_MAX + 1)]]
    )
    case("findings", "no_holders", "NOTE-2", "ok", "other than of contents", holders=[])
    wrong = {"descending": [6, 3], "twice": [3, 3], "itself": [7], "later": [3, 8], "0": [0]}
    for name, holders in wrong.items():
        case("findings", f"holders_{name}", "NOTE-2", "malformed", f"holders: {name}", holders=holders)
    before = list(range(1, NOTES_MAX + 2))
    case("findings", "holders_most", "NOTE-1", "ok", "1024 holders", holders=before[:-1], sequence=9999)
    case("findings", "holders_too_many", "NOTE-1", "limit", "1025 holders", holders=before, sequence=9999)
    many = [["A", f"{number:04}", ""] for number in range(NOTES_MAX + 1)]
    case("findings", "most", "NOTE-1", "ok", "1024 findings", findings=many[:NOTES_MAX])
    case("findings", "too_many", "NOTE-1", "limit", "1025 findings", findings=many)
