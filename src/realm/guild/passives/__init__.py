"""Canaries: small fixed sets of problems that are never trained on and tell when a hero forgets. Knows no model."""
