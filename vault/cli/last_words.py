"""What is told where nothing can be loaded or allocated any more, not even what tells everything else.

Its texts are made beforehand, and it imports nothing that Python has not loaded: it goes before all the others.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar, Final

NOT_ENOUGH_MEMORY: Final = "there is not enough memory"
_NEXT: Final = "free memory, or raise the limit (ulimit -v and -d), then run it again"
_NOT_LOADED: Final = "a library cannot be loaded: there is not enough memory, or pgvault is not installed whole"
_NEXT_LOADED: Final = "raise the limit of memory, if there is one; else install pgvault again"
_LINE: Final = '{"type":"error","code":"FAILED","message":"%s","why":"","fix":"%s","exit_code":1}\n'
_TEXT: Final = "pgvault: %s\n  next: %s\n"
_MEMORY: Final = ((_TEXT % (NOT_ENOUGH_MEMORY, _NEXT)).encode(), (_LINE % (NOT_ENOUGH_MEMORY, _NEXT)).encode())
_IMPORT: Final = ((_TEXT % (_NOT_LOADED, _NEXT_LOADED)).encode(), (_LINE % (_NOT_LOADED, _NEXT_LOADED)).encode())


class Spoken:
    """Whether how this process ends was."""

    once: ClassVar[bool] = False


def say(error: BaseException, *, is_json: bool) -> None:
    """Three parts on stderr, or with --json one line on stdout. Of what could not be loaded it says that it may not be memory. Never raises."""
    is_memory = (
        isinstance(error, (MemoryError, SystemError, RuntimeError)) or getattr(error, "errno", 0) == errno.ENOMEM
    )
    text, line = _MEMORY if is_memory else _IMPORT
    Spoken.once = True
    try:
        os.write(1 if is_json else 2, line if is_json else text)
    except OSError:
        return
