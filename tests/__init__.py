"""Tests of pgvault; `python3 tests/check.py` runs every check."""
