"""Tests of vault.pipeline."""
