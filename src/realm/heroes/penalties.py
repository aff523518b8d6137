"""Unwanted texts compiled to token ids, and the processors that take their penalties from the logits.

The processors have transformers' LogitsProcessor interface: any loop that decodes may use them, `generate` included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

NOTHING = 1e-3
"""A penalty that has fallen below this share of itself is over."""


class Penalty(Protocol):
    """What a setting tells about one unwanted text (config: PenaltySettings)."""

    @property
    def text(self) -> str: ...
    @property
    def penalty(self) -> float: ...
    @property
    def decay(self) -> Literal["constant", "linear", "exponential"]: ...
    @property
    def decay_tokens(self) -> int: ...


def share(decay: Literal["constant", "linear", "exponential"], decay_tokens: int, generated: int) -> float:
    """What is left of a penalty, 1 to 0, after so many generated tokens."""
    if decay == "linear":
        return max(0.0, 1 - generated / decay_tokens)
    if decay == "exponential":
        left = 0.5 ** (generated / decay_tokens)
        return left if left >= NOTHING else 0.0
    return 1.0


@dataclass(frozen=True, slots=True)
class TokenPenalty:
    """One unwanted text as the token sequences that spell it."""

    sequences: tuple[tuple[int, ...], ...]
    penalty: float
    decay: Literal["constant", "linear", "exponential"]
    decay_tokens: int

    def processor(self, prompt_tokens: int) -> Any:
        """A LogitsProcessor for one batch whose answers begin after `prompt_tokens` columns (padding counted).

        Raises ValueError at its first call when a token is not of the model's vocabulary.
        """
        from transformers import SequenceBiasLogitsProcessor  # noqa: PLC0415 - transformers stays behind the door

        bias = SequenceBiasLogitsProcessor([[list(ids), -self.penalty] for ids in self.sequences])
        return _Fading(self, bias, prompt_tokens)


class _Fading:
    """A sequence bias whose strength follows a schedule over the generated tokens."""

    def __init__(self, rule: TokenPenalty, bias: Any, prompt_tokens: int) -> None:
        self._rule, self._bias, self._prompt_tokens = rule, bias, prompt_tokens

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) of the next token after `input_ids` (B, T)."""
        rule = self._rule
        left = share(rule.decay, rule.decay_tokens, input_ids.shape[1] - self._prompt_tokens)
        return scores + left * self._bias(input_ids, scores.new_zeros(scores.shape)) if left else scores


def compiled(penalties: Iterable[Penalty], tokenizer: Any) -> tuple[TokenPenalty, ...]:
    """The penalties in a tokenizer's ids: each text as it stands alone, after a space and after a line break."""
    return tuple(TokenPenalty(_spellings(p.text, tokenizer), p.penalty, p.decay, p.decay_tokens) for p in penalties)


def _spellings(text: str, tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    """Where a leading space or line break is a token of its own, the spelling is that of the text alone."""
    alone = _ids(text, tokenizer)
    found = {alone: None}
    for before in (" ", "\n"):
        ids, lead = _ids(before + text, tokenizer), _ids(before, tokenizer)
        found[alone if ids == lead + alone else ids] = None
    return tuple(found)


def _ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def processors(penalties: Sequence[TokenPenalty], prompt_tokens: int) -> list[Any]:
    """A fresh LogitsProcessor for each penalty, for one batch."""
    return [penalty.processor(prompt_tokens) for penalty in penalties]
