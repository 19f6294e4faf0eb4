"""Facts about Supabase: what the platform owns, and where a project keeps what users ask for. Facts only, no behaviour.

Sources: supabase/postgres init scripts and the CLI's list of internal schemas. Spec 60-snapshot does not depend on it.
"""

from __future__ import annotations

from typing import Final

from vault.model import TableName

PLATFORM_SCHEMAS: Final = frozenset(
    {
        "_analytics",
        "_realtime",
        "_supavisor",
        "auth",
        "cron",
        "dbdev",
        "etl",
        "extensions",
        "graphql",
        "graphql_public",
        "net",
        "pgbouncer",
        "pgmq",
        "pgsodium",
        "pgsodium_masks",
        "pgtle",
        "realtime",
        "repack",
        "storage",
        "supabase_functions",
        "supabase_migrations",
        "tiger",
        "tiger_data",
        "timescaledb_information",
        "topology",
        "vault",
    }
)
"""Schemas that the platform, an extension of it or its tools create and migrate."""

USERS_TABLE: Final = TableName(schema="auth", name="users")
"""Passwords are bcrypt hashes in `encrypted_password`."""

HISTORY_TABLE: Final = TableName(schema="supabase_migrations", name="schema_migrations")
"""Columns (version, statements, name) and newer ones; no time of application."""

MIGRATION_TABLES: Final = (
    HISTORY_TABLE,
    TableName(schema="supabase_migrations", name="seed_files"),
    TableName(schema="auth", name="schema_migrations"),
    TableName(schema="storage", name="migrations"),
    TableName(schema="realtime", name="schema_migrations"),
)

JOBS_TABLE: Final = TableName(schema="cron", name="job")
"""Of pg_cron. Ordinary roles read it and write through cron.schedule and cron.alter_job."""

WRITTEN_OTHERWISE: Final = {
    TableName(
        schema="vault", name="secrets"
    ): "set its secrets anew with vault.create_secret, or restore as a superuser"
    " into a database that has the source's root key",
}
"""Tables that a project reads but does not write -> what to do instead."""

USER_ROLE_TABLES: Final = (TableName(schema="public", name="user_roles"),)
"""Where an application assigns roles to its users, by the usual convention."""

USER_ROLE_RELATED: Final = ("role_permissions", "role_grant_audit", "role_audit_log", "user_permissions", "roles")
"""Names of tables beside the assignments that belong to them, in the same schema: matrix and trail."""

EXPOSED_SCHEMAS: Final = frozenset({"public", "graphql_public"})
"""PostgREST's default; what is callable as /rpc/NAME."""

FILE_TABLES: Final = (TableName(schema="storage", name="objects"),)
"""A row describes a file, which lies in object storage."""

SECRET_TABLES: Final = (TableName(schema="vault", name="secrets"), TableName(schema="pgsodium", name="key"))
"""Rows are ciphertext, or lead to keys; the root key is a file beside the server, or with the platform."""

CHURNING_TABLES: Final = frozenset(
    TableName(schema=schema, name=name)
    for schema, names in {
        "auth": "audit_log_entries flow_state mfa_amr_claims mfa_challenges one_time_tokens refresh_tokens saml_relay_states sessions",
        "cron": "job_run_details",
        "net": "_http_response http_request_queue",
        "realtime": "messages subscription",
        "storage": "s3_multipart_uploads s3_multipart_uploads_parts",
        "supabase_functions": "hooks",
    }.items()
    for name in names.split()
)
"""Tables of the platform whose rows come and go by themselves."""

MIGRATIONS_DIRECTORY: Final = "migrations"
EDGE_FUNCTIONS_DIRECTORY: Final = "edge_functions"
FILES_DIRECTORY: Final = "storage"
