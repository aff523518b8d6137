"""A frozen base in fewer bits, as far as memory goes: tensors of the right sizes, for models without contents.

Stands in for bitsandbytes, whose kernels need a card, where a training step is only gone through.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from realm.config.estimate import NF4_BYTES


def held(model: Any, quantize: str) -> Any:
    """The model on the meta device with its frozen weights as `load_quantized` would hold them; adapters stay."""
    if quantize == "bf16":
        for parameter in model.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(torch.bfloat16)
    elif quantize == "nf4":
        _pack(model)
    return model


def _pack(model: Any) -> None:
    """Linear layers but the head, as bitsandbytes chooses them; all else stays in float32, as peft prepares it."""
    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Linear and module is not head and not module.weight.requires_grad:
            above, _, last = name.rpartition(".")
            setattr(model.get_submodule(above), last, PackedLinear(module))


class PackedLinear(torch.nn.Module):
    """A linear layer whose weights take 4 bits each, and are bfloat16 while they are used."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        size = round(NF4_BYTES * linear.weight.numel())
        self.register_buffer("packed", torch.empty(size, dtype=torch.uint8, device=linear.weight.device))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Product.apply(x, self.out_features)  # type: ignore[no-untyped-call]
        return out if self.bias is None else out + self.bias


class _Product(torch.autograd.Function):
    """Keeps neither input nor weights: they are frozen, and unpacked again on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out_features: int) -> Tensor:
        ctx.shape, ctx.dtype = (out_features, x.shape[-1]), x.dtype
        return (x.to(torch.bfloat16) @ x.new_empty(ctx.shape, dtype=torch.bfloat16).T).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        weight = gradient.new_empty(ctx.shape, dtype=torch.bfloat16)
        return (gradient.to(torch.bfloat16) @ weight).to(ctx.dtype), None
