"""What a scheduler is told to start, as a value: one for each configuration and source, with a name that nothing else has. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.errors import UsageError
from vault.ops.schedule.timetable import Timetable

PREFIX: Final = "pgvault-"
NAME: Final = re.compile(r"pgvault-[a-z0-9-]{1,40}-[0-9a-f]{8}")
_SLUG_MAX: Final = 32

CARRIED: Final = (
    *("PGVAULT_REPOSITORY", "PGVAULT_CONFIG", "PGVAULT_STATE_DIR", "PGVAULT_CACHE_DIR", "PGVAULT_PASSWORD_FILE"),
    *("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"),
    *("PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS"),
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"),
    *("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ENDPOINT", "AZURE_USE_AZURE_CLI"),
    *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    *("PGVAULT_ALLOW_HTTP", "PGVAULT_INSTANCE_ROLE", "PGVAULT_CA_BUNDLE"),
)
"""Variables that a task takes along: none of them is a secret, some name the file of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`words`: the command, its program an absolute path; `folder`: where it runs; `delay_s`: up to so much later, by chance;
    `rehearsal`: the command that says beforehand how it would end."""

    name: str
    title: str
    words: tuple[str, ...]
    folder: str
    timetable: Timetable
    environment: Mapping[str, str] = field(default_factory=dict)
    delay_s: int = 0
    rehearsal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert NAME.fullmatch(self.name)
        for text in (self.title, *self.words, self.folder, *self.environment, *self.environment.values()):
            if any(char in text for char in "\n\r\0") or text.endswith("\\"):
                raise UsageError(
                    f"{text!r} cannot be written into a schedule",
                    why="it has a line end in it, or a backslash at its end",
                    hint="rename it, or set the variable anew",
                )


def task_name(place: str, source: str | None) -> str:
    """A unit's name for a source (None: all) of a configuration file or repository at `place`: readable, and different for each pair."""
    path = place.partition("\0")[0].removesuffix("/pgvault.toml")
    readable = source or path.rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-z0-9]+", "-", readable.lower()).strip("-")[:_SLUG_MAX].strip("-") or "backup"
    identity = f"{len(place)}:{place}{source or ''}".encode(errors="surrogateescape")
    return f"{PREFIX}{slug}-{hashlib.sha256(identity).hexdigest()[:8]}"
