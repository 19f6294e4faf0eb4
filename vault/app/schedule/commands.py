"""Programs of the operating system that install schedules: started with little, bounded in time, and judged by their exit code."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import VaultError
from vault.model.words import after, ended

PATIENCE_S: Final = 30.0
_WORDS_MAX: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    code: int
    out: bytes
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Starts programs with the caller's environment."""

    environment: Mapping[str, str] = field(repr=False)

    def find(self, program: str) -> str | None:
        return shutil.which(program, path=self.environment.get("PATH"))

    def ask(self, words: Sequence[str], *, given: bytes = b"") -> Answered:
        """Whatever its exit code is. Raises  VaultError: it cannot be run, or does not end"""
        try:
            done = subprocess.run(
                words, input=given, capture_output=True, env=dict(self.environment), timeout=PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = (
                f"it did not end within {PATIENCE_S:g} s"
                if isinstance(error, subprocess.TimeoutExpired)
                else error.strerror
            )
            raise VaultError(f"{words[0]} cannot be run", why=why or "") from error
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        return Answered(code=done.returncode, out=done.stdout, words=" ".join(said.split())[:_WORDS_MAX])

    def run(self, words: Sequence[str], *, given: bytes = b"") -> Answered:
        """Raises  VaultError: it failed, in its own words; as `ask`"""
        done = self.ask(words, given=given)
        if done.code != 0:
            raise VaultError(f"{' '.join(words)} failed", why=done.words or ended(done.code), hint=after(done.code))
        return done
