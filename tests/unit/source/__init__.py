"""Tests of vault.source."""
