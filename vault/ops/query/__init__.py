"""Rows of snapshots by condition, and SQL over snapshots."""
