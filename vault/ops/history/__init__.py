"""What became of things over all snapshots of a source: where something is (`find`), and how it changed (`log`)."""
