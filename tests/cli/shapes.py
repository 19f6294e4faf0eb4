"""JSON Schemas of what `--json` prints. Fields may be added to the output; none of these may be renamed or go."""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
SECONDS = {"type": "number", "minimum": 0}
SNAPSHOT_ID = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
STATE = {"enum": ["captured", "empty", "not_selected", "not_exportable", "not_permitted", "failed"]}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def named(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": schema}


def fields(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def result(**properties: dict[str, Any]) -> dict[str, Any]:
    return fields(type={"const": "result"}, **properties)


PROBLEMS = listed(fields(what=TEXT, why=TEXT, fix=TEXT, fatal={"type": "boolean"}))
MISSING = fields(item=TEXT, state=STATE, why=TEXT, fix=TEXT)
COVERAGE = {
    "type": "object",
    "required": [
        "schema", "data", "users", "user_roles", "rls_policies", "rpc_functions", "encryption", "migrations",
        "edge_functions", "roles", "sequences", "large_objects",
    ],
    "additionalProperties": fields(state=STATE, count=COUNT, missing=listed(MISSING)),
}  # fmt: skip
SNAPSHOT = fields(
    id=SNAPSHOT_ID, time=TIME, source=TEXT, parent=nullable(SNAPSHOT_ID), rows=COUNT, source_bytes=COUNT,
    new_bytes=COUNT, tags={"type": "object", "additionalProperties": TEXT}, sequence=COUNT, warnings=listed(TEXT), partial={"type": "boolean"},
    host=nullable(TEXT),
    pinned=nullable(TEXT), drilled=nullable(TIME), findings=listed(fields(id=SNAPSHOT_ID, code=TEXT, subject=TEXT, text=TEXT)),
    server=nullable(fields(version=TEXT, system_id=TEXT, database=TEXT, database_oid=COUNT)),
)  # fmt: skip
TABLE = fields(
    name=TEXT, rows=COUNT, source_bytes=COUNT, extents=COUNT, extents_reused=nullable(COUNT), why_read=nullable(TEXT)
)

FORGOTTEN: dict[str, Any] = {"id": SNAPSHOT_ID, "source": TEXT, "sequence": COUNT, "time": TIME}

KEY = fields(id=SNAPSHOT_ID, label=TEXT, created=TIME, kdf={"type": "object"})

LEASE = fields(
    id=SNAPSHOT_ID, age_s=SECONDS, host=nullable(TEXT), pid=nullable(COUNT), purpose=nullable(TEXT), source=nullable(TEXT),
    packs=nullable(COUNT), dead=nullable(TEXT),
)  # fmt: skip

TRUTH = {"type": "boolean"}
WAITING = fields(
    id=SNAPSHOT_ID,
    code=TEXT,
    subject=TEXT,
    text=TEXT,
    snapshot=SNAPSHOT_ID,
    source=TEXT,
    sequence=COUNT,
    there={"type": "boolean"},
)
WRONG = fields(file=TEXT, why=TEXT)

FAILED = {
    "type": "object", "properties": {"entry": TEXT, "why": TEXT, "because": TEXT}, "required": ["entry", "why"],
}  # fmt: skip
"""`because`: the entry of the first cause, where there is one."""

COUNTS_BY_NAME: dict[str, Any] = {"type": "object", "additionalProperties": COUNT}
ROWS_OF_TABLE = fields(
    table=TEXT, rows_added=COUNT, rows_changed=COUNT, rows_there=COUNT, rows_of_others=COUNT, columns=COUNTS_BY_NAME,
    conflicts=listed(fields(why=TEXT, rows=COUNT)), conflict_columns=COUNTS_BY_NAME,
)  # fmt: skip
LEFT_OUT = fields(table=TEXT, reference=TEXT, gone=COUNT, cut_off=COUNT)

JOB = fields(
    job=TEXT, source=TEXT, state=TEXT, started=TIME, ended=nullable(TIME), exit_code=nullable(COUNT), snapshot=nullable(SNAPSHOT_ID), log=TEXT,
)  # fmt: skip

MOMENT = fields(snapshot=SNAPSHOT_ID, sequence=COUNT, time=TIME)

CHECKED = fields(time=TIME, host=TEXT, damage=listed(TEXT), objects=COUNT, read_bytes=COUNT)

SIDE = fields(snapshot=SNAPSHOT_ID, source=TEXT, time=TIME)
CHANGE = {"enum": ["added", "removed", "changed"]}
FOUND = fields(change=CHANGE, details=listed(TEXT))
CHANGED_TABLE = fields(
    inserted=COUNT, deleted=COUNT, updated=COUNT, change=CHANGE, key=listed(TEXT), renamed_from=nullable(TEXT),
    columns_added=listed(TEXT), columns_removed=listed(TEXT), columns_renamed=named(TEXT),
    columns_retyped=named(listed(TEXT)),
)  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
    "init": result(repository={"type": "string", "pattern": "^[0-9a-f]{32}$"}, url=TEXT, kit=nullable(TEXT), config=nullable(TEXT), passphrase_file=nullable(TEXT)),
    "backup": result(
        snapshot=SNAPSHOT_ID, parent=nullable(SNAPSHOT_ID), duration_s=SECONDS, tables=COUNT, rows=COUNT,
        source_bytes=COUNT, read_bytes=COUNT, new_bytes=COUNT, extents=COUNT, extents_reused=COUNT, files=COUNT,
        file_bytes=COUNT, coverage=COVERAGE, source=TEXT, sequence=COUNT, warnings=listed(TEXT),
        rollback=nullable(fields(seen_sequence=COUNT, seen_snapshot=SNAPSHOT_ID, sequence=COUNT)),
        findings=listed(fields(code=TEXT, subject=TEXT, text=TEXT)),
    ),
    "diff": result(
        before=SIDE, after=SIDE, equal=TRUTH, files=named(named(FOUND)), tables=named(CHANGED_TABLE), entries=named(fields(change=CHANGE, details=listed(TEXT), diff=listed(TEXT), object=TEXT)), privileges=named(FOUND),
        extensions=named(FOUND), meanings=named(FOUND), database=named(FOUND), database_itself=named(FOUND), roles=named(FOUND), memberships=named(FOUND), settings=named(FOUND),
        tablespaces=named(FOUND), parameters=named(FOUND), sequences=named(FOUND), large_objects=named(FOUND),
        not_compared=listed(fields(what=TEXT, why=TEXT, fix=TEXT)), duration_s=SECONDS,
    ),
    "ack": result(findings=listed(WAITING), acknowledged=listed(WAITING), reason=nullable(TEXT)),
    "config show": result(
        files=listed(TEXT),
        settings=listed(fields(key=TEXT, value={}, origin=nullable(fields(kind={"enum": ["flag", "environment", "file", "project"]}, name=TEXT, line=nullable(COUNT))))),
    ),
    "config validate": result(valid=TRUTH, files=listed(TEXT), mistakes=listed(fields(place=TEXT, message=TEXT, why=TEXT, fix=TEXT))),
    "backup --all": result(sources=listed(fields(source=TEXT, exit_code=COUNT, snapshot=nullable(SNAPSHOT_ID), why=TEXT))),
    "completion": result(shell=TEXT, script=TEXT),
    "doctor": result(
        exit_code=COUNT,
        findings=listed(
            fields(
                check=TEXT, state={"enum": ["ok", "warn", "fail", "skipped"]}, source=nullable(TEXT), what=TEXT, why=TEXT, fix=TEXT,
                lines=listed(TEXT), code=nullable(TEXT),
            )
        ),
    ),
    "schedule install": result(
        name=TEXT, scheduler=TEXT, state={"enum": ["printed", "installed", "updated", "unchanged"]}, timetable=TEXT, next_run=TIME,
        files=listed(fields(place=TEXT, text=TEXT)), problems=PROBLEMS,
    ),
    "schedule remove": result(name=TEXT, removed={"type": "boolean"}, files=listed(fields(place=TEXT, text=TEXT))),
    "schedule status": result(
        why=TEXT,
        schedules=listed(
            fields(
                name=TEXT, sources=listed(TEXT), repository=TEXT, scheduler=TEXT, place=TEXT, timetable=TEXT, interval_s=COUNT,
                overdue_after_s=COUNT, next_run=TIME, last_started=nullable(TIME), files=listed(fields(place=TEXT, text=TEXT)),
                problems=PROBLEMS,
            )
        ),
    ),
    "schedule run": result(
        name=TEXT, skipped=TEXT, exit_code=COUNT, next_run=TIME,
        sources=listed(fields(source=TEXT, exit_code=COUNT, snapshot=nullable(SNAPSHOT_ID), why=TEXT, log=nullable(TEXT))),
        steps=listed(fields(step=TEXT, state={"enum": ["done", "skipped", "failed"]}, why=TEXT)),
    ),
    "job": result(
        job=nullable(TEXT), log=nullable(TEXT), source=TEXT, started={"enum": ["yes", "joined", "no"]}, why=TEXT,
    ),
    "job ended": result(
        job=TEXT, log=TEXT, source=TEXT, started={"enum": ["yes", "joined"]}, why=TEXT, exit_code=COUNT,
        snapshot=nullable(SNAPSHOT_ID),
    ),
    "watch": result(runs=COUNT, failed=COUNT),
    "snapshots": result(snapshots=listed(SNAPSHOT), damage=listed(fields(file=TEXT, kind=TEXT, why=TEXT))),
    "show": result(snapshot=SNAPSHOT, coverage=COVERAGE, tables=listed(TABLE), server=nullable({"type": "object"})),
    "status": result(
        safe=TRUTH, why=listed(fields(trouble=TEXT, source=TEXT, text=TEXT, fix=TEXT, meant=TEXT)),
        sources=listed(
            fields(
                source=TEXT, last=nullable(TIME), snapshot=nullable(SNAPSHOT_ID), age_s=nullable({"type": "number"}),
                last_check=nullable(TIME), last_verify=nullable(TIME), last_drill=nullable(TIME), next_run=nullable(TIME), due=nullable(TIME), overdue=TRUTH,
                warnings=listed(TEXT), rows=nullable(COUNT), tables=nullable(COUNT), files=nullable(COUNT), change=nullable({"type": "object"}),
                drill=nullable(fields(snapshot=SNAPSHOT_ID, passed=TRUTH, not_checked=COUNT)),
            )
        ),
        others={"type": "object"}, check=nullable(CHECKED), verify=nullable(CHECKED),
        data_read=nullable(TIME), snapshots=COUNT, stored_bytes=COUNT, grown_bytes=COUNT, jobs=listed(JOB),
        leases=listed(fields(id=TEXT, purpose=TEXT, source=TEXT, why=TEXT)), notes=listed(TEXT),
    ),
    "ls": result(
        entries=listed(
            fields(
                path=TEXT, kind={"enum": ["file", "directory", "symlink"]}, size_bytes=nullable(COUNT), mtime=TIME,
                mode={"type": "string", "pattern": "^[0-7]{4}$"},
            )
        )
    ),
    "rows": result(rows=COUNT, bytes=COUNT),
    "sql": result(
        rows=COUNT, bytes=COUNT, engine={"enum": ["postgresql", "duckdb"]}, notes=listed(TEXT), loaded=listed(fields(table=TEXT, rows=COUNT)),
    ),
    "find": result(
        found=listed(fields(kind=TEXT, name=TEXT, source=TEXT, first=MOMENT, last=MOMENT, snapshots=COUNT, there=TRUTH)),
        snapshots=COUNT, read_bytes=COUNT, unread=listed(fields(snapshot=SNAPSHOT_ID, why=TEXT)),
    ),
    "log": result(
        thing=nullable(fields(kind=TEXT, name=TEXT)), changes=COUNT, snapshots=COUNT, left_out=COUNT, read_bytes=COUNT,
    ),
    "log change": fields(
        type={"const": "change"}, snapshot=SNAPSHOT_ID, sequence=COUNT, time=TIME, source=TEXT,
        what={"enum": ["row", "rows", "definition", "file", "role", "setting"]}, change=TEXT, name=nullable(TEXT), key={"type": "object"},
        values=listed(fields(name=TEXT, before=nullable(TEXT), after=nullable(TEXT))), patch=listed(TEXT), notes=listed(TEXT),
        inserted=nullable(COUNT), deleted=nullable(COUNT), updated=nullable(COUNT),
    ),
    "mount": result(path=TEXT, snapshots=COUNT, read_bytes=COUNT),
    "export": result(format={"enum": ["layout", "pgdump", "sql", "tar", "parquet", "sqlite", "jsonl", "csv"]}, path=TEXT, files=COUNT, bytes=COUNT, duration_s=SECONDS),
    "copy": result(
        copied=listed(fields(id=SNAPSHOT_ID, origin=SNAPSHOT_ID, source=TEXT, sequence=COUNT, new_bytes=COUNT)),
        there=COUNT, new_bytes=COUNT, duration_s=SECONDS,
    ),
    "extract": result(files=COUNT, bytes=COUNT),
    "restore": result(
        tables=COUNT, rows=COUNT, entries=COUNT, failed=listed(FAILED), duration_s=SECONDS,
        large_objects=COUNT,
        merged=listed(
            fields(table=TEXT, added=COUNT, left_different=COUNT, changed=COUNT, deleted=COUNT, refused=COUNT)
        ),
        beside=listed(fields(table=TEXT, why=TEXT, replace={"type": "boolean"})),
    ),
    "restore rows": result(
        tables=COUNT, rows=COUNT, entries=COUNT, large_objects=COUNT, files=COUNT, failed=listed(FAILED), duration_s=SECONDS,
        merged=listed(fields(table=TEXT, added=COUNT, left_different=COUNT, changed=COUNT, deleted=COUNT, refused=COUNT)),
        put_back=listed(ROWS_OF_TABLE), left_out=listed(LEFT_OUT), undo=nullable(TEXT),
    ),
    "restore rows plan": result(
        plan=fields(
            snapshot=SNAPSHOT_ID, time=TIME, source=TEXT, evidence=SNAPSHOT_ID, tables=listed(ROWS_OF_TABLE), left_out=listed(LEFT_OUT),
            writers=listed(fields(xid=COUNT, rows=COUNT, committed=nullable(TEXT))), sample=listed(fields(table=TEXT, fate=TEXT, key={"type": "object"}, columns={"type": "object"})),
            refused=listed(TEXT), lines=listed(TEXT),
        ),
    ),
    "restore plan": result(
        plan=fields(
            source=TEXT, snapshot=SNAPSHOT_ID, time=TIME, server=nullable({"type": "object"}),
            target=nullable(fields(database=TEXT, version=TEXT, user=TEXT)), warnings=listed(TEXT),
            steps=listed({"type": "object", "required": ["action", "why"]}),
            beside=listed(fields(table=TEXT, why=TEXT, replace={"type": "boolean"})),
        )
    ),
    "drill": result(
        snapshot=SNAPSHOT_ID, source=TEXT, passed=TRUTH, tables=COUNT, rows=COUNT, files=COUNT,
        mismatches=listed(fields(kind=TEXT, name=TEXT, why=TEXT)), not_checked=listed(fields(kind=TEXT, name=TEXT, why=TEXT)),
        server=nullable(TEXT), running_s=SECONDS, duration_s=SECONDS, kept=nullable(fields(url=TEXT, place=TEXT, stop=TEXT)),
        counts={"type": "object"}, warnings=listed(TEXT),
    ),
    "check": result(
        objects=COUNT, read_bytes=COUNT, duration_s=SECONDS,
        damage=listed(fields(file=TEXT, kind=TEXT, object=nullable(TEXT), why=TEXT, affects=listed(TEXT))),
        snapshots=COUNT, packs_left=COUNT, notes=listed(TEXT), remembered=COUNT, remembered_since=nullable(TIME), data_read=nullable(TIME),
    ),
    "verify": result(
        snapshots=listed(fields(snapshot=SNAPSHOT_ID, verified=TRUTH)), part=nullable(TEXT), objects=COUNT, read_bytes=COUNT, rows=COUNT,
        files=COUNT, rendered=COUNT, duration_s=SECONDS,
        damage=listed(fields(file=TEXT, kind=TEXT, object=nullable(TEXT), why=TEXT, affects=listed(TEXT))),
        mismatches=listed(fields(why=TEXT, where=listed(TEXT))), not_verified=listed(fields(why=TEXT, where=listed(TEXT))),
    ),
    "verify --against": result(
        snapshot=SNAPSHOT_ID, same_database=TRUTH, definitions=nullable(listed(fields(kind=TEXT, name=TEXT, what=TEXT))),
        tables=listed(fields(name=TEXT, state={"enum": ["equal", "different", "not_compared"]}, rows=COUNT, rows_now=nullable(COUNT), why=nullable(TEXT))),
        values=listed(fields(kind=TEXT, name=TEXT, what=TEXT)), values_unread=listed(TEXT),
        duration_s=SECONDS,
    ),
    "forget": result(
        kept=listed(fields(**FORGOTTEN, reasons=listed(TEXT))), removed=listed(fields(**FORGOTTEN)),
        spared=listed(fields(**FORGOTTEN)), misplaced=listed(SNAPSHOT_ID), dry_run={"type": "boolean"},
        freed_bytes=nullable(COUNT), damage=listed(fields(file=TEXT, kind=TEXT, why=TEXT)),
    ),
    "pin": result(snapshot=SNAPSHOT_ID, pins=listed(fields(reason=TEXT, host=TEXT, time=TIME))),
    "repair index": result(done=TRUTH, packs=COUNT, objects=COUNT, unreadable=listed(WRONG), silent=listed(WRONG)),
    "repair packs": result(
        done=TRUTH, packs=listed(fields(file=TEXT, why=TEXT, saved=COUNT, elsewhere=COUNT, lost=COUNT)), saved=COUNT,
        lost=COUNT, read_bytes=COUNT,
    ),
    "repair snapshots": result(
        done=TRUTH, recorded=listed(SNAPSHOT_ID), removed=listed(TEXT),
        damaged=listed(fields(id=SNAPSHOT_ID, source=TEXT, losses=listed(fields(item=TEXT, why=TEXT)), hopeless=nullable(TEXT), new=nullable(SNAPSHOT_ID))),
    ),
    "prune": result(
        deleted_bytes=COUNT, repacked_bytes=COUNT, packs_deleted=COUNT, unused_bytes=COUNT, packs_kept=COUNT,
        kept_bytes=COUNT, packs_young=COUNT, young_unused_bytes=COUNT, stored_whole=COUNT,
    ),
    "key": result(keys=listed(KEY)),
    "key list": result(keys=listed(KEY), left_behind=listed(SNAPSHOT_ID), damage=listed(fields(file=TEXT, why=TEXT))),
    "unlock": result(removed=listed(LEASE), leases=listed(LEASE), young={"type": "boolean"}),
    "stats": result(
        snapshots=COUNT, source_bytes=COUNT, stored_bytes=COUNT, objects=COUNT, tables=listed({"type": "object"})
    ),
    "demo": result(
        days=COUNT, source_bytes=COUNT, stored_bytes=COUNT, restored_equal={"type": "boolean"}, duration_s=SECONDS
    ),
    "error": fields(
        type={"const": "error"}, code=TEXT, message=TEXT, why=TEXT, fix=TEXT,
        exit_code={"type": "integer", "minimum": 1},
    ),
}  # fmt: skip
