"""Tests of vault.format."""
