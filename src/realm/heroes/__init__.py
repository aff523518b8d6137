"""Model families and the heroes that stand on them. Importing this package imports no torch."""
