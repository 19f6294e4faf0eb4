"""What a project calls its things, and how they are counted."""
