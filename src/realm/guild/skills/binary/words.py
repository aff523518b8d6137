"""Every token that BIN is written with, so that a tokenizer can make each a single one."""

from __future__ import annotations

from .expression import ONE, OVERFLOW, SIGNS, TRUTHS, ZERO
from .layout import TAGS
from .operations import OPERATIONS
from .spec import BinSpec
from .work import LINE_NAMES

TASK_WORDS = ("true?", "error?", "fill", "larger?", "overflow?", "find", "true", "false", "error", "same")
PUNCTUATION = ("=", "(", ")", ",", ":", ";", "?", "r", "-", "\n")


def tokens(spec: BinSpec) -> tuple[str, ...]:
    """The tokens of a description: fixed words, widths that its levels need, symbols of its pools."""
    widest = max(2, *(row.bits for row in spec.levels))
    groups = (
        (ZERO, ONE),
        "0123456789",
        PUNCTUATION,
        (op.symbol for op in OPERATIONS.values()),
        (f"±{width}" for width in range(2, widest + 1)),
        (tag for tag in TAGS.values() if tag),
        TASK_WORDS,
        (*TRUTHS.values(), *SIGNS.values(), OVERFLOW),
        LINE_NAMES,
        (symbol for pair in spec.symbols.digits for symbol in pair),
        spec.symbols.operations,
    )
    return tuple(dict.fromkeys(token for group in groups for token in group))
