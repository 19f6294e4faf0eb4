"""`pgvault doctor`: finds out what a backup would meet, and writes nothing anywhere."""
