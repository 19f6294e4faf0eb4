"""Places for named, immutable files, and wrappers around them. Never knows a format or a key. Spec 70-store."""
