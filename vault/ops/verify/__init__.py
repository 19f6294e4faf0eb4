"""Whether the content of snapshots is what their manifests say."""
