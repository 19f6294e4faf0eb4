"""Passphrases: from the environment, a private file, a command, or a terminal; never from a flag.

Never prints, stores or repeats one. A file that others can read is refused, because then it is no secret.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from getpass import getpass
from pathlib import Path
from typing import Final

from vault.app.settings import Settings
from vault.app.undumpable import forbid_dumps
from vault.errors import SecretUnavailable
from vault.model.words import after, counted, ended

SECRET_BYTES_MAX = 64 * 1024
SHORT_CHARACTERS: Final = 12
"""Of letters and digits drawn at random, as many as 71 bits; of anything else less. Shorter ones get a remark, none is refused."""
UNATTENDED_S = 120.0
"""What a passphrase command may take where nobody can be asked."""
_BY_HAND = "try it in a shell: it must give the passphrase, and nothing else"


def passphrase(settings: Settings) -> str:
    """The passphrase that opens the repository.

    Raises  SecretUnavailable
    """
    return _obtain(settings, "PGVAULT_PASSWORD", "Passphrase: ", twice=False)


def new_passphrase(settings: Settings) -> str:
    """The passphrase of a new repository; typed twice on a terminal."""
    return _obtain(settings, "PGVAULT_PASSWORD", "New passphrase: ", twice=True)


def new_passphrase_beside(settings: Settings) -> str:
    """That of a new repository which is made like another: PGVAULT_NEW_PASSWORD and its kin where one is set, else as `new_passphrase`."""
    return additional_passphrase(settings) if _is_other_given(settings) else new_passphrase(settings)


def additional_passphrase(settings: Settings) -> str:
    """The passphrase that `key add` and `key passwd` set: PGVAULT_NEW_PASSWORD and its kin, or typed twice."""
    return _obtain(settings, "PGVAULT_NEW_PASSWORD", "New passphrase: ", twice=True)


def other_passphrase(settings: Settings, place: str) -> str:
    """The passphrase of a second repository: PGVAULT_NEW_PASSWORD and its kin where one is set, else that of the first."""
    if _is_other_given(settings):
        return _obtain(settings, "PGVAULT_NEW_PASSWORD", "", twice=False)
    return _obtain(settings, "PGVAULT_PASSWORD", f"Passphrase of {place}: ", twice=False)


def _is_other_given(settings: Settings) -> bool:
    """An empty variable gives none."""
    return _origin(settings, "PGVAULT_NEW_PASSWORD").kind is not Kind.TERMINAL


def recovery_kit(settings: Settings) -> str | None:
    """The text of PGVAULT_RECOVERY_KIT_FILE, which then opens the repository instead of a passphrase."""
    path = settings.environment.get("PGVAULT_RECOVERY_KIT_FILE")
    if path:
        forbid_dumps()
    return _private_file(Path(path), "PGVAULT_RECOVERY_KIT_FILE") if path else None


def remark(passphrase: str) -> str:
    """What is to be said of a short new one, or nothing: its length is all that is known of it."""
    length = len(passphrase)
    if length >= SHORT_CHARACTERS:
        return ""
    return (
        f"the passphrase has {counted(length, 'character')}, and whoever gets hold of the repository can try others at leisure: "
        f"a try costs 0.1 s and 64 MiB; six random words, or {SHORT_CHARACTERS} random characters, are out of reach; "
        "to change it: pgvault key passwd"
    )


class Kind(StrEnum):
    VALUE = "value"
    FILE = "file"
    COMMAND = "command"
    TERMINAL = "terminal"
    KIT = "recovery kit"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOrigin:
    """Where a secret comes from. `name`: of the variable, or of the configuration's key; `value`: the path or command, never a secret."""

    kind: Kind
    name: str
    value: str = field(default="", repr=False)

    @property
    def configured(self) -> bool:
        """In a file, which a run in another environment reads too."""
        return self.name.startswith("repository.")

    @property
    def told(self) -> str:
        """The name, for somebody who looks for it."""
        return f"{self.name} of pgvault.toml" if self.configured else self.name


def origin(settings: Settings) -> SecretOrigin:
    """Of what opens the repository. Reads nothing, runs nothing."""
    if path := settings.environment.get("PGVAULT_RECOVERY_KIT_FILE"):
        return SecretOrigin(kind=Kind.KIT, name="PGVAULT_RECOVERY_KIT_FILE", value=path)
    return _origin(settings, "PGVAULT_PASSWORD")


