"""The configuration as it is in effect, and whether it makes sense: for people who ask."""
