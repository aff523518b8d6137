"""Useful tokens per second of a LoRA training of smol (135M) on BIN: the arena against TRL's SFTTrainer, one run.

python benchmarks/smol_lora.py [--threads 2] [--rounds 3] [--rows 64] [--adapter standard] [--skip packed ...]

Everybody trains the same adapter on the same rows with the loss on the answers, in the same number format. TRL runs
with its defaults (on CPU that means rows padded to the longest of a batch of 8, gradient checkpointing on) and with the
settings that suit short rows best: no gradient checkpointing, and either batches of like lengths or bfd packing; the
faster of the two counts. They take turns, and medians are compared. Tokenising is left out on all sides; each one's
own tokens are counted, padding not (TRL gets the rows as messages, so that it renders the chat template too).
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from arena_throughput import Quiet, bin_rows
from beside_trl import QUIET, medians
from realm.arena.engine import Engine
from realm.arena.precision import multiplies_bfloat16
from realm.config.layers import load as load_settings
from realm.config.schema import AdapterSettings, Hyperparameters, RealmSettings
from realm.heroes.hero import load
from realm.heroes.to_train import load_to_train
from realm.records import Progress

ROW_TOKENS = 512
BATCH = 8


def arena(settings: RealmSettings, adapter: AdapterSettings, folder: str, bf16: bool) -> Engine:
    from pathlib import Path

    hero = load_to_train(settings.heroes["smol"], adapter, models=Path(folder))
    chosen = Hyperparameters(eval_fraction=0.0, max_length=ROW_TOKENS, per_device_train_batch_size=1, bf16=bf16)
    return Engine.open(hero, chosen, progress=Progress())


def as_messages(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "completion": [{"role": "assistant", "content": row["completion"]}],
    }


def trl_trainer(rows: list[dict[str, Any]], adapter: AdapterSettings, folder: str, **chosen: Any) -> SFTTrainer:
    hero = load("smol")
    return SFTTrainer(
        model=hero.model,
        args=SFTConfig(output_dir=folder, num_train_epochs=1, use_cpu=not torch.cuda.is_available(), **chosen, **QUIET),
        train_dataset=Dataset.from_list([as_messages(row) for row in rows]),
        processing_class=hero.tokenizer,
        peft_config=LoraConfig(
            r=adapter.r,
            lora_alpha=adapter.lora_alpha,
            lora_dropout=adapter.lora_dropout,
            target_modules=list(adapter.target_modules),
            task_type="CAUSAL_LM",
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--adapter", default="standard")
    parser.add_argument("--skip", nargs="*", default=[], choices=["packed", "sorted", "defaults"])
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warnings.simplefilter("ignore")  # TRL advises flash attention, which no CPU has
    settings = load_settings(env={})
    adapter = settings.adapters[chosen.adapter]
    bf16 = multiplies_bfloat16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    rows = bin_rows(chosen.rows)

    with tempfile.TemporaryDirectory() as folder:
        engine = arena(settings, adapter, folder, bf16)
        course = engine.method("sft").course(rows, seed="benchmark")
        best = {"gradient_checkpointing": False, "bf16": bf16}
        others: dict[str, dict[str, Any]] = {
            "packed": {**best, "packing": True, "max_length": ROW_TOKENS, "per_device_train_batch_size": 1},
            "sorted": {**best, "train_sampling_strategy": "group_by_length", "per_device_train_batch_size": BATCH},
            "defaults": {},
        }
        runs: dict[str, Callable[[], Any]] = {"arena": lambda: course.run(0, engine._watch(course, Quiet()))}
        tokens = {"arena": int(course.reading.train.offsets[-1])}
        for name in others.keys() - {*chosen.skip}:
            trainer = trl_trainer(rows, adapter, folder, **others[name])
            tokens[name] = sum(len(row) for row in trainer.train_dataset["input_ids"])
            runs[name] = trainer.train
        taken = medians(runs, chosen.rounds)
    trained = sum(p.numel() for p in engine.hero.model.parameters() if p.requires_grad)
    print(
        f"{len(rows)} rows, {chosen.threads} threads, bf16 {bf16}, adapter {chosen.adapter} "
        f"({trained:,} parameters); useful tokens/s by the clock and of CPU time"
    )
    rates = {name: [tokens[name] / seconds for seconds in times] for name, times in taken.items()}
    for name, (wall, cpu) in sorted(rates.items(), key=lambda item: item[0] != "arena"):
        print(
            f"{name if name == 'arena' else f'TRL, {name}':15} {tokens[name]:>6} tokens {wall:6.0f} {cpu:6.0f}   "
            f"arena is {rates['arena'][0] / wall:.2f} and {rates['arena'][1] / cpu:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
