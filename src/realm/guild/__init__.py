"""Skills, examinations, curriculum, progression, campaigns. Knows no torch and no HTTP."""