def of_passphrase(settings: Settings) -> SecretOrigin:
    """Of the passphrase, whatever opens the repository this time. Reads nothing, runs nothing."""
    return _origin(settings, "PGVAULT_PASSWORD")


def unattended(settings: Settings, *, patience_s: float) -> str:
    """The passphrase as a run without a terminal obtains it: a command has none to ask on, and is ended after `patience_s`.

    Raises  SecretUnavailable
    """
    found = of_passphrase(settings)
    return _checked(_given(settings, found, patience_s=patience_s), found)


def if_wrong(settings: Settings) -> str:
    """What to type where the passphrase is another than the repository's: by where it came from."""
    found = origin(settings)
    match found.kind:
        case Kind.VALUE:
            told = f"{found.name} holds a wrong one: set it anew, or unset {found.name}, and the next place is asked"
        case Kind.FILE:
            told = f"put the right one into {shlex.quote(found.value)}, which {found.told} names"
        case Kind.COMMAND:
            told = f"the command of {found.told} gives a wrong one: {_BY_HAND}"
        case _:
            told = "run the command again, and type it anew"
    return f"{told}{_IF_LOST}"


def _origin(settings: Settings, variable: str) -> SecretOrigin:
    environment = settings.environment
    own = variable == "PGVAULT_PASSWORD"
    if environment.get(variable):
        return SecretOrigin(kind=Kind.VALUE, name=variable)
    if path := environment.get(f"{variable}_FILE"):
        return SecretOrigin(kind=Kind.FILE, name=f"{variable}_FILE", value=path)
    if command := environment.get(f"{variable}_COMMAND"):
        return SecretOrigin(kind=Kind.COMMAND, name=f"{variable}_COMMAND", value=command)
    if own and settings.password_file:
        return SecretOrigin(kind=Kind.FILE, name="repository.password_file", value=settings.password_file)
    if own and settings.password_command:
        return SecretOrigin(kind=Kind.COMMAND, name="repository.password_command", value=settings.password_command)
    return SecretOrigin(kind=Kind.TERMINAL, name=variable)


def _obtain(settings: Settings, variable: str, prompt: str, *, twice: bool) -> str:
    found = _origin(settings, variable)
    if found.kind is Kind.TERMINAL:
        return _checked(_typed(settings, variable, prompt, twice=twice), found)
    patience_s = None if _is_somebody_there() else UNATTENDED_S
    secret = _given(settings, found, patience_s=patience_s)
    return _checked(secret, found)


def _given(settings: Settings, found: SecretOrigin, *, patience_s: float | None = None) -> str:
    """What needs no terminal. `patience_s`: a command runs apart from any terminal, and no longer than that"""
    forbid_dumps()
    match found.kind:
        case Kind.VALUE:
            return settings.environment[found.name]
        case Kind.FILE:
            return _private_file(Path(found.value), found.name)
        case Kind.COMMAND:
            return _output_of(found.value, settings, found.name, patience_s=patience_s)
        case _:
            raise _no_terminal(settings, found.name)


