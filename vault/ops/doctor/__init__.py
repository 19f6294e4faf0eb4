"""What would go wrong with a backup, told before one is tried. Pure: what was found out comes as values."""
