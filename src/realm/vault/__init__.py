"""Checkpoints: sealed on disk, known by a ledger, kept or dropped by a policy. Knows no torch and no training."""
