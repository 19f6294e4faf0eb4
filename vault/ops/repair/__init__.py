"""Mending a repository: a plan first, nothing deleted in the step that mends."""
