"""In which number format a model is trained. Knows no loss and no optimizer.

Weights, gradients and sums stay in float32; products of matrices are taken in bfloat16 where the device has
instructions for it (mixed precision, https://arxiv.org/abs/1710.03740). What it gains: docs/log.md.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "sdpa_float32"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products in bfloat16; without them they are slower than float32."""
    if device.type != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def in_bfloat16(device: torch.device, bf16: bool | Literal["auto"]) -> bool:
    """Whether products are to be taken in bfloat16; `auto` is yes where the device multiplies in it."""
    return multiplies_bfloat16(device) if bf16 == "auto" else bf16


def prepare(model: Any, bf16: bool | Literal["auto"]) -> bool:
    """Whether this model is to be trained in bfloat16, and the model made ready for it.

    Attention stays in float32 on the CPU: its kernel takes three times as long in bfloat16.
    """
    wanted = in_bfloat16(model.device, bf16)
    if wanted and model.device.type == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)
    return wanted


def _attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
    with torch.autocast(query.device.type, enabled=False):
        heard, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return heard.to(query.dtype), weights  # a base that is held in bfloat16 goes on in it


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
