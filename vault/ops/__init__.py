"""What a user asks for, as operations: each a pure plan, then its execution, over ports."""
