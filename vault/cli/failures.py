"""What went wrong, as every front end of the command line tells it: three parts, a stable name, an exit code."""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass
from typing import Final

from vault.app.conninfo import redacted
from vault.cli.exit_codes import ExitCode, exit_code_of
from vault.cli.last_words import NOT_ENOUGH_MEMORY
from vault.errors import IntegrityError, SourceError, Unreachable, VaultError
from vault.model.words import MORE_FILES, MORE_MEMORY, MORE_THREADS, size
from vault.sql.sqlstate import OUT_OF_MEMORY

_NO_THREAD: Final = "can't start new thread"
"""What Python says where there is no memory for the stack of one, or one more is not allowed; the system tells these not apart."""
_NO_MEMORY: Final = ("failed to map segment", "cannot allocate memory")
"""What the loader of libraries says."""
_SERVER_MEMORY: Final = (
    "look into the server's log: it needs more memory, or raise max_locks_per_transaction there; then run it again"
)
"""The server has one code for both."""
_LOST: Final = (
    "look whether the server is up, and in its log why it ended, as where it lacked memory; then run it again"
)
_LIMITS: Final = {
    errno.EMFILE: MORE_FILES,
    errno.ENFILE: MORE_FILES,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f, LimitFSIZE of a service), or use a file system that takes larger files; then run it again",
}
"""Of the system, where it says which one was met: what to do about it is the same wherever that was."""
_REFUSED: Final = "the system refused some that was asked for; what was saved before is whole"
_LOOK: Final = "run: pgvault check --read-data; it names all that is damaged, and what mends it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`fix`: what to type next."""

    code: str
    exit_code: ExitCode
    message: str
    why: str = ""
    fix: str = ""


def told(error: BaseException) -> Told:
    """Of anything that ends a command; never its traceback, and of what nobody expected not even its text, which may hold data.

    A password that stood in a URL or connection string is not in it: this goes to records, webhooks and programs.
    """
    if isinstance(error, VaultError):
        return Told(
            code=error.code,
            exit_code=exit_code_of(type(error)),
            message=redacted(_with_file(error)),
            why=redacted(error.why),
            fix=redacted(_hint(error)),
        )
    if isinstance(error, KeyboardInterrupt):
        return Told(code="INTERRUPTED", exit_code=ExitCode.INTERRUPTED, message="interrupted")
    if is_out_of_memory(error):
        return _failed(NOT_ENOUGH_MEMORY, why=_REFUSED, fix=MORE_MEMORY)
    if is_out_of_threads(error):
        return _failed(f"{NOT_ENOUGH_MEMORY}, or there are too many threads", why=_REFUSED, fix=MORE_THREADS)
    if isinstance(error, ImportError):  # of which some say nothing where it was memory that they lacked
        return _failed(
            f"a library cannot be loaded{f': {error.name}' if error.name else ''}",
            why="there is not enough memory for it, or it is not installed whole",
            fix="raise the limit of memory, if there is one; else install pgvault again; -vv tells which library",
        )
    again = "run it again with -v for the place, with -vv for everything (may hold data), and report it"
    why, fix = "pgvault met something that it does not expect; this is a defect of pgvault", again
    bytes_max, option = _memory_limit()
    if option:
        why = f"memory is limited to {size(bytes_max)} here: there may not have been enough; or this is a defect of pgvault"
        fix = f"raise that limit (ulimit {option}); if it comes all the same, {again}"
    return _failed(f"unexpected {type(error).__name__}", why=why, fix=fix)


def _failed(message: str, *, why: str, fix: str) -> Told:
    return Told(code=VaultError.code, exit_code=ExitCode.FAILED, message=message, why=why, fix=fix)


def _memory_limit() -> tuple[int, str]:
    """Bytes of address space or data that this process may have, and ulimit's option for it; that is empty without a limit. Libraries fail in any way where they meet it."""
    options = ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d"))
    limits = ((resource.getrlimit(kind)[0], option) for kind, option in options)
    return min((limit for limit in limits if limit[0] != resource.RLIM_INFINITY), default=(0, ""))


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = str(error).lower() if isinstance(error, ImportError) else ""
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)


def is_out_of_threads(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and str(error) == _NO_THREAD


def _hint(error: VaultError) -> str:
    for number, limit in _LIMITS.items():
        if os.strerror(number) in error.why:
            return limit
    if isinstance(error, SourceError) and error.sqlstate == OUT_OF_MEMORY:
        return error.hint or _SERVER_MEMORY
    if isinstance(error, Unreachable):
        return error.hint or _LOST
    return error.hint or (_LOOK if isinstance(error, IntegrityError) else "")


def _with_file(error: VaultError) -> str:
    """The message, with the file that it is about."""
    file = error.file if isinstance(error, IntegrityError) else ""
    return f"{file}: {error.message}" if file and file not in error.message else error.message
