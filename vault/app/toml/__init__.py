"""TOML with the line of each key, and tables whose keys and types are checked as they are taken."""
