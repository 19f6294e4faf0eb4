"""Prove a snapshot: what a drill compares after a real restore, what it makes of it, and what it leaves in the repository."""
