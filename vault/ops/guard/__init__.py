"""Whether a snapshot looks like the ruin of the one before it, and what was said about that."""
