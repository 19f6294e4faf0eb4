"""What this machine's own records, which need no key, know of a repository's place."""

from __future__ import annotations

from vault.app.settings import Settings, config_to_write
from vault.app.wiring import repository_place
from vault.errors import UsageError


def places_of_jobs(settings: Settings) -> list[str]:
    """Which repository the records of jobs name: that one, if one is named; and last, for jobs of a configuration that could not be
    read, the file that would say which."""
    unread = str(config_to_write(settings.environment).absolute())
    try:
        return [repository_place(settings), unread]
    except UsageError:
        return [unread]
