"""Tests of vault.ops."""
