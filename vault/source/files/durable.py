"""Have what was written below a directory survive a loss of power, before anybody is told that it is there.

One call for a file system, however many files: a sync of each would take a restore of small files longer than the restore itself.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Set as AbstractSet

from vault.source.files.witness import libc


def sync_file_systems(root: int, devices: AbstractSet[int]) -> None:
    """All that was written there is on the disk on return. `root`: an open directory; `devices`: st_dev of what was written.

    Raises  OSError: some of it could not be written
    """
    call = libc("syncfs")
    if call is None or devices - {os.fstat(root).st_dev}:  # below it other ones are mounted
        os.sync()
    if call is not None and call(ctypes.c_int(root)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
