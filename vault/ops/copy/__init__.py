"""Snapshots of one repository in another."""
