"""The demo: a generated Supabase-like project, and the story of some days with it. Nothing here is used by real work."""
