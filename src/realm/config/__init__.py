"""Settings: their schema, their layers, the built-in catalogue. Knows no torch."""
