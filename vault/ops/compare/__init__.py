"""Whether two things hold the same."""
