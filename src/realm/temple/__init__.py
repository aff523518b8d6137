"""The Temple looks at what the other places have done: checks, the quality of a run, its verdict. Trains nothing."""
