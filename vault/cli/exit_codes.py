"""Exit codes: what each number means, and which error leads to it. Numbers are for cron, `code` names for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Final

from vault import errors


class ExitCode(IntEnum):
    """Fixed for ever; numbers may be added, never changed."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    DAMAGE = 4
    RUIN = 5
    UNREACHABLE = 6
    PERMISSION = 7
    UNSAFE = 8
    RESTORE_INCOMPLETE = 9
    NO_REPOSITORY = 10
    LOCKED = 11
    WRONG_PASSPHRASE = 12
    SECRET_UNAVAILABLE = 13
    FORMAT_NEWER = 14
    STORAGE = 15
    DIFFERENCES = 20
    INTERRUPTED = 130


MEANING: Final[Mapping[ExitCode, str]] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage, or no such snapshot, path or table",
    ExitCode.INCOMPLETE: "done, but something selected was not captured or not compared",
    ExitCode.DAMAGE: "damage or mismatch found",
    ExitCode.RUIN: "snapshot saved, but it looks like damage next to the last good one (ack)",
    ExitCode.UNREACHABLE: "source or target unreachable",
    ExitCode.PERMISSION: "permission missing on source or target",
    ExitCode.UNSAFE: "refused as unsafe",
    ExitCode.RESTORE_INCOMPLETE: "restore applied with something missing",
    ExitCode.NO_REPOSITORY: "no repository",
    ExitCode.LOCKED: "locked",
    ExitCode.WRONG_PASSPHRASE: "wrong passphrase",
    ExitCode.SECRET_UNAVAILABLE: "secret unavailable",
    ExitCode.FORMAT_NEWER: "format newer than the program",
    ExitCode.STORAGE: "storage error",
    ExitCode.DIFFERENCES: "differences found (diff --exit-code)",
    ExitCode.INTERRUPTED: "interrupted",
}

OF_STATUS: Final[Mapping[ExitCode, str]] = {
    ExitCode.OK: "safe",
    ExitCode.FAILED: "overdue; or the last run failed or was killed and no snapshot came after it; or a scheduled run left something undone; or a drill is overdue",
    ExitCode.USAGE: "a source has no snapshot",
    ExitCode.INCOMPLETE: "something that was selected is not in the last snapshot",
    ExitCode.DAMAGE: "damage: what a check found, a file that does not open, a suspect snapshot, a drill that differed, snapshots"
    " that went away",
    ExitCode.RUIN: "a finding of the guard waits for an answer",
}
"""What they mean when `status` is asked, for monitoring; the others are those of errors: the repository cannot be opened."""

OF_ERROR: Final[Mapping[type[errors.VaultError], ExitCode]] = {
    errors.VaultError: ExitCode.FAILED,
    errors.UsageError: ExitCode.USAGE,
    errors.UnsafeError: ExitCode.UNSAFE,
    errors.KeyUnavailable: ExitCode.SECRET_UNAVAILABLE,
    errors.WrongPassphrase: ExitCode.WRONG_PASSPHRASE,
    errors.IntegrityError: ExitCode.DAMAGE,
    errors.Unsupported: ExitCode.FORMAT_NEWER,
    errors.StoreError: ExitCode.STORAGE,
    errors.NoRepository: ExitCode.NO_REPOSITORY,
    errors.Unreachable: ExitCode.UNREACHABLE,
    errors.PermissionMissing: ExitCode.PERMISSION,
    errors.Locked: ExitCode.LOCKED,
    errors.Interrupted: ExitCode.INTERRUPTED,
}
"""A class that is not listed has its nearest listed ancestor's code."""


GRAVITY: Final = (
    ExitCode.OK,
    ExitCode.DIFFERENCES,
    ExitCode.INCOMPLETE,
    ExitCode.RESTORE_INCOMPLETE,
    ExitCode.RUIN,
    ExitCode.USAGE,
    ExitCode.LOCKED,
    ExitCode.UNREACHABLE,
    ExitCode.PERMISSION,
    ExitCode.FAILED,
    ExitCode.UNSAFE,
    ExitCode.SECRET_UNAVAILABLE,
    ExitCode.WRONG_PASSPHRASE,
    ExitCode.NO_REPOSITORY,
    ExitCode.FORMAT_NEWER,
    ExitCode.STORAGE,
    ExitCode.DAMAGE,
    ExitCode.INTERRUPTED,
)
"""The lightest first: what a command over several things ends with is the last of them. What is saved is lighter than what is not."""

SAVED: Final = frozenset({ExitCode.OK, ExitCode.INCOMPLETE, ExitCode.RUIN})
"""A backup that ends with one of these saved a snapshot. With DAMAGE there may be one too: what it returned, or its job, says it."""

GOOD: Final = frozenset({ExitCode.OK, ExitCode.INCOMPLETE})
"""Of `SAVED`: what is in the snapshot is as it should be."""


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """OK if there are none."""
    return max(codes, key=GRAVITY.index, default=ExitCode.OK)


def exit_code_of(kind: type[errors.VaultError]) -> ExitCode:
    for ancestor in kind.__mro__:
        if issubclass(ancestor, errors.VaultError) and ancestor in OF_ERROR:
            return OF_ERROR[ancestor]
    return ExitCode.FAILED


def exit_code_of_name(code: str) -> ExitCode:
    """Of an error of which only the stable name is left."""
    return next((exit_code_of(kind) for kind in error_classes() if kind.code == code), ExitCode.FAILED)


def error_classes() -> Iterator[type[errors.VaultError]]:
    """The whole tree, each class once, parents first."""
    waiting: list[type[errors.VaultError]] = [errors.VaultError]
    while waiting:
        kind = waiting.pop(0)
        yield kind
        waiting.extend(kind.__subclasses__())
