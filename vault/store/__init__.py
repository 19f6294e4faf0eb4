"""Dumb places for named, immutable files. Blind to what is in them. Spec 70-store."""
