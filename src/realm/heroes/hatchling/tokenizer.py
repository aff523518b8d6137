"""The hatchling's tokenizer: bytes below, circled digits and puzzle pieces as single tokens above. Knows no model.

The shipped `tokenizer.json` was built by this module from the words of BIN, one to a line:
`python -m realm.heroes.hatchling.tokenizer PIECES.txt`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).parent
PAD, END = "<|pad|>", "<|end|>"
CONTROL_TOKENS = (PAD, END, "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>")
DIGITS = ("⓪", "①")
MAX_CONTEXT_TOKENS = 2048


def build(pieces: Iterable[str]) -> Tokenizer:
    """A tokenizer of bytes in which each of `pieces` is one token wherever it stands.

    Every byte is in the vocabulary, so any text can be written and read back exactly. No merges beside the pieces:
    each further token makes every step dearer (the logits are a fifth of the hatchling's work).
    """
    whole = sorted({*DIGITS, *(piece for piece in pieces if len(piece.encode()) > 1)}, key=lambda p: (-len(p), p))
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    written = [to_bytes.pre_tokenize_str(piece)[0][0] for piece in whole]
    vocabulary = {token: at for at, token in enumerate([*CONTROL_TOKENS, *alphabet, *written])}
    # ignore_merges takes a piece whole once the split has isolated it; everything else falls apart into bytes.
    # Added tokens would not do: the byte decoder reads `×` as the byte 0xD7.
    tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    split = pre_tokenizers.Split(Regex("|".join(map(re.escape, whole))), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    return tokenizer


def load(folder: Path = FOLDER) -> PreTrainedTokenizerFast:
    """The shipped tokenizer with its chat template, ready for transformers."""
    # transformers costs seconds to import; the pure `build` above does not need it
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_tokenizer_json(folder)),
        eos_token=END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_CONTEXT_TOKENS,
        padding_side="left",
    )
    tokenizer.chat_template = (folder / "chat_template.jinja").read_text(encoding="utf-8").strip()
    return tokenizer


@cache
def _tokenizer_json(folder: Path) -> str:
    return (folder / "tokenizer.json").read_text(encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Rebuild the shipped file from a file of pieces, one to a line."""
    pieces = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    build(pieces).save(str(FOLDER / "tokenizer.json"))


if __name__ == "__main__":
    main(sys.argv[1:])
