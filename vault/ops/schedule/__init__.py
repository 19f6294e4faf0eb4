"""Backups by the clock: when they are due, and what a run does besides the backup."""
