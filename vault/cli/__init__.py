"""The command line: settings, wiring, one file a command, and the only place that turns errors into exit codes."""
