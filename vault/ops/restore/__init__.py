"""Putting back: planned in `plan`, done in `run`."""
