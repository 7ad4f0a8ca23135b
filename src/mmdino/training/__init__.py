"""One loop that trains every method, its checkpoints, and its record."""
