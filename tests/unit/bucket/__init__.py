"""Tests of vault.bucket."""
