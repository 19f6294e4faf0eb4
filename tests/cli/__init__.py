"""The real command in a child process: output, exit codes, refusals."""
