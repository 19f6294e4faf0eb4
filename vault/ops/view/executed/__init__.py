"""What scripts and archives execute, which cannot look at their target as a restore does: the decisions go with them."""
