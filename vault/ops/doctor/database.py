"""Symptoms of one source: its database as it was looked at, what a snapshot of it would lack, its directories. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vault.errors import Unreachable, VaultError
from vault.model import Counts, Missing
from vault.model.examined import Examined, LookedAt, Route
from vault.model.words import counted, size
from vault.ops.backup.number_and_parent import OtherDatabase, refusal, require_same
from vault.ops.doctor.symptoms import Health, Symptom, ok, skipped, stopped, warn
from vault.ops.project.components import Selectors
from vault.ops.project.counts import Captured, coverage
from vault.ops.project.files_outside import ACCEPTABLE, gaps
from vault.repo.lineage import Known

NEWEST_MAJOR = 18
GAPS_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a backup of it would be asked for; `files`: directory -> its paths that cannot be captured."""

    name: str
    selectors: Selectors
    patterns: Sequence[str] = ()
    outside: bool = True
    accepted: Sequence[str] = ()
    moved: bool = False
    files: Mapping[str, Sequence[Missing]] = field(default_factory=dict)


def database(seen: Examined, source: str, *, advice: str = "", expected_major: int | None = None) -> list[Symptom]:
    """One symptom a step; of a server that was not reached only that, and whether there is a pg_dump.

    advice          what to type if it cannot be reached, where that is known
    expected_major  of the project whose database it should be
    """
    refused = seen.refusal(LookedAt.CONNECTION)
    if refused is not None:
        if isinstance(refused, Unreachable):
            refused.advise(advice)
        return [stopped("database", refused, source=source), _pg_dump(seen, source)]
    found = [_server(seen, source, expected_major), _route(seen, source)]
    if seen.server is not None:
        found.append(_all_rows(seen, source))
    if (unreadable := seen.refusal(LookedAt.TEXTS)) is not None:
        found.append(stopped("names", unreadable, source=source))
    return [*found, _pg_dump(seen, source), *_objects(seen, source)]


def same_database(seen: Examined, source: Source, known: Sequence[Known], *, attended: bool) -> list[Symptom]:
    """Whether it is the database of the source's snapshots. `attended`: a backup here is refused, others go under a name of their own."""
    if seen.server is None or source.moved:
        return []
    try:
        require_same(known, source.name, seen.server)
    except OtherDatabase as other:
        error = refusal(source.name, other)
        if attended:
            return [stopped("identity", error, source=source.name)]
        return [
            Symptom(
                check="identity",
                health=Health.WARN,
                what=error.message,
                why=f"{error.why}; a backup saves it as another source",
                fix=error.hint,
                source=source.name,
                incomplete=True,
            )
        ]
    return []


def missing(seen: Examined | None, source: Source) -> list[Symptom]:
    """What a snapshot would lack of what was asked for; what the configuration accepts is not told."""
    denied = (
        {gap.item for gap in seen.denied} if seen is not None and seen.refusal(LookedAt.OBJECTS) is not None else set()
    )
    captured = Captured(
        counts=Counts(),
        database=seen is not None,
        directories=frozenset(source.files),
        tables=() if seen is None else tuple(seen.rows.items()),
        missing=() if seen is None else [gap for gap in seen.missing if gap.item not in denied],
        missing_files=source.files,
        patterns=source.patterns,
        outside=source.outside,
        accepted=source.accepted,
    )
    lacking = gaps(coverage(captured, source.selectors))
    if not lacking:
        return (
            []
            if seen is None or seen.server is None
            else [ok("coverage", "all that was asked for", source=source.name)]
        )
    return [
        *(_gap(gap, source.name) for gap in lacking[:GAPS_NAMED]),
        *([_more(lacking[GAPS_NAMED:], source.name)] if len(lacking) > GAPS_NAMED else []),
    ]


def directories(name: str, *, paths: Mapping[str, str], problems: Sequence[VaultError]) -> list[Symptom]:
    """`problems`: what a backup would be refused for; `paths`: of those that are there."""
    found = [stopped("directories", error, source=name) for error in problems]
    if not problems and paths:
        found.append(
            ok("directories", ", ".join(f"{key} ({path})" for key, path in sorted(paths.items())), source=name)
        )
    return found


