"""The repository itself: its keys and its size."""
