"""A database that is written to: what stands behind `ports.Target` and `ports.TargetSession`."""
