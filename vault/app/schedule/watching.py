"""What a process that stays knows of earlier backups when it starts: the records of jobs on this machine."""

from __future__ import annotations

from collections.abc import Collection

from vault.app import jobs
from vault.app.state import StateDirectory


def last_saved_ms(directory: StateDirectory, repository: str, sources: Collection[str], *, now_ms: int) -> int:
    """When the newest job began that saved something; of several sources that of the one that waits longest. 0: none is known

    One that began after now is passed over: a clock was ahead.

    Raises  StateUnusable
    """
    began_ms: dict[str, int] = {}
    for found in jobs.listed(directory, now_ms=now_ms):
        job = found.job
        if job is None or job.started_ms > now_ms:
            continue
        if job.repository == repository and job.snapshot is not None:
            began_ms.setdefault(job.source, job.started_ms)
    if sources:
        return min(began_ms.get(source, 0) for source in sources)
    return max(began_ms.values(), default=0)
