"""Passphrases: from the environment, a private file, a command, or a terminal; never from a flag.

Never prints, stores or repeats one. A file that others can read is refused, because then it is no secret.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from getpass import getpass
from pathlib import Path

from vault.app.settings import Settings
from vault.crypto.kdf import without_line_end
from vault.errors import SecretUnavailable

SECRET_BYTES_MAX = 64 * 1024


def passphrase(settings: Settings) -> str:
    """The passphrase that opens the repository.

    Raises  SecretUnavailable
    """
    return _obtain(settings, "PGVAULT_PASSWORD", "Passphrase: ", twice=False)


def new_passphrase(settings: Settings) -> str:
    """The passphrase of a new repository; typed twice on a terminal."""
    return _obtain(settings, "PGVAULT_PASSWORD", "New passphrase: ", twice=True)


def additional_passphrase(settings: Settings) -> str:
    """The passphrase that `key add` and `key passwd` set: PGVAULT_NEW_PASSWORD and its kin, or typed twice."""
    return _obtain(settings, "PGVAULT_NEW_PASSWORD", "New passphrase: ", twice=True)


def other_passphrase(settings: Settings, place: str) -> str:
    """The passphrase of a second repository: PGVAULT_NEW_PASSWORD and its kin where one is set, else that of the first."""
    if any(name.startswith("PGVAULT_NEW_PASSWORD") for name in settings.environment):
        return _obtain(settings, "PGVAULT_NEW_PASSWORD", "", twice=False)
    return _obtain(settings, "PGVAULT_PASSWORD", f"Passphrase of {place}: ", twice=False)


def recovery_kit(settings: Settings) -> str | None:
    """The text of PGVAULT_RECOVERY_KIT_FILE, which then opens the repository instead of a passphrase."""
    path = settings.environment.get("PGVAULT_RECOVERY_KIT_FILE")
    return _private_file(Path(path), "PGVAULT_RECOVERY_KIT_FILE") if path else None


def _obtain(settings: Settings, variable: str, prompt: str, *, twice: bool) -> str:
    environment = settings.environment
    own = variable == "PGVAULT_PASSWORD"
    if direct := environment.get(variable):
        secret = direct
    elif path := environment.get(f"{variable}_FILE"):
        secret = _private_file(Path(path), f"{variable}_FILE")
    elif command := environment.get(f"{variable}_COMMAND"):
        secret = _output_of(command, settings, f"{variable}_COMMAND")
    elif own and settings.password_file:
        secret = _private_file(Path(settings.password_file), "repository.password_file")
    elif own and settings.password_command:
        secret = _output_of(settings.password_command, settings, "repository.password_command")
    else:
        secret = _typed(variable, prompt, twice=twice)
    secret = without_line_end(secret)
    if not secret:
        raise SecretUnavailable("the passphrase is empty", why=f"{variable}, its file or its command gave no text")
    try:
        secret.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SecretUnavailable("the passphrase is not UTF-8", why=f"{variable} holds other bytes") from error
    return secret


def _private_file(path: Path, origin: str) -> str:
    """Pipes (process substitution) are private by nature; a regular file must be the owner's alone."""
    try:
        with Path(os.path.expanduser(path)).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise SecretUnavailable(
                    f"{path} is readable by others", why=f"{origin} must be private", hint=f"chmod 600 {path}"
                )
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SecretUnavailable(
            f"cannot read {path}",
            why=f"{origin}: {error.strerror}",
            hint=f"put the secret into it, or name another file in {origin}",
        ) from error
    if len(content) > SECRET_BYTES_MAX:
        raise SecretUnavailable(f"{path} is too large for a secret", why=f"{origin} names it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnavailable(f"{path} is not UTF-8", why=f"{origin} names it") from error


def _output_of(command: str, settings: Settings, origin: str) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(words, env=settings.child_environment(), stdout=subprocess.PIPE, check=False)
    except (OSError, ValueError, IndexError) as error:
        raise SecretUnavailable(f"cannot run the command of {origin}", why=type(error).__name__) from error
    if done.returncode != 0:
        raise SecretUnavailable(f"the command of {origin} failed", why=f"exit code {done.returncode}")
    try:
        return done.stdout.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnavailable(f"the command of {origin} printed no UTF-8", why="a passphrase is text") from error


def _typed(variable: str, prompt: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise SecretUnavailable(
            "no passphrase",
            why="there is no terminal to ask on",
            hint=f"set {variable}_FILE (a 0600 file), {variable}_COMMAND or {variable}",
        )
    try:
        first = getpass(prompt)
        if twice and getpass("Again: ") != first:
            raise SecretUnavailable("the two passphrases differ", hint="try again")
    except EOFError as error:
        raise SecretUnavailable("no passphrase was typed", hint=f"or set {variable}_FILE") from error
    return first
