"""`pgvault`, and `python -m vault`: ends quietly if it is interrupted before there is a command."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    try:
        from vault.cli import interrupting

        interrupting.install()  # before whatever takes long to import
        from vault.cli.main import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
