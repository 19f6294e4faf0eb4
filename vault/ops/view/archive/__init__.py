"""pg_dump's custom archive of a whole snapshot, for pg_restore."""
