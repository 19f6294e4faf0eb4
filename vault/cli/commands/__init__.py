"""One thin module a command, named after it; imported only when that command runs."""
