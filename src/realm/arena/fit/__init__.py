"""What fits into memory: told before a run, found by trying, kept for the next run. Imports no torch."""
