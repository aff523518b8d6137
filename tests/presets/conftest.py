"""A tiny local model, a dataset with three splits, and a file of the older trainer's schema that puts them together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.workspace import Workspace
from tests.arena.arena_support import small_hero

FILE = """
# A training file in the older trainer's schema.
[metadata]
schema_version = 1

[hardware.bench]
name = "A bench machine"
device = "cpu"
available_memory_gb = 4
max_batch_size = 4
max_sequence_length = 256
supports_fp16 = false
supports_bf16 = false
supports_gradient_checkpointing = true
max_lora_rank = 8
recommended_gradient_accumulation = 1

[experts.lantern-keeper]
display_name = "Lantern Keeper"
role = "sums"
group = "workshop"
base_model = "{model}"
context_window = 256
specialization = "adding small numbers"
prompt_template = '''A sum{{context}}.

### Sum:
{{instruction}}
{{input_section}}
### Result:
{{output}}'''

[hyperparameters.default]
num_epochs = 1
learning_rate = 3e-3
warmup_steps = 2
weight_decay = 0.01
lr_scheduler = "linear"
logging_steps = 2
save_steps = 4
save_total_limit = 2
eval_strategy = "steps"
eval_steps = 4

[datasets.sums]
path = "{data}"
description = "Sums of two small numbers"
train_split = "train.jsonl"
val_split = "val.jsonl"
test_split = "test.jsonl"
quality_threshold = 0.6
domains = ["arithmetic"]

[presets.lantern-bench]
expert = "lantern-keeper"
hardware = "bench"
dataset = "sums"
hyperparameters = "default"
sequence_length = 128
batch_size = 1
gradient_accumulation = 1

[lora.slim]
r = 4
lora_alpha = 8
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj"]
lora_dropout = 0.0
bias = "none"

[presets.lantern-slim]
expert = "lantern-keeper"
hardware = "bench"
dataset = "sums"
hyperparameters = "default"
lora = "slim"
sequence_length = 128
batch_size = 1
gradient_accumulation = 1

[output]
models_dir = "{models}"
logs_dir = "~/logs"
name_template = "{{name}}-{{role}}-{{base_short}}-{{date}}"
date_format = "%Y"
"""


def rows(first: int, count: int, quality: float = 0.9) -> str:
    return "".join(
        json.dumps({"instruction": f"Add {i} and {i % 7}.", "input": "", "output": str(i + i % 7), "quality": quality})
        + "\n"
        for i in range(first, first + count)
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder in Hugging Face layout, small enough to train in a test."""
    folder = tmp_path_factory.mktemp("models") / "Tiny-Local-0.1M"
    hero = small_hero()
    hero.model.save_pretrained(folder)
    hero.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "realm")
    workspace.create()
    workspace.settings.write_text(
        "[curriculum]\nexam_problems = 8\ntraining_problems = 2\nexam_max_new_tokens = 8\n[passives]\nenabled = false\n"
    )
    return workspace


@pytest.fixture
def file(tmp_path: Path, tiny_model: Path) -> Path:
    """The training file; its dataset has 40 good rows to train on, 8 poor ones, 12 to validate and 10 to test."""
    data = tmp_path / "sums"
    data.mkdir()
    (data / "train.jsonl").write_text(rows(0, 40) + rows(900, 8, quality=0.3))
    (data / "val.jsonl").write_text(rows(100, 12) + rows(950, 3, quality=0.1))
    (data / "test.jsonl").write_text(rows(200, 10))
    path = tmp_path / "my.toml"
    path.write_text(FILE.format(model=tiny_model, data=data, models=tmp_path / "models"))
    return path
