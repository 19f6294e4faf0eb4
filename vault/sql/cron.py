"""Jobs of pg_cron, for a role that may not write its table: scheduled through its functions. Text only."""

from __future__ import annotations

from collections.abc import Mapping

from vault.sql.names import literal


def schedule(job: Mapping[str, str | None]) -> str:
    """Schedule a job of cron.job as the restoring role, unless it has it; one that was not active comes so."""
    name, when, command = job.get("jobname"), literal(job["schedule"] or ""), literal(job["command"] or "")
    same = f"schedule = {when} AND command = {command}" if name is None else f"jobname = {literal(name)}"
    named = "" if name is None else f"{literal(name)}, "
    created = f"cron.schedule({named}{when}, {command})"
    if job.get("active") == "f":
        created = f"cron.alter_job({created}, active := false)"
    return f"SELECT {created} WHERE NOT EXISTS (SELECT FROM cron.job WHERE username = CURRENT_USER AND {same});"
