"""The page: what the realm is doing, live, in a browser. Reads the other rooms; trains nothing, needs no torch."""
