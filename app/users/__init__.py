"""People: who they are, what they may do, how they prove it. Knows nothing of HTTP."""
