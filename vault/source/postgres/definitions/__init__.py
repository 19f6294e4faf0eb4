"""What is defined: pg_dump's archive, what it leaves out, and whether it changed meanwhile."""
