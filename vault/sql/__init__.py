"""PostgreSQL's language: pure text and values, no connection."""