def _is_somebody_there() -> bool:
    """Whether a command can ask on a terminal; what comes from cron, systemd or a job in the background has none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _checked(secret: str, found: SecretOrigin) -> str:
    # Here, because who only asks where a secret comes from starts something else and must not be held up.
    from vault.crypto.kdf import without_line_end

    secret = without_line_end(secret)
    if not secret:
        why, hint = _emptiness(found)
        raise SecretUnavailable("the passphrase is empty", why=why, hint=hint)
    try:
        secret.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SecretUnavailable("the passphrase is not UTF-8", why=f"{found.name} holds other bytes") from error
    return secret


def _emptiness(found: SecretOrigin) -> tuple[str, str]:
    """Which place it was that gave nothing, and what to do there."""
    match found.kind:
        case Kind.FILE:
            lost = _IF_LOST if found.name in _OF_REPOSITORY else ""
            return f"{found.value} is, which {found.told} names", f"put it into {shlex.quote(found.value)}{lost}"
        case Kind.COMMAND:
            return f"the command of {found.told} gave no text", _BY_HAND
        case Kind.VALUE:
            return f"{found.name} is set to an empty line", f"set it, or unset {found.name}"
        case _:
            return "nothing was typed", f"run the command again, and type it; or set {found.name}_FILE"


_OF_REPOSITORY: Final = ("PGVAULT_PASSWORD_FILE", "repository.password_file")
_IF_LOST: Final = (
    "; if it is lost, the recovery kit opens the repository, and takes a new passphrase: "
    "PGVAULT_RECOVERY_KIT_FILE=kit.txt pgvault key add"
)


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
            hint=f"put the secret into it, or name another file in {origin}{_IF_LOST if origin in _OF_REPOSITORY else ''}",
        ) from error
    if len(content) > SECRET_BYTES_MAX:
        raise SecretUnavailable(f"{path} is too large for a secret", why=f"{origin} names it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnavailable(
            f"{path} is not UTF-8", why=f"{origin} names it", hint="save it as plain text in UTF-8"
        ) from error


def _output_of(command: str, settings: Settings, origin: str, *, patience_s: float | None) -> str:
    try:
        words = shlex.split(command)
        code, output = _run(words, settings.child_environment(), patience_s)
    except subprocess.TimeoutExpired as error:
        raise SecretUnavailable(
            f"the command of {origin} printed no passphrase within {patience_s:g} s",
            why="it had no terminal; one that waits for somebody would wait for ever in a scheduled run",
            hint="name a command that needs nobody, or a file (chmod 600)",
        ) from error
    except (OSError, ValueError, IndexError) as error:
        raise SecretUnavailable(
            f"cannot run the command of {origin}", why=type(error).__name__, hint=_BY_HAND
        ) from error
    if code != 0:
        raise SecretUnavailable(f"the command of {origin} failed", why=ended(code), hint=after(code) or _BY_HAND)
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnavailable(
            f"the command of {origin} printed no UTF-8", why="a passphrase is text", hint=_BY_HAND
        ) from error


def _run(words: list[str], environment: dict[str, str], patience_s: float | None) -> tuple[int, bytes]:
    """Exit code and output. With `patience_s` in a session of its own, with nothing to read, and ended with all that it started."""
    if patience_s is None:
        done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=False)
        return done.returncode, done.stdout
    apart = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, **apart) as process:  # type: ignore[call-overload]
        try:
            output, _ = process.communicate(timeout=patience_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output


_ALIKE: Final = re.compile(r"PGVAULT_(NEW_)?(?:PASSPHRASE|PASSWORD|PASSWD|PASS|PWD|PW)(?:_?(FILE|COMMAND))?")


def _mistaken(settings: Settings, variable: str) -> str:
    """That one is set whose name is like that of `variable`, or of one of its kin, and which nothing reads; or nothing."""
    for name in sorted(settings.environment):
        match = _ALIKE.fullmatch(name)
        meant = "" if match is None else f"PGVAULT_{match[1] or ''}PASSWORD{f'_{match[2]}' if match[2] else ''}"
        if meant not in ("", name) and meant.startswith(variable):
            return f"{name} is set, and nothing reads it: {meant} is meant"
    return ""


def _no_terminal(settings: Settings, variable: str) -> SecretUnavailable:
    mistaken = _mistaken(settings, variable)
    return SecretUnavailable(
        "no passphrase",
        why=f"{f'{mistaken}; and ' if mistaken else ''}there is no terminal to ask on",
        hint=f"set {variable}_FILE (a 0600 file), {variable}_COMMAND or {variable}",
    )


def _typed(settings: Settings, variable: str, prompt: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise _no_terminal(settings, variable)
    forbid_dumps()
    if mistaken := _mistaken(settings, variable):
        prompt = f"{mistaken}\n{prompt}"
    try:
        return _typed_twice(prompt) if twice else getpass(prompt)
    except EOFError as error:
        raise SecretUnavailable("no passphrase was typed", hint=f"or set {variable}_FILE") from error


_ATTEMPTS_MAX: Final = 3


def _typed_twice(prompt: str) -> str:
    """A new one: a short one is taken if it is typed again after the remark, a slip at the second time is asked about."""
    said = prompt
    for _ in range(_ATTEMPTS_MAX):
        first = getpass(said)
        if not first:
            said = f"it is empty, and nobody can use that\n{prompt}"
            continue
        if len(first) < SHORT_CHARACTERS:
            first = getpass(f"{remark(first).partition(';')[0]}; the same once more takes it all the same\n{prompt}")
        if getpass("Again: ") == first:
            return first
        said = f"these two differ\n{prompt}"
    raise SecretUnavailable(
        "no passphrase was typed twice",
        why=f"{_ATTEMPTS_MAX} times it was empty, or the two differed",
        hint="nothing was changed; run the command again",
    )
