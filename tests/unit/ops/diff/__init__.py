"""Tests of `vault.ops.diff`."""
