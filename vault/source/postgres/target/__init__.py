"""A database that is written to."""
