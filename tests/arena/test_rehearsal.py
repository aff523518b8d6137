"""The exact estimate: counts agree with the real model, what saves does save, nothing is loaded or drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, LlamaConfig

from realm.arena.fit.memory import begin_peak, peak_bytes, taken_bytes
from realm.arena.fit.rehearsal import part_shape, rehearse
from realm.config.estimate import NF4_BYTES, MemoryEstimate
from realm.config.run_spec import RunSpec
from realm.config.schema import AdapterSettings, HeroProfile, Hyperparameters
from realm.heroes.architecture import architecture
from realm.heroes.families import families
from realm.heroes.hero import load

from .arena_support import settings

USUAL: dict[str, Any] = {"per_device_train_batch_size": 2, "max_length": 64}
CPU = torch.device("cpu")


def rehearsed(base_model: str = "hatchling", adapter: AdapterSettings | None = None, **changes: Any) -> MemoryEstimate:
    chosen = Hyperparameters(**{**USUAL, **changes})
    profile = HeroProfile(base_model=base_model)
    spec = RunSpec(hero="h", profile=profile, campaign="c", hyperparameters=chosen, adapter=adapter)
    make = architecture(base_model, models=None)
    assert make is not None
    return rehearse(spec, make, families.get("transformers").hidden_matrices)


def test_parameters_gradients_and_moments_are_those_of_the_model() -> None:
    model = load("hatchling").model
    memory = rehearsed()
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    assert memory.trained_parameters == model.num_parameters()
    assert memory.weights == 4 * model.num_parameters() + buffers
    assert memory.gradients == 4 * model.num_parameters()
    assert memory.optimizer == pytest.approx(8 * model.num_parameters(), rel=0.001)
    assert memory.logits == 4 * 2 * 64 * model.config.vocab_size < memory.activations


def test_what_saves_memory_is_seen_to() -> None:
    plain, wide = rehearsed(), rehearsed(max_length=256)
    assert 2 * plain.activations < wide.activations
    assert rehearsed(max_length=256, gradient_checkpointing=True).activations < 0.7 * wide.activations
    assert rehearsed(optim="adamw_8bit").optimizer < 0.3 * plain.optimizer
    assert rehearsed(optim="muon").optimizer < 0.6 * plain.optimizer
    assert rehearsed(ema_decay=0.9).weights == plain.weights + plain.gradients
    assert rehearsed(optim="paged_adamw").optimizer == plain.optimizer  # only a GPU knows where pages lie


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers so
def test_an_adapter_trains_its_factors_alone() -> None:
    memory = rehearsed(adapter=AdapterSettings(r=4, target_modules=("q_proj", "v_proj")))
    config = load("hatchling").model.config
    by_hand = config.num_hidden_layers * 2 * 4 * (config.hidden_size + config.num_attention_heads * config.head_dim)
    assert memory.trained_parameters == by_hand
    assert memory.gradients == 4 * by_hand


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers so
def test_a_base_in_fewer_bits_is_gone_through_as_it_is_held() -> None:
    model = load("hatchling").model
    whole, embeddings = model.num_parameters(), model.get_input_embeddings().weight.numel()
    found = {
        how: rehearsed(adapter=AdapterSettings.model_validate({"r": 4, "quantize": how}))
        for how in ("none", "bf16", "nf4")
    }
    adapter = 4 * found["none"].trained_parameters
    buffers = found["none"].weights - 4 * whole - adapter
    assert found["bf16"].weights == 2 * whole + adapter + buffers
    in_four_bits = {name for name in families.get("transformers").hidden_matrices(model)}
    packed = sum(p.numel() for name, p in model.named_parameters() if name in in_four_bits)
    assert whole - packed >= embeddings
    wanted = NF4_BYTES * packed + 4 * (whole - packed) + adapter + buffers
    assert found["nf4"].weights == pytest.approx(wanted, rel=1e-4)
    for how in ("bf16", "nf4"):
        assert (found[how].trained_parameters, found[how].gradients) == (adapter // 4, adapter)
        assert found[how].activations > 0
    assert found["bf16"].activations < found["none"].activations


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_folder_with_a_configuration_is_enough(name: str, tmp_path: Path) -> None:
    shapes: dict[str, Any] = {
        "llama": LlamaConfig(
            vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
        ),
        "gpt2": GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=64),
    }
    shapes[name].save_pretrained(tmp_path)
    drawn = torch.get_rng_state()
    memory = rehearsed(str(tmp_path), optim="galore", optim_rank=4)
    assert torch.equal(torch.get_rng_state(), drawn) and memory.trained_parameters > 1000


@pytest.mark.slow
def test_a_large_model_takes_no_memory_to_count(tmp_path: Path) -> None:
    big = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_hidden_layers=4, vocab_size=32_000)
    big.save_pretrained(tmp_path)
    rehearsed()  # libraries load what they need
    before = taken_bytes(CPU)
    begin_peak(CPU)
    memory = rehearsed(str(tmp_path))
    assert memory.weights > 4e9 and peak_bytes(CPU) - before < 300e6


@pytest.mark.parametrize("text", ["{}", "no json", json.dumps({"model_type": "t5"})])
def test_what_is_no_causal_language_model_is_left_to_the_shape(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "config.json").write_text(text)
    assert architecture(str(tmp_path), models=None) is None


def test_parts_are_those_of_the_run() -> None:
    packed = settings(per_device_train_batch_size=8, max_length=1024)
    assert part_shape(packed, "cpu") == ((2, 1024), 2)
    assert part_shape(packed, "cuda") == ((8, 1024), 1)
    assert part_shape(settings(per_device_train_batch_size=8, max_length=1024, packing=False), "cpu") == ((8, 1024), 1)
    assert part_shape(settings(gradient_accumulation_steps=2), "cuda") == ((1, 64), 2)
