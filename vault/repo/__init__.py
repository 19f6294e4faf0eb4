"""A repository: unlocking it, its index, writing and reading objects, snapshots; the only place that starts threads."""
