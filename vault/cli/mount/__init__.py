"""Snapshots as a file system: what is where (`tree`), what a file holds (`contents`), and the one module that knows FUSE (`fuse`)."""
