"""Every exception that pgvault raises on purpose, split by what the caller can do next.

    VaultError
    |-- UsageError            the request makes no sense, or names something that does not exist
    |   |-- NotThere          no such snapshot, path, table or key
    |   `-- Misconfigured     not the command line but a file, a project or the environment makes no sense
    |-- UnsafeError           refused because it could destroy or leak data
    |-- KeyUnavailable        no repository key
    |   |-- WrongPassphrase   no slot opens with it
    |   `-- SecretUnavailable the passphrase could not be obtained
    |-- IntegrityError        stored bytes are not what a pgvault wrote
    |   |-- Malformed         structure, canonical form or arithmetic is wrong
    |   |-- LimitExceeded     a declared size or depth is past `limits`
    |   |-- AuthenticationFailed  a MAC or AEAD tag does not match
    |   |-- ContentMismatch   authentic, but the keyed id differs (wrong delta base, swapped object)
    |   |-- MissingObject     an id that is needed has no usable location
    |   |-- RolledBack        the repository is older than it was when this machine saw it last
    |   |-- Unreadable        this user may not read a file that others may: nobody here can say what is in it
    |   `-- Unsupported       a version, kind or mandatory field newer than this program
    |-- StoreError            the storage did not do what was asked
    |   |-- NotFound / AlreadyExists / Unavailable / StoreFull / NoRepository
    |   |-- StoreDenied       these rights do not include what was asked for
    |   `-- CredentialsRefused  the storage does not take who asks
    |-- SourceError           the database or directory that is read or written
    |   |-- PermissionMissing / Incoherent / MeaningLost
    |-- Unreachable           no connection to the database, or no more
    |-- Locked                another process holds what is needed
    |-- StateUnusable         what this machine remembers of jobs cannot be read or written
    |-- Declined              the answer to a question was no
    `-- Interrupted           the user asked to stop

Messages are lower case, name the thing, and never hold a secret or row data. `hint` is what to type next.
Only `vault.cli` turns an error into an exit code. `code` is the stable name that `--json` prints.
"""

from __future__ import annotations

from typing import Self


class VaultError(Exception):
    """Base of all. `why` is the cause in words, `hint` the next thing to type."""

    code = "FAILED"

    def __init__(self, message: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint

    def bare(self) -> Self:
        """Itself without traceback and what came before, whose frames hold what was read: for errors that are kept."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class UsageError(VaultError):
    code = "USAGE"


class NotThere(UsageError):
    code = "NOT_THERE"


class Misconfigured(UsageError):
    """The command was typed rightly: what starts a backup with something else goes on without one, and says so."""

    code = "MISCONFIGURED"


class UnsafeError(VaultError):
    code = "UNSAFE"


class KeyUnavailable(VaultError):
    code = "KEY_UNAVAILABLE"


class WrongPassphrase(KeyUnavailable):
    code = "WRONG_PASSPHRASE"


class SecretUnavailable(KeyUnavailable):
    code = "SECRET_UNAVAILABLE"


class IntegrityError(VaultError):
    """`file` and `object_id` (hex) say where, once known; an outer layer may fill them in."""

    code = "DAMAGED"

    def __init__(self, message: str, *, why: str = "", hint: str = "", file: str = "", object_id: str = "") -> None:
        super().__init__(message, why=why, hint=hint)
        self.file = file
        self.object_id = object_id


class Malformed(IntegrityError):
    code = "MALFORMED"


class LimitExceeded(IntegrityError):
    code = "LIMIT_EXCEEDED"


class AuthenticationFailed(IntegrityError):
    code = "AUTHENTICATION_FAILED"


class ContentMismatch(IntegrityError):
    code = "CONTENT_MISMATCH"


class MissingObject(IntegrityError):
    code = "MISSING_OBJECT"


class RolledBack(IntegrityError):
    code = "ROLLED_BACK"


class Unreadable(IntegrityError):
    """No damage of the bytes, for all that is known. Only where what cannot be read is told, and the rest goes on, it stands for StoreDenied."""

    code = "UNREADABLE"


class Unsupported(IntegrityError):
    code = "FORMAT_NEWER"


class StoreError(VaultError):
    code = "STORE_FAILED"


class NotFound(StoreError):
    code = "STORE_NOT_FOUND"


class AlreadyExists(StoreError):
    code = "STORE_ALREADY_EXISTS"


class Unavailable(StoreError):
    """Worth trying again: a timeout, a throttled or dropped connection."""

    code = "STORE_UNAVAILABLE"


class StoreFull(StoreError):
    code = "STORE_FULL"


class StoreDenied(StoreError):
    """The storage knows who asks, and refuses this: other calls may be allowed, deleting above all may not."""

    code = "STORE_DENIED"


class CredentialsRefused(StoreError):
    """Keys that are missing, wrong or expired, or a clock that is: no other call would be answered either."""

    code = "STORE_CREDENTIALS"


class NoRepository(StoreError):
    code = "NO_REPOSITORY"


class SourceError(VaultError):
    """`sqlstate` is PostgreSQL's code, or empty. `inside`: a function or a COPY was running when it came up."""

    code = "SOURCE_FAILED"

    def __init__(
        self, message: str, *, why: str = "", hint: str = "", sqlstate: str = "", inside: bool = False
    ) -> None:
        super().__init__(message, why=why, hint=hint)
        self.sqlstate = sqlstate
        self.inside = inside


class PermissionMissing(SourceError):
    code = "PERMISSION_MISSING"


class Incoherent(SourceError):
    """The source changed its definitions under the backup; a new attempt may succeed."""

    code = "SOURCE_INCOHERENT"


class MeaningLost(SourceError):
    """An object was made of a definition and calls something else than it did. `paths`: search paths that may find what it called."""

    code = "SOURCE_MEANING_LOST"

    def __init__(self, message: str, *, why: str, paths: tuple[str, ...]) -> None:
        super().__init__(message, why=why)
        self.paths = paths


class Unreachable(VaultError):
    """No SourceError: who goes on after a refused statement must not go on when nothing can be said any more."""

    code = "SOURCE_UNREACHABLE"
    wants_password = False
    """Whether a server answered, and took no password that was sent."""

    def advise(self, advice: str) -> None:
        """What is known of the place stands for the hint, except where a password is wanted and it names none. Empty: nothing is."""
        if advice and ("password" in advice or not self.wants_password):
            self.hint = advice


class Locked(VaultError):
    code = "REPO_LOCKED"


class StateUnusable(VaultError):
    """Never a reason to make no backup: a front end says it and goes on where it can."""

    code = "STATE_UNUSABLE"


class Declined(VaultError):
    """Nothing failed, and nothing was done: a script that goes on behind it must not take it for done."""

    code = "DECLINED"


class Interrupted(VaultError):
    code = "INTERRUPTED"
