"""Seeds have names: the same name gives the same number on every machine. Knows nothing else."""

from __future__ import annotations

from hashlib import blake2b


def number(*names: object) -> int:
    """A number of 63 bits from a named seed such as `0/practice-17/epoch/2`."""
    name = "/".join(map(str, names))
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"realm-arena").digest()) >> 1
