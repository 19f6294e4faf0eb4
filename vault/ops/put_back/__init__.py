"""Single rows of a snapshot back into a table that has others: planned from values, then done in one transaction."""
