"""Whether the bytes of a repository are intact."""
