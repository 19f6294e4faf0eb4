"""Tests of vault.repo."""
