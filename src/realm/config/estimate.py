"""How much memory a run will need, estimated from the model's geometry. An estimate, not a measurement; no torch.

Weights, gradients and optimizer are counted, a frozen base as its adapter holds it; activations follow Korthikanti et
al. 2022, "Reducing Activation Recomputation in Large Transformer Models", with attention that keeps no score matrix.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm.config.run_spec import RunSpec
from realm.config.schema import AdapterSettings, HeroProfile

GB = 1e9
FLOAT32_BYTES = 4
STATE_BYTES = {
    "adamw": 8.0, "paged_adamw": 8.0, "adamw_8bit": 2.2, "paged_adamw_8bit": 2.2,
    "muon": 4.5, "galore": 6.0, "galore_8bit": 3.0, "apollo": 6.0,
}  # fmt: skip
"""Bytes of state for each trained parameter, about: AdamW keeps two float32 moments, Muon one for its matrices, the
low-rank ones three numbers for a part of each matrix and two for the embeddings. The exact count needs the model."""
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in 4 bits, with its part of an 8-bit constant for 64 weights and of a float32 for 256 constants: QLoRA's
double quantisation (https://arxiv.org/abs/2305.14314, section 3) with the block sizes of bitsandbytes."""
LOW_RANK = frozenset({"galore", "galore_8bit", "apollo"})
"""Optimizers that need hidden matrices to project, which an adapter has none of."""
LAYER_ACTIVATIONS = 34
"""Bytes for each token and hidden unit of one layer in 16 bits, scores of the attention not kept."""
RUNTIME_BYTES = {"cuda": 1.0e9, "mps": 0.5e9, "cpu": 0.62e9}
"""What the process takes beside the model, about. On the CPU 0.52 GB with a model of some kilobytes (all that `realm
train` imports), and 0.1 GB of what an allocator keeps for itself: benchmarks/estimate_accuracy.py."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The shape of a decoder-only model with a gated MLP."""

    hidden: int
    layers: int
    mlp: int
    vocabulary: int
    query: int
    """Output size of q_proj: heads times head size."""
    key_value: int
    """Output size of k_proj and of v_proj."""
    tied: bool
    source: str
    """Where it is from, in words."""
    told_parameters: float | None = None
    """Number of parameters when that is known better than the shape."""

    @property
    def parameters(self) -> float:
        if self.told_parameters:
            return self.told_parameters
        attention = self.hidden * (2 * self.query + 2 * self.key_value)
        return self.layers * (attention + 3 * self.hidden * self.mlp) + self.embeddings

    @property
    def embeddings(self) -> float:
        """Parameters that read and write tokens, the head among them."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def in_layers(self) -> float:
        """Parameters of the matrices inside the layers."""
        return max(0.0, self.parameters - self.embeddings)

    def adapter_parameters(self, adapter: AdapterSettings) -> int:
        """Trained parameters of a low-rank adapter: r * (inputs + outputs) for each target module."""
        shapes = {
            "q_proj": (self.hidden, self.query),
            "k_proj": (self.hidden, self.key_value),
            "v_proj": (self.hidden, self.key_value),
            "o_proj": (self.query, self.hidden),
            "gate_proj": (self.hidden, self.mlp),
            "up_proj": (self.hidden, self.mlp),
            "down_proj": (self.mlp, self.hidden),
        }
        sides = sum(sum(shapes.get(module, (self.hidden, self.hidden))) for module in adapter.target_modules)
        return self.layers * adapter.r * sides


BUILT_IN = {
    "hatchling": Geometry(128, 4, 384, 394, 128, 128, True, "the hatchling's own shape"),
    "smol": Geometry(576, 30, 1536, 49152, 576, 192, True, "SmolLM2-135M's published shape"),
}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes by what needs them."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    runtime: float
    trained_parameters: float
    source: str
    logits: float = 0.0
    """The logits alone, in float32; a part of the activations."""

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.runtime

    def as_json(self) -> dict[str, Any]:
        parts = ("weights", "gradients", "optimizer", "activations", "logits", "runtime", "total")
        return {f"{part}_bytes": int(getattr(self, part)) for part in parts} | {
            "trained_parameters": int(self.trained_parameters),
            "source": self.source,
        }


def estimate(spec: RunSpec, geometry: Geometry) -> MemoryEstimate:
    """Memory of one training process at its peak, about. What trains is held in float32."""
    trained = geometry.adapter_parameters(spec.adapter) if spec.adapter else geometry.parameters
    device = spec.hardware.device if spec.hardware else "cpu"
    return MemoryEstimate(
        weights=_held(spec.adapter, geometry) + (FLOAT32_BYTES * trained if spec.adapter else 0),
        gradients=FLOAT32_BYTES * trained,
        optimizer=_states(spec, geometry, trained),
        activations=_activations(spec, geometry),
        runtime=RUNTIME_BYTES[device],
        trained_parameters=trained,
        source=geometry.source,
        logits=_logits(spec, geometry),
    )


def state_bytes(optim: str) -> float:
    """Bytes that an optimizer keeps for each trained parameter, about."""
    return STATE_BYTES[optim]


def _held(adapter: AdapterSettings | None, geometry: Geometry) -> float:
    """Bytes of the model's own weights. In 4 bits are the matrices of the layers; the rest is then float32."""
    how = adapter.quantize if adapter else "none"
    if how == "bf16":
        return FLOAT32_BYTES / 2 * geometry.parameters
    in_layers = NF4_BYTES if how == "nf4" else FLOAT32_BYTES
    return in_layers * geometry.in_layers + FLOAT32_BYTES * (geometry.parameters - geometry.in_layers)


