"""PostgreSQL in both directions: capture in one snapshot, and restore."""
