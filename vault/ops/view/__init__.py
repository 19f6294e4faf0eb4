"""A snapshot as a tree of files, each rendered when it is read."""
