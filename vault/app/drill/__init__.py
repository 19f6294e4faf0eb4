"""A drill without a terminal: where it restores to, its steps, and when a scheduled run does one."""
