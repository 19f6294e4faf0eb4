"""Lines to type next name the repository that only the command line named."""

from __future__ import annotations

import pytest

from vault.cli.command_names import COMMANDS
from vault.cli.next_lines import with_repository


@pytest.mark.parametrize(
    ("fix", "shown"),
    [
        ("run: pgvault check --read-data", "run: pgvault -r 'my backups' check --read-data"),
        ("pgvault ack; then pgvault forget", "pgvault -r 'my backups' ack; then pgvault -r 'my backups' forget"),
        ("create one: pgvault init -r X; or pgvault snapshots", "create one: pgvault init -r X; or pgvault -r 'my backups' snapshots"),
        ("pgvault backup -r OTHER", "pgvault backup -r OTHER"),
        ("pgvault backup --repo OTHER", "pgvault backup --repo OTHER"),
        ("pgvault backup --repo=OTHER --full", "pgvault backup --repo=OTHER --full"),
        ("pgvault -r OTHER init --like THIS", "pgvault -r OTHER init --like THIS"),
        ("what that is: pgvault help buckets", "what that is: pgvault help buckets"),
        ("update pgvault here", "update pgvault here"),
        ("the pgvault checksum", "the pgvault checksum"),
    ],
)  # fmt: skip
def test_each_command_that_names_no_repository_gets_it(fix: str, shown: str) -> None:
    assert with_repository(fix, "my backups", COMMANDS) == shown


def test_a_secret_in_it_is_not_shown() -> None:
    assert "hunter2" not in with_repository("pgvault check", "s3://key:hunter2@host/bucket", COMMANDS)
