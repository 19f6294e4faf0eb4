"""`rls_policies_complete.sql`: what enables row-level security, and every policy. No SQL text is edited.

A policy is compared in pg_dump's words, which the block makes of the target's catalog: one that is as recorded needs no right.
What differs is dropped and created in one statement, so that nobody sees the table without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import SchemaEntry
from vault.ops.project.components import POLICIES, Selectors, is_about_policy
from vault.ops.view.executed.fence import dollar_quoted
from vault.ops.view.executed.operator_paths import Implied, implied
from vault.ops.view.scripts.parts import entries, foot, head, title
from vault.ops.view.scripts.routines import about, object_block
from vault.repo.snapshot import Snapshot
from vault.sql.names import literal, qualified, quote

_AS_PG_DUMP: Final = """
(SELECT pg_catalog.format('CREATE POLICY %I ON %I.%I%s%s%s%s%s;', polname, nspname, relname,
        CASE WHEN polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,
        CASE polcmd WHEN '*' THEN '' WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT'
                    WHEN 'w' THEN ' FOR UPDATE' ELSE ' FOR DELETE' END,
        CASE WHEN polroles = '{0}' THEN '' ELSE ' TO ' || pg_catalog.array_to_string(
             ARRAY(SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles WHERE oid = ANY (polroles)), ', ') END,
        ' USING (' || pg_catalog.pg_get_expr(polqual, polrelid) || ')',
        ' WITH CHECK (' || pg_catalog.pg_get_expr(polwithcheck, polrelid) || ')')
   FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = polrelid
   JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE p.oid = there)
"""


_STATES: Final = {
    "ENABLE": "relrowsecurity",
    "DISABLE": "NOT relrowsecurity",
    "NO FORCE": "NOT relforcerowsecurity",
    "FORCE": "relforcerowsecurity",
}


def policies_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """In pg_dump's order."""
    found = implied(snapshot)
    yield head(
        snapshot,
        "Row-level security: where it is enabled and forced, all policies, their comments.",
        "For a database that has the tables, roles and functions: psql -X -d DATABASE -f rls_policies_complete.sql",
        "What is there as recorded is left, what differs is replaced.",
        *found.said(POLICIES),
    )
    for entry in entries(snapshot):
        block = _block(entry, snapshot, found)
        if block:
            yield title(entry) + block
    yield foot(snapshot)


def _block(entry: SchemaEntry, snapshot: Snapshot, found: Implied) -> bytes:
    identity = entry.identity
    if is_about_policy(entry):
        return about(entry, snapshot)
    if identity.desc not in POLICIES:
        return b""
    create = dollar_quoted(entry.definition, snapshot, "create")
    table = f"pg_catalog.to_regclass({literal(qualified(identity.relation))})"
    if identity.desc == "ROW SECURITY":
        states = [words for words in _STATES if f" {words} ROW LEVEL " in entry.definition]
        wanted = [words for words in states if not (words == "FORCE" and "NO FORCE" in states)]
        state = " AND ".join(_STATES[words] for words in wanted)
        there = f"EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = there AND {state})"
        return object_block(snapshot, table, [f"IF NOT {there} THEN EXECUTE {create}; END IF;"])
    name = identity.names[-1]
    there = f"(SELECT oid FROM pg_catalog.pg_policy WHERE polrelid = {table} AND polname = {literal(name)})"
    drop = dollar_quoted(f"DROP POLICY {quote(name)} ON {qualified(identity.relation)}", snapshot, "drop")
    steps = [
        f"one := {create};",
        f"IF there IS NOT NULL AND {_AS_PG_DUMP.strip()} = pg_catalog.rtrim(one, E'\\n') THEN RETURN; END IF;",
        f"IF there IS NOT NULL THEN EXECUTE {drop}; END IF;",
        found.execute(entry, "one"),
    ]
    return object_block(snapshot, there, steps)
