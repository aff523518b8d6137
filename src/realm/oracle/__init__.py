"""Inference: models by name, one warm engine each, and the OpenAI API in front. Trains nothing, knows no ledger."""
