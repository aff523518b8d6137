"""The hatchling's tokenizer: bytes below, circled digits and puzzle pieces as single tokens above. Knows no model.

The shipped `tokenizer.json` was built by this module from sample lines:
`python -m realm.heroes.hatchling.tokenizer LINES.txt`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).parent
PAD, END = "<|pad|>", "<|end|>"
CONTROL_TOKENS = (PAD, END, "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>")
DIGITS = ("⓪", "①")
MAX_CONTEXT_TOKENS = 2048

# A digit never joins its neighbour: place value is learned from one token per digit.
_PIECES = r"[⓪①]|[0-9]|\n| ?[A-Za-z]+| ?[^\sA-Za-z0-9⓪①]+|\s+"


def build(lines: Iterable[str], *, vocab_size: int, whole: Sequence[str] = ()) -> Tokenizer:
    """Train byte-level merges on `lines`; `whole` are strings that are single tokens wherever they stand.

    Every byte is in the vocabulary, so any text can be written and read back exactly.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (*DIGITS, *whole)])
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
    """Rebuild the shipped file from sample lines; the second argument is the vocabulary's size."""
    lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines(keepends=True)
    build(lines, vocab_size=int(arguments[1])).save(str(FOLDER / "tokenizer.json"))


if __name__ == "__main__":
    main(sys.argv[1:])
