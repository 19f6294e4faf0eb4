"""Single rows back into tables that have others: what stands behind `ports_of_put_back`."""
