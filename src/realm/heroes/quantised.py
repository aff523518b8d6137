"""A base in 4 bits by bitsandbytes: NF4 with double quantisation (QLoRA, https://arxiv.org/abs/2305.14314).

Only for a CUDA device; whether there is one is asked before (`config.adapters`). Knows no adapter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from realm.errors import HeroError


def settings() -> BitsAndBytesConfig:
    """NF4, the constants quantised too, products taken in bfloat16."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def read(folder: Path) -> Any:
    """The model on the first GPU, norms in float32, ready for an adapter. Raises HeroError where there is none."""
    if not torch.cuda.is_available():
        raise HeroError(
            "quantize = 'nf4' needs an NVIDIA GPU, and torch finds none.",
            hint="Set the adapter's quantize = 'none', or train where there is one.",
        )
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=settings(), device_map={"": 0}, trust_remote_code=False, use_safetensors=True
    )
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
