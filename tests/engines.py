"""Apache Spark, which is too large to be installed for every run, for tests only: `python3 tests/engines.py`.

Its Python package comes from PyPI, pinned by version, into an environment of its own in the user's cache, where every tree of this
project finds it; it brings Spark itself and wants Java 17, which is not fetched. What cannot be had is named on a line that begins with
MISSING, and is no failure: its tests are skipped. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgvault-checks"
SPARK: Final = "pyspark==3.5.7"
STEP_TIMEOUT_S: Final = 900


def main() -> int:
    """Fetch it if it is missing, print why if it could not be. Returns 0"""
    if spark_python() is None and (why := fetch()):
        print(f"MISSING: {SPARK}: {why}; the tests over it are skipped", flush=True)
    return 0


def spark_python() -> Path | None:
    """The Python that has Spark, if it and Java are there."""
    path = CACHE / SPARK / "bin" / "python"
    return path if path.exists() and shutil.which("java") else None


def fetch() -> str:
    """Why it could not be had, or nothing. It appears whole or not at all, whoever else fetches it meanwhile."""
    if shutil.which("java") is None:
        return "java is not installed"
    place = CACHE / SPARK
    if place.exists():
        return ""
    print(f"fetching {SPARK} with pip", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        venv.create(new, with_pip=True, symlinks=True)
        done = subprocess.run(
            [str(new / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", SPARK],
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
        )
        if done.returncode != 0:
            return (done.stderr or done.stdout).strip().splitlines()[-1]
        new.rename(place)  # `bin/python` is a link, and finds its packages from where it lies
    except subprocess.TimeoutExpired:
        return f"pip took more than {STEP_TIMEOUT_S} s"
    except OSError as error:
        return "" if place.exists() else str(error)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return ""


if __name__ == "__main__":
    sys.exit(main())
