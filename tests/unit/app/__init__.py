"""Tests of vault.app."""
