"""Run files in a private directory, plain and 0600: thrown away on any doubt, and rebuilt from the repository. See `vault.repo.runs`."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from vault.crypto import keyed
from vault.errors import Malformed
from vault.format.index import ENTRY_BYTES
from vault.repo.runs import BLOCK_ENTRIES, CHECKED_AT_ONCE_BYTES, COUNTS, DIGEST_BYTES, MAGIC, PACK, Run


class RunCache:
    """Run files in a private directory; without a directory, runs live in memory only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def load(self, name: str) -> Run | None:
        """The cached run, or None if there is none or it is not intact."""
        if self._directory is None:
            return None
        try:
            with open(self._directory / name, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return None
        return _intact(data, damaged=lambda: self.remove(name))

    def names(self, prefix: str) -> list[str]:
        if self._directory is None or not self._directory.is_dir():
            return []
        return sorted(name for name in os.listdir(self._directory) if name.startswith(prefix) and "." not in name)

    def save(self, name: str, pieces: Callable[[], Iterable[bytes]]) -> Run:
        """Keep the run; a cache that cannot be written is no error, the run then stays in memory."""
        if self._directory is None:
            return Run(b"".join(pieces()))
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._directory / f"{name}.{os.getpid()}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(pieces())
            os.replace(temporary, self._directory / name)
        except OSError:
            return Run(b"".join(pieces()))
        return self.load(name) or Run(b"".join(pieces()))

    def remove(self, name: str) -> None:
        if self._directory is not None:
            with suppress(OSError):
                (self._directory / name).unlink()


def _intact(data: mmap.mmap, *, damaged: Callable[[], None]) -> Run | None:
    """The run if its lengths and digests hold; of a large one the entries are still to be checked."""
    if len(data) < len(MAGIC) + COUNTS.size + DIGEST_BYTES or data[: len(MAGIC)] != MAGIC:
        return None
    packs, entries, covers, supersedes = COUNTS.unpack_from(data, len(MAGIC))
    entries_at = len(MAGIC) + COUNTS.size + DIGEST_BYTES * (covers + supersedes) + packs * PACK.size
    digests_at = entries_at + entries * ENTRY_BYTES
    if digests_at + -(-entries // BLOCK_ENTRIES) * DIGEST_BYTES + DIGEST_BYTES != len(data):
        return None
    if keyed.digest(data[:entries_at] + data[digests_at:-DIGEST_BYTES]) != data[-DIGEST_BYTES:]:
        return None
    run = Run(data, unchecked=True, damaged=damaged)
    if entries * ENTRY_BYTES <= CHECKED_AT_ONCE_BYTES:
        try:
            run.check()
        except Malformed:
            return None
    return run
