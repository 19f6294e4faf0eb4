"""Backups by the clock: the operating system's own scheduler starts them, and what it is told is written here."""
