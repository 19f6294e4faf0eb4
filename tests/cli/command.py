"""Runs the real command in a child process, with an environment of its own and nothing of the developer's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bucket_servers import SECRET
from tests.cli import forked

PASSPHRASE = "correct-horse-battery"
HANG_S = 900
"""After this long a command hangs, however slow the machine."""
SECRETS = (PASSPHRASE, SECRET, "hunter2-in-a-url")


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The last line of stdout."""
        parsed = json.loads(self.out.splitlines()[-1])
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`pgvault` in the directory `home`; its repository, if any, is `home/repository`."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        return self.home / "repository"

    def __call__(self, *arguments: str, stdin: str | None = "", **environment: str) -> Done:
        """Run it without a terminal. No output may ever hold one of SECRETS."""
        variables = self.variables(environment)
        if stdin is not None and forked.fits(variables):
            done = Done(*forked.run(arguments, cwd=self.home, environment=variables, stdin=stdin, patience_s=HANG_S))
        else:
            done = self._anew(arguments, variables, stdin)
        for secret in SECRETS:
            assert secret not in done.out + done.err, "a secret was printed"
        assert "Traceback" not in done.err, done.err
        return done

    def _anew(self, arguments: tuple[str, ...], variables: Mapping[str, str], stdin: str | None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "vault", *arguments],
            cwd=self.home,
            env=variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str, limits: str = ":") -> subprocess.Popen[str]:
        """Start it and do not wait; with pipes for its output. `limits`: for a shell, as `ulimit -n 6`."""
        return subprocess.Popen(
            ["sh", "-c", f'{limits} && exec "$@"', "limited", sys.executable, "-m", "vault", *arguments],
            cwd=self.home,
            env=self.variables({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PGVAULT_REPOSITORY": str(self.repository),
            "PGVAULT_PASSWORD": PASSPHRASE,
            **forked.BASE,
        }
        return {name: value for name, value in {**base, **self.environment, **environment}.items() if value}
