"""Tests of vault.source.postgres.target."""
