"""Rows of a snapshot as data for other engines: Parquet, SQLite, JSON Lines, CSV."""
