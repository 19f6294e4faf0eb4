"""The demo project: its migrations, its edge functions, and the SQL that builds and fills its database.

Everything is generated and always equal. The inventory is that of a real project, as its owner described it: tables, policies, functions, users; a test counts it in a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vault.demo import routines, tables
from vault.demo.platform import PLATFORM_SQL
from vault.demo.rows import ROWS_SQL, people_sql
from vault.model import Counts

INVENTORY: Final = Counts(
    tables=23,
    users=6,
    user_roles=6,
    rls_policies=88,
    rpc_functions=20,
    migrations=24,
    edge_functions=73,
    encryption_functions=4,
)
"""What the project has; `records` is left 0, it grows with the days."""

_SHARED_MODULES: Final = ("cors.ts", "client.ts")
_AREAS: Final = ("ai", "auth", "billing", "customers", "documents", "reports", "tasks", "webhooks")
_VERBS: Final = ("archive", "create", "delete", "export", "import", "list", "notify", "search", "sync", "update")


def migrations() -> dict[str, bytes]:
    """File name -> content of the 24 migrations, in the order of their versions."""
    steps = _steps()
    days = [f"2025{1 + at * 10 // len(steps):02d}{1 + at % 28:02d}{at + 1:06d}" for at in range(len(steps))]
    return {
        f"{days[at]}_{name}.sql": f"-- {name.replace('_', ' ')}\n{sql.strip()}\n".encode()
        for at, (name, sql) in enumerate(steps)
    }


def _steps() -> list[tuple[str, str]]:
    def made(*names: str) -> str:
        return "".join(tables.TABLES[name] for name in names)

    def secured(names: Mapping[str, str]) -> str:
        return "".join(routines.policies_sql(name) for name in names)

    return [
        ("departments", made("departments")),
        ("profiles", made("profiles")),
        ("user_roles", made("user_roles")),
        ("role_permissions", made("role_permissions")),
        ("role_grant_audit", made("role_grant_audit")),
        ("ai_providers", made("ai_providers_unified", "ai_models")),
        ("ai_conversations", made("ai_conversations", "ai_messages")),
        ("ai_usage", made("ai_usage_events")),
        ("customers", made("customers", "contacts")),
        ("projects", made("projects")),
        ("tasks", made("tasks", "task_comments")),
        ("documents", made("documents", "document_versions")),
        ("tags", made("tags", "document_tags")),
        ("notifications", made("notifications")),
        ("audit_log", made("audit_log")),
        ("app_settings", made("app_settings")),
        ("authorization", routines.AUTHORIZATION_SQL),
        ("policies_of_people", secured(tables.PEOPLE_TABLES)),
        ("policies_of_ai", secured(tables.AI_TABLES)),
        ("policies_of_work", secured(tables.WORK_TABLES)),
        ("policies_of_the_rest", secured(tables.OTHER_TABLES)),
        ("application_functions", routines.APPLICATION_SQL),
        ("reporting_functions", routines.REPORTING_SQL),
        ("encryption_system", routines.ENCRYPTION_SQL),
    ]


def edge_functions() -> dict[str, bytes]:
    """Path -> content: 73 functions, each a directory, and the `_shared` modules, which are no function."""
    files = {f"_shared/{name}": _shared_module(name) for name in _SHARED_MODULES}
    names = [f"{area}-{verb}" for area in _AREAS for verb in _VERBS][: INVENTORY.edge_functions]
    for at, name in enumerate(names):
        files[f"{name}/index.ts"] = _function_source(name, at)
        if at % 4 == 0:
            files[f"{name}/deno.json"] = (
                b'{\n  "imports": { "@supabase/supabase-js": "npm:@supabase/supabase-js@2" }\n}\n'
            )
    return dict(sorted(files.items()))


def _shared_module(name: str) -> bytes:
    if name == "cors.ts":
        return b'export const cors = {\n  "Access-Control-Allow-Origin": "*",\n  "Access-Control-Allow-Headers": "*",\n};\n'
    return (
        b'import { createClient } from "npm:@supabase/supabase-js@2";\n'
        b'export const client = () => createClient(Deno.env.get("SUPABASE_URL")!, Deno.env.get("SUPABASE_ANON_KEY")!);\n'
    )


def _function_source(name: str, at: int) -> bytes:
    area, verb = name.split("-")
    return (
        'import { cors } from "../_shared/cors.ts";\nimport { client } from "../_shared/client.ts";\n\n'
        f"// {verb} of {area}, revision {at % 7 + 1}\n"
        "Deno.serve(async (request) => {\n"
        '  if (request.method === "OPTIONS") return new Response("ok", { headers: cors });\n'
        f'  const {{ data, error }} = await client().rpc("{area}_{verb}", await request.json());\n'
        "  return Response.json(error ?? data, { headers: cors, status: error ? 400 : 200 });\n"
        "});\n"
    ).encode()


def database_sql() -> Iterator[str]:
    """Scripts that build the project in an empty database, to be executed in this order, as a superuser."""
    yield PLATFORM_SQL
    for name, content in migrations().items():
        yield content.decode()
        version, _, title = name.removesuffix(".sql").partition("_")
        yield (
            "INSERT INTO supabase_migrations.schema_migrations (version, statements, name)\n"
            f"  VALUES ('{version}', ARRAY[{_literal(content.decode())}], '{title}')"
        )
    yield people_sql()
    yield ROWS_SQL


def _literal(text: str) -> str:
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
