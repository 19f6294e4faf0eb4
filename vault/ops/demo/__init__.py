"""The demonstration: a generated project, several days of it, damage, and the way back."""
