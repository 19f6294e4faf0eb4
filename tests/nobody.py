"""The command as a user who owns nothing but one directory, wherever this Python, its packages and this tree lie.

The user may not reach them (a home directory is often closed), so they are mounted into the directory, in a name space of mounts
that ends with the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cli.command import Command

ROOT: Final = Path(__file__).resolve().parent.parent
NOBODY: Final = 65534
_APART: Final = ("unshare", "--mount")
_START: Final = """
set -e
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
ulimit -c unlimited
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
"""


def is_possible() -> bool:
    """Whether we are root, and may mount."""
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode == 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """`place`: a directory that everybody reaches, and that the user owns."""

    place: Path

    def prepare(self) -> None:
        self.place.chmod(0o755)
        os.chown(self.place, NOBODY, NOBODY)
        self.home.mkdir(mode=0o700)
        os.chown(self.home, NOBODY, NOBODY)
        for _, here in self._mounts():
            here.mkdir()

    @property
    def home(self) -> Path:
        return self.place / "home"

    def _mounts(self) -> list[tuple[Path, Path]]:
        there = (Path(sys.base_prefix), Path(sysconfig.get_path("purelib")), ROOT)
        return [(path, self.place / name) for path, name in zip(there, ("python", "packages", "tree"), strict=True)]

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """The process is the command's own, with a core file of any size allowed. Output goes to pipes."""
        (_, python), (_, packages), (_, tree) = self._mounts()
        program = python / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        paths = {"PYTHONPATH": f"{tree}:{packages}", "LD_LIBRARY_PATH": str(python / "lib")}
        mounts = [str(path) for pair in self._mounts() for path in pair]
        return subprocess.Popen(
            [*_APART, "sh", "-c", _START, "sh", *mounts, "--", str(program), "-m", "vault", *words],
            cwd=self.home,
            env=Command(home=self.home).variables({**paths, **environment}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
