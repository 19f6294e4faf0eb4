"""pgvault: encrypted, deduplicated daily snapshots of a PostgreSQL project."""

__version__ = "0.1.0"
