"""What psql and sh read of a view: SQL scripts, and the shell script beside the dump."""
