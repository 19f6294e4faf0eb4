"""A connection, the programs beside it, and what a server is."""
