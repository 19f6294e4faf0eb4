"""What is read and restored into: PostgreSQL and directories. Blind to the repository's format."""
