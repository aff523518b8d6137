"""The hatchling's network: its measured shape, and how a seed becomes its first weights. Knows no tokenizer file."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of the network. The defaults were chosen by measurement, see docs/log.md."""

    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 4
    head_dim: int = 32
    mlp_size: int = 384
    tied_embeddings: bool = True
    init_std: float = 0.02
    rope_theta: float = 10_000.0


def build(tokenizer: PreTrainedTokenizerFast, *, seed: str, shape: Shape | None = None) -> Qwen3ForCausalLM:
    """A new hatchling in float32. The same seed gives the same weights; the caller's random state is untouched."""
    shape = shape or Shape()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_number(seed))
        return Qwen3ForCausalLM(_config(tokenizer, shape))


def _config(tokenizer: PreTrainedTokenizerFast, shape: Shape) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.mlp_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        tie_word_embeddings=shape.tied_embeddings,
        initializer_range=shape.init_std,
        max_position_embeddings=tokenizer.model_max_length,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )


def _number(seed: str) -> int:
    return int.from_bytes(blake2b(f"hatchling/{seed}".encode(), digest_size=8).digest()) >> 1
