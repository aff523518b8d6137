"""How near the memory estimate comes: ten trainings on the CPU, each in a fresh process, against their peak.

    python benchmarks/estimate_accuracy.py [--only NAME ...] [--threads 1]

Measured is the most resident memory that the process had (VmHWM of Linux) from its start to the end of three steps of
full rows, with everything imported that `realm train` imports. Target: within 15 % for 8 of 10.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    Qwen3Config,
)

from realm.arena.fit.rehearsal import rehearse
from realm.config.run_spec import RunSpec
from realm.config.schema import HeroProfile, Hyperparameters
from realm.heroes.architecture import architecture
from realm.heroes.families import families

STEPS = 3
WITHIN = 0.15
SMALL_QWEN = Qwen3Config(
    vocab_size=8192, hidden_size=384, intermediate_size=1152, num_hidden_layers=8, num_attention_heads=6,
    num_key_value_heads=2, head_dim=64, tie_word_embeddings=True,
)  # fmt: skip
SMALL_LLAMA = LlamaConfig(
    vocab_size=32_000, hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8,
    num_key_value_heads=4, tie_word_embeddings=False,
)  # fmt: skip
SMALL_GPT2 = GPT2Config(n_embd=512, n_layer=6, n_head=8, n_positions=512)  # 50,257 tokens
CONFIGS = {"qwen": SMALL_QWEN, "llama": SMALL_LLAMA, "gpt2": SMALL_GPT2}

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "hatchling": ("hatchling", {"per_device_train_batch_size": 8, "max_length": 1024}),
    "hatchling, muon, mean of the weights": (
        "hatchling",
        {"per_device_train_batch_size": 32, "max_length": 256, "optim": "muon", "ema_decay": 0.99},
    ),
    "hatchling, unpacked": (
        "hatchling",
        {"per_device_train_batch_size": 64, "max_length": 256, "packing": False},
    ),
    "qwen 19M": ("qwen", {"per_device_train_batch_size": 8, "max_length": 512}),
    "qwen 19M, galore": ("qwen", {"per_device_train_batch_size": 8, "max_length": 512, "optim": "galore"}),
    "llama 59M": ("llama", {"per_device_train_batch_size": 4, "max_length": 256}),
    "llama 59M, 8 bits": (
        "llama",
        {"per_device_train_batch_size": 16, "max_length": 256, "packing": False, "optim": "adamw_8bit"},
    ),
    "gpt2 45M": ("gpt2", {"per_device_train_batch_size": 8, "max_length": 256, "packing": False}),
    "smol 135M": ("smol", {"per_device_train_batch_size": 4, "max_length": 256}),
    "smol 135M, checkpointing": (
        "smol",
        {"per_device_train_batch_size": 8, "max_length": 256, "packing": False, "gradient_checkpointing": True},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(measured(asked.measure, asked.threads))
        return
    near = 0
    for name in asked.only:
        told, peak = estimated(name), in_a_fresh_process(name, asked.threads)
        off = told / peak - 1
        near += abs(off) <= WITHIN
        print(f"{name:40} estimated {told / 1e6:7.0f} MB, measured {peak / 1e6:7.0f} MB, off by {off:+.0%}", flush=True)
    print(f"within {WITHIN:.0%}: {near} of {len(asked.only)}")


def settings(name: str) -> Hyperparameters:
    usual = {"max_steps": STEPS, "eval_fraction": 0.0, "num_train_epochs": 1, "learning_rate": 1e-4}
    return Hyperparameters(**{**usual, **RUNS[name][1]})


def estimated(name: str) -> float:
    model = RUNS[name][0]
    spec = RunSpec(hero=model, profile=HeroProfile(base_model=model), campaign="b", hyperparameters=settings(name))
    return rehearse(spec, making(model), families.get("transformers").hidden_matrices).total


def making(model: str) -> Callable[[], Any]:
    if model in CONFIGS:
        return lambda: AutoModelForCausalLM.from_config(CONFIGS[model])
    found = architecture(model, models=None)
    assert found is not None
    return found


def in_a_fresh_process(name: str, threads: int) -> int:
    command = [sys.executable, __file__, "--measure", name, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def measured(name: str, threads: int) -> int:
    """The peak of this process, once it has trained."""
    import torch

    import realm.hero_loop  # noqa: F401 - what a training process has loaded
    from realm.arena.engine import Engine
    from realm.arena.fit.memory import peak_bytes
    from realm.heroes.hatchling import tokenizer
    from realm.heroes.hero import LoadedHero, load
    from realm.records import Progress

    torch.set_num_threads(threads)
    model = RUNS[name][0]
    hero = (
        LoadedHero(making(model)(), tokenizer.load(), families.get("transformers"), model)
        if model in CONFIGS
        else load(model)
    )
    engine = Engine.open(hero, settings(name), progress=Progress())
    with tempfile.TemporaryDirectory() as folder:
        engine.train(rows(settings(name)), run="r", quest="q", hooks=Saving(Path(folder)))
    return peak_bytes(torch.device("cpu"))


def rows(chosen: Hyperparameters) -> list[dict[str, str]]:
    """Rows of which each fills a row of tokens, nearly all trained."""
    count = STEPS * chosen.batch_rows * chosen.gradient_accumulation_steps
    return [{"prompt": f"{i}", "completion": " seven" * chosen.max_length} for i in range(count)]


class Saving:
    """Hooks that save as a run does, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_step(self, metrics: Any) -> None: ...
    def save(self, engine: Any) -> None:
        engine.write(self._folder / "checkpoint")

    def request(self) -> None: ...
    def on_pause(self, step: int) -> None: ...
    def on_resume(self, step: int) -> None: ...
    def on_lighten(self, step: int, before: int, tokens: int) -> None: ...


if __name__ == "__main__":
    main()
