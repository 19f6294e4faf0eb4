"""What went wrong, as every front end of the command line tells it: three parts, a stable name, an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.app.conninfo import redacted
from vault.cli.exit_codes import ExitCode, exit_code_of
from vault.errors import IntegrityError, VaultError

_NO_THREAD: Final = "can't start new thread"
"""What Python says where there is no memory for the stack of one."""
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
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD):
        return Told(
            code=VaultError.code,
            exit_code=ExitCode.FAILED,
            message="there is not enough memory",
            why="the system refused some that was asked for; what was saved before is whole",
            fix="free memory, or raise the limit (ulimit -v, or that of the container), then run it again",
        )
    return Told(
        code=VaultError.code,
        exit_code=ExitCode.FAILED,
        message=f"unexpected {type(error).__name__}",
        why="pgvault met something that it does not expect; this is a defect of pgvault",
        fix="run it again with -v for the place, with -vv for everything (may hold data), and report it",
    )


def _with_file(error: VaultError) -> str:
    """The message, with the file that it is about."""
    file = error.file if isinstance(error, IntegrityError) else ""
    return f"{file}: {error.message}" if file and file not in error.message else error.message
