"""`pgvault`, and `python -m vault`: ends quietly if it is interrupted before there is a command, and at once when there was one."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    try:
        from vault.cli import last_words
    except KeyboardInterrupt:
        sys.exit(130)
    except (MemoryError, OSError, SystemError):
        sys.exit(
            "pgvault: there is not enough memory to begin\n  next: raise the limit (ulimit -v and -d), then run it again"
        )
    try:
        from vault.cli import interrupting

        interrupting.install()  # before whatever takes long to import
        from vault.cli.main import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # without memory an import raises anything: SyntaxError and ValueError were seen
        if "-vv" in sys.argv:
            raise
        last_words.say(error, is_json="--json" in sys.argv)
        os._exit(1)  # at once: there may be no memory for an exception
    try:
        command()
    except SystemExit as end:
        _leave(end.code)
    except (MemoryError, SystemError) as error:  # there was no memory to begin with, to tell it, or to end with
        if not last_words.Spoken.once:
            last_words.say(error, is_json="--json" in sys.argv)
        os._exit(1)


def _leave(code: str | int | None) -> NoReturn:
    """What a command holds, as an index of millions of objects, is not taken apart piece by piece; of one that was interrupted it is."""
    if isinstance(code, int) and code != 130 and len(sys._current_frames()) == 1:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                sys.exit(code)
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
