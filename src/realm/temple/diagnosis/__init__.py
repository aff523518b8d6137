"""What went wrong in a run, in words: pure functions of its steps. Each opens no database and no model."""
