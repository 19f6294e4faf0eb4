"""`python -m vault` is `pgvault`."""

from __future__ import annotations

from vault.cli.main import main

if __name__ == "__main__":
    main()
