"""The hatchling: a small hero built from a seed, with a tokenizer of its own. Importing this loads no torch."""
