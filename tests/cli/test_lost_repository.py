"""A repository that is not where this machine saved into it: a disk that is not mounted, and never a new, empty one in its stead."""

from __future__ import annotations

from tests.cli.command import Command

BACKUP = ("backup", "--dir", "documents=documents")


def test_unmounted_repository_is_not_made_anew(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "documents").mkdir()
    assert pgvault_ready(*BACKUP, "--wait").code == 0
    away = pgvault_ready.repository.rename(pgvault_ready.home / "unmounted")
    pgvault_ready.repository.mkdir()
    for words in (("status",), BACKUP, ("doctor", "--local")):
        done = pgvault_ready(*words)
        said = done.out + done.err
        assert ("is the disk mounted?" in said, "it was here on 2" in said, "pgvault init" in said) == (
            True,
            True,
            False,
        )
    refused = pgvault_ready("init", "--no-recovery-kit")
    assert (refused.code, "--anew" in refused.err, "another place" in refused.err) == (8, True, True)
    assert list(pgvault_ready.repository.iterdir()) == []
    assert pgvault_ready("init", "--no-recovery-kit", "-r", "elsewhere").code == 0
    pgvault_ready.repository.rmdir()
    assert pgvault_ready("init", "--no-recovery-kit").code == 8
    away.rename(pgvault_ready.repository)
    assert pgvault_ready("status").code == 0
    again = pgvault_ready("init", "--no-recovery-kit", "--anew")
    assert (again.code, "a repository is there already" in again.err, "pgvault backup" in again.err) == (8, True, True)
    pgvault_ready.repository.rename(away)
    assert pgvault_ready("init", "--no-recovery-kit", "--anew").code == 0
