"""Tests of vault.cli."""