def _states(spec: RunSpec, geometry: Geometry, trained: float) -> float:
    """Of a low-rank optimizer: a basis and two moments for each matrix, AdamW's own for all the rest."""
    used = spec.hyperparameters
    if used.optim not in LOW_RANK or spec.adapter:
        return state_bytes(used.optim) * trained
    moments = state_bytes("adamw_8bit" if used.optim.endswith("_8bit") else "adamw")
    share = min(1.0, used.optim_rank / geometry.hidden)
    return share * (FLOAT32_BYTES + moments) * geometry.in_layers + moments * (trained - geometry.in_layers)


def geometry_of(profile: HeroProfile, models: Path | None, env: Mapping[str, str] = os.environ) -> Geometry | None:
    """The shape of a hero's model: built in, out of its config.json, or guessed from its size; None when unknown."""
    if profile.base_model in BUILT_IN:
        return BUILT_IN[profile.base_model]
    for folder in model_folders(profile.base_model, models, env):
        if (folder / "config.json").is_file():
            return from_config(folder / "config.json")
    billions = profile.parameters_billion or size_in_name(profile.base_model)
    return from_size(billions * 1e9) if billions else None


def size_in_name(base_model: str) -> float | None:
    """Billions of parameters as a model's name tells them: 1.5 for `Qwen2.5-Coder-1.5B`."""
    found = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", base_model.rpartition("/")[2], re.IGNORECASE)
    return float(found[1]) / (1 if found[2] in "bB" else 1000) if found else None


def from_config(file: Path) -> Geometry | None:
    """The shape in a transformers config.json, or None when it is not of this kind."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        heads = told["num_attention_heads"]
        head = told.get("head_dim") or told["hidden_size"] // heads
        return Geometry(
            hidden=told["hidden_size"],
            layers=told["num_hidden_layers"],
            mlp=told["intermediate_size"],
            vocabulary=told["vocab_size"],
            query=heads * head,
            key_value=told.get("num_key_value_heads", heads) * head,
            tied=told.get("tie_word_embeddings", False),
            source=str(file),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def from_size(parameters: float) -> Geometry:
    """A usual shape for a number of parameters: 12 hidden^2 per layer and hidden = 64 layers, as in the GPT-3 table."""
    layers = round((parameters / (12 * 64**2)) ** (1 / 3))
    hidden = 64 * layers
    told = f"{parameters / 1e9:g} billion parameters, shape guessed"
    return Geometry(hidden, layers, 4 * hidden, 151_936, hidden, hidden // 4, True, told, told_parameters=parameters)


def cheaper(spec: RunSpec, geometry: Geometry, limit_bytes: float) -> str | None:
    """The smallest change after which the estimate fits, in words of the command line; None when none is enough."""
    return first_that_fits(spec, lambda changed: estimate(changed, geometry).total, limit_bytes)


def first_that_fits(spec: RunSpec, needs: Callable[[RunSpec], float], limit_bytes: float) -> str | None:
    """The same by another way to tell how many bytes a run needs."""
    for words, changed in _changes(spec):
        if needs(changed) <= limit_bytes:
            return words
    return None


def _activations(spec: RunSpec, geometry: Geometry) -> float:
    used = spec.hyperparameters
    tokens = used.batch_rows * used.max_length
    halved = used.bf16 is True or (spec.adapter is not None and spec.adapter.quantize == "bf16")
    width = 2 if halved else 4  # `auto` may turn out to be either
    layer = LAYER_ACTIVATIONS * tokens * geometry.hidden * width / 2
    kept = tokens * geometry.hidden * width  # a checkpointed layer keeps its input alone
    layers = geometry.layers * kept + layer if used.gradient_checkpointing else geometry.layers * layer
    return layers + 2 * _logits(spec, geometry)  # and their gradient


def _logits(spec: RunSpec, geometry: Geometry) -> float:
    return FLOAT32_BYTES * spec.hyperparameters.batch_rows * spec.hyperparameters.max_length * geometry.vocabulary


def _changes(spec: RunSpec) -> Iterator[tuple[str, RunSpec]]:
    """Changes from the mildest on, each on top of the ones before it."""
    used, said = spec.hyperparameters, []
    if used.batch_rows > 1:
        more = used.gradient_accumulation_steps * used.batch_rows
        used = used.model_copy(update={"per_device_train_batch_size": 1, "gradient_accumulation_steps": more})
        said.append(f"batch_size=1 gradient_accumulation={more}")
        yield " ".join(said), spec.model_copy(update={"hyperparameters": used})
    may = spec.hardware is None or spec.hardware.supports_gradient_checkpointing or spec.adapter is None
    if may and not used.gradient_checkpointing:
        used = used.model_copy(update={"gradient_checkpointing": True})
        said.append("gradient_checkpointing=true")
        yield " ".join(said), spec.model_copy(update={"hyperparameters": used})
    if spec.adapter is None and used.optim in {"adamw", "paged_adamw"}:
        used = used.model_copy(update={"optim": "adamw_8bit"})
        said.append("optim=adamw_8bit")
        yield " ".join(said), spec.model_copy(update={"hyperparameters": used})
    if spec.adapter is None:
        if used.optim in LOW_RANK:
            used = used.model_copy(update={"optim": "adamw"})
            said.append("optim=adamw")
        said.append("adapter=minimal")
        yield " ".join(said), spec.model_copy(update={"hyperparameters": used, "adapter": AdapterSettings(r=8)})


def model_folders(base_model: str, models: Path | None, env: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Where a model's folder may be: as named, below the workspace's models, in the hub's cache."""
    named = Path(base_model).expanduser()
    yield named
    if models:
        yield from (models / base_model, models / named.name)
    home = Path(env.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(env.get("HF_HUB_CACHE") or home / "hub").expanduser()
    yield from sorted((cache / f"models--{base_model.replace('/', '--')}" / "snapshots").glob("*"))
