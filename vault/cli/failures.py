"""What went wrong, as every front end of the command line tells it: three parts, a stable name, an exit code."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

from vault.app.conninfo import redacted
from vault.cli.exit_codes import ExitCode, exit_code_of
from vault.errors import IntegrityError, VaultError
from vault.model.words import size

_NO_MEMORY: Final = ("can't start new thread", "failed to map segment", "cannot allocate memory")
"""What Python says where there is none for the stack of one, and what the loader of libraries says."""
NOT_ENOUGH_MEMORY: Final = "there is not enough memory"
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
            fix=redacted(error.hint or (_LOOK if isinstance(error, IntegrityError) else "")),
        )
    if isinstance(error, KeyboardInterrupt):
        return Told(code="INTERRUPTED", exit_code=ExitCode.INTERRUPTED, message="interrupted")
    if is_out_of_memory(error):
        return Told(
            code=VaultError.code,
            exit_code=ExitCode.FAILED,
            message=NOT_ENOUGH_MEMORY,
            why="the system refused some that was asked for; what was saved before is whole",
            fix="free memory, or raise the limit (ulimit -v, or that of the container), then run it again",
        )
    if isinstance(error, ImportError):  # of which some say nothing where it was memory that they lacked
        return Told(
            code=VaultError.code,
            exit_code=ExitCode.FAILED,
            message="a library cannot be loaded",
            why="there is not enough memory for it, or it is not installed whole",
            fix="raise the limit of memory, if there is one; else install pgvault again; -vv tells which library",
        )
    again = "run it again with -v for the place, with -vv for everything (may hold data), and report it"
    why, fix = "pgvault met something that it does not expect; this is a defect of pgvault", again
    if limited := _memory_limit():
        why = (
            f"memory is limited to {size(limited)} here: there may not have been enough; or this is a defect of pgvault"
        )
        fix = f"raise that limit (ulimit -v); if it comes all the same, {again}"
    return Told(
        code=VaultError.code,
        exit_code=ExitCode.FAILED,
        message=f"unexpected {type(error).__name__}",
        why=why,
        fix=fix,
    )


def _memory_limit() -> int:
    """Bytes of address space or data that this process may have; 0 without a limit. Libraries fail in any way where they meet it."""
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=0)


def is_out_of_memory(error: BaseException) -> bool:
    said = str(error).lower() if isinstance(error, (RuntimeError, ImportError)) else ""
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)


def _with_file(error: VaultError) -> str:
    """The message, with the file that it is about."""
    file = error.file if isinstance(error, IntegrityError) else ""
    return f"{file}: {error.message}" if file and file not in error.message else error.message