def _server(seen: Examined, source: str, expected_major: int | None) -> Symptom:
    refused = seen.refusal(LookedAt.SERVER)
    if refused is not None:
        return stopped("database", refused, source=source)
    assert seen.server is not None, "what was not refused was answered"
    major, standby = seen.server.version_num // 10000, " (a standby)" if seen.server.in_recovery else ""
    what = f"{seen.server.database} at {seen.place} as {seen.user}: PostgreSQL {seen.server.version}{standby}"
    if seen.size_bytes is not None:
        what += f", {size(seen.size_bytes)}"
    if expected_major not in (None, major):
        why = f"db.major_version of the project is {expected_major}: another database may have its port"
        return warn("database", what, why=why, fix="supabase status", source=source)
    if major > NEWEST_MAJOR:
        return warn(
            "database",
            what,
            why=f"newer than {NEWEST_MAJOR}, the newest that this pgvault was tried with",
            source=source,
        )
    return ok("database", what, source=source)


def _route(seen: Examined, source: str) -> Symptom:
    refused = seen.refusal(LookedAt.ROUTE)
    if refused is not None:
        return stopped("connection", refused, source=source)
    secured = "encrypted" if seen.encrypted else "not encrypted"
    if seen.route is Route.SESSION_POOLER:
        return ok(
            "connection", f"through a pooler in session mode, {secured}; the direct one is quicker", source=source
        )
    return ok("connection", f"direct, {secured}", source=source)


def _all_rows(seen: Examined, source: str) -> Symptom:
    refused = seen.refusal(LookedAt.ALL_ROWS)
    if refused is not None:
        return stopped("row security", refused, source=source)
    how = "a superuser" if seen.superuser else "BYPASSRLS"
    return ok("row security", f"hides nothing from {seen.user} ({how})", source=source)


def _pg_dump(seen: Examined, source: str) -> Symptom:
    refused = seen.refusal(LookedAt.PG_DUMP)
    if refused is not None:
        return stopped("pg_dump", refused, source=source)
    if seen.pg_dump is None:
        return skipped("pg_dump", "not looked for", source=source)
    what = f"{seen.pg_dump.version} ({seen.pg_dump.path})"
    if seen.server is None:
        return ok("pg_dump", f"{what}; which one is needed, only the server can tell", source=source)
    if seen.pg_dump.outdated:
        return warn(
            "pg_dump",
            f"{what} is older than the server ({seen.server.version})",
            why="a minor may change what definitions hold",
            fix=f"bring postgresql-client-{seen.server.version_num // 10000} up to date",
            source=source,
        )
    return ok("pg_dump", what, source=source)


def _objects(seen: Examined, source: str) -> list[Symptom]:
    refused = seen.refusal(LookedAt.OBJECTS)
    if refused is None:
        told = "" if seen.tables is None else counted(seen.tables, "table")
        return (
            [ok("rights", f"all that is read may be read: {told}", source=source)] if told and not seen.denied else []
        )
    if not seen.denied:
        return [stopped("objects", refused, source=source)]
    grants = tuple(f"{gap.fix};" for gap in seen.denied)
    symptom = stopped("rights", refused, source=source, lines=grants)
    assert seen.server is not None, "what was listed was asked of a server"
    return [symptom]


def _gap(gap: Missing, source: str) -> Symptom:
    accept = ""
    if gap.state in ACCEPTABLE:  # a string of JSON is one of TOML
        accept = f"; or, if that is meant to be so: accepted_gaps = [{json.dumps(gap.item, ensure_ascii=False)}] in pgvault.toml"
    return Symptom(
        check="coverage",
        health=Health.WARN,
        what=f"{gap.item}: {gap.state.value.replace('_', ' ')}",
        why=gap.why,
        fix=f"{gap.fix}{accept}".removeprefix("; or, "),
        source=source,
        incomplete=True,
    )


def _more(rest: Sequence[Missing], source: str) -> Symptom:
    return Symptom(
        check="coverage",
        health=Health.WARN,
        what=f"and {len(rest)} more",
        lines=tuple(f"{gap.item}: {gap.fix}" for gap in rest),
        source=source,
        incomplete=True,
    )
