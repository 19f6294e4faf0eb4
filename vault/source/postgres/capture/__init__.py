"""One database captured in one exported snapshot."""
