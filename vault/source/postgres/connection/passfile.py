"""How a password reaches libpq in a child: a file of libpq's format that has no name, so that it is gone when we are, however we end.

On Linux memory with a descriptor (memfd), which the child opens as /dev/fd/N; libpq takes it for the regular file 0600 that it
is, and refuses a pipe. Each opening begins at its start. Where that does not work (other systems hand out one common position
for /dev/fd/N) it is a file in a private directory that names its process; what a killed process left is swept at the next start.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "pgvault-pass-"
_OWN_DESCRIPTORS: Final = Path("/proc/self/fd")


class PasswordFile:
    """`path` for PGPASSFILE, `descriptors` for the child to inherit. Its invariant: nobody else can open it, and `close` ends it."""

    def __init__(self, password: str, *, nameless: bool | None = None) -> None:
        """`nameless` None: where the system can."""
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        content = f"*:*:*:*:{escaped}\n".encode() if password else b""
        self._directory: Path | None = None
        if _OWN_DESCRIPTORS.is_dir() if nameless is None else nameless:
            self._descriptor = _without_a_name()
            self.path = f"/dev/fd/{self._descriptor}"
        else:
            sweep()
            self._directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
            place = self._directory / "pgpass"
            self._descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.path = str(place)
        os.fchmod(self._descriptor, 0o600)
        os.write(self._descriptor, content)

    @property
    def descriptors(self) -> tuple[int, ...]:
        return () if self._directory is not None else (self._descriptor,)

    def close(self) -> None:
        """Again is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def _without_a_name() -> int:
    """A descriptor of memory, else (a kernel may forbid that) of a file that was unlinked at once."""
    try:
        return os.memfd_create("pgvault", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        with tempfile.TemporaryFile(buffering=0) as file:
            return os.dup(file.fileno())


def sweep() -> None:
    """Remove the password files of our own processes that are gone."""
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        number = place.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and place.lstat().st_uid == os.geteuid() and not _runs(int(number)):
            shutil.rmtree(place, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
