"""Directories: reading them, and writing them back."""
