"""What must hold over all of the code: imports, closed lists, exit codes."""
