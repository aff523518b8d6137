"""8-bit, low-rank and paged optimizers: each trains, goes on exactly, and refuses in words where it cannot run."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pytorch_optimizer import GaLore as PublishedGaLore
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from realm.arena.engine import Engine
from realm.arena.optim import build, kind
from realm.arena.optim.low_rank import NORM_GROWTH, Apollo, GaLore, LowRank
from realm.arena.optim.muon import split
from realm.errors import CheckpointError, MissingExtra, TrainingError
from realm.heroes.families import families
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows
from .optim_support import made, moves_at_rate_zero, step

HERE = ["adamw_8bit", "galore", "galore_8bit", "apollo"]
LOW_RANK: dict[str, Any] = {"optim_rank": 8, "optim_update_gap": 4}


def opened(optim: str, progress: Progress | None = None, checkpoint: Path | None = None) -> Engine:
    chosen = settings(optim=optim, learning_rate=1e-2, weight_decay=0.01, **LOW_RANK)
    return Engine.open(small_hero(), chosen, progress=progress or Progress(), checkpoint=checkpoint)


@pytest.mark.parametrize("optim", HERE)
def test_it_learns_and_goes_on_bit_for_bit(optim: str, tmp_path: Path) -> None:
    whole, notes = opened(optim), Notes()
    result = whole.train(small_rows(), run="r", quest="a", hooks=notes)
    assert result.loss_last < 0.8 * result.loss_first

    first, until = opened(optim), Notes(wanted={6: ["stop"]}, folder=tmp_path)
    assert first.train(small_rows(), run="r", quest="a", hooks=until).outcome == "stopped"
    second, rest = opened(optim, first.progress, tmp_path / "6"), Notes()
    second.train(small_rows(), run="r", quest="a", hooks=rest)
    assert until.losses + rest.losses == notes.losses
    for a, b in zip(whole.hero.model.parameters(), second.hero.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_eight_bits_take_a_quarter_of_the_memory() -> None:
    def state_bytes(optim: str) -> int:
        hero, optimizer = made(optim)
        step(hero.model, optimizer)
        states = optimizer.state_dict()["state"].values()
        return sum(t.nbytes for state in states for t in state.values() if isinstance(t, torch.Tensor))

    assert state_bytes("adamw_8bit") < 0.3 * state_bytes("adamw")


@pytest.mark.parametrize("optim", ["paged_adamw", "paged_adamw_8bit"])
def test_pages_need_a_gpu(optim: str) -> None:
    with pytest.raises(TrainingError, match="GPU") as refused:
        opened(optim)
    assert "adamw_8bit" in refused.value.hint


def test_on_a_gpu_eight_bits_need_bitsandbytes() -> None:
    from realm.arena.optim.eight_bit import adamw_8bit

    parts = [{"params": [torch.nn.Parameter(torch.zeros(2, 2))]}]
    if find_spec("bitsandbytes"):
        assert kind(adamw_8bit(parts, settings(optim="adamw_8bit"), torch.device("cuda"))) == "AdamW"
    else:
        with pytest.raises(MissingExtra, match="bitsandbytes"):
            adamw_8bit(parts, settings(optim="adamw_8bit"), torch.device("cuda"))


def test_the_state_of_another_optimizer_is_refused_in_words(tmp_path: Path) -> None:
    notes = Notes(wanted={2: ["stop"]}, folder=tmp_path)
    first = opened("galore")
    first.train(small_rows(), run="r", quest="a", hooks=notes)
    for other in ("galore_8bit", "adamw_8bit", "adamw"):
        with pytest.raises(CheckpointError, match="GaLore in AdamW") as refused:
            opened(other, first.progress, tmp_path / "2")
        assert "optim" in refused.value.hint


def test_our_galore_is_the_published_one() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(24, 16), (16, 24), (16, 16)]
    ours = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    chosen = settings(optim="galore", optim_rank=4, optim_update_gap=100, learning_rate=1e-2)
    mine = GaLore(ours, [], lambda parts: torch.optim.AdamW(parts, lr=1e-2, betas=(0.9, 0.95)), chosen)
    group = {"params": theirs, "rank": 4, "update_proj_gap": 100, "scale": 0.25, "projection_type": "std"}
    published = PublishedGaLore([group], lr=1e-2, betas=(0.9, 0.95), eps=1e-8)
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        published.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_apollo_steps_along_the_gradient_and_its_norm_grows_slowly() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.nn.Parameter(torch.randn(12, 6, generator=generator))
    chosen = settings(optim="apollo", optim_rank=4, learning_rate=0.1)
    optimizer = Apollo([p], [], lambda parts: torch.optim.AdamW(parts, lr=0.1, betas=(0.9, 0.95)), chosen)
    norms = []
    for power in range(4):
        before = p.detach().clone()
        p.grad = torch.randn(p.shape, generator=generator) * 10**power
        optimizer.step()
        moved = (before - p.detach()) / 0.1
        channels = moved / p.grad  # one factor a row, each positive
        assert torch.allclose(channels, channels[:, :1].expand_as(channels), rtol=1e-3, atol=1e-6)
        assert bool((channels > 0).all())
        norms.append(float(moved.norm()))
    assert all(later <= earlier * NORM_GROWTH * 1.001 for earlier, later in pairwise(norms))


def test_a_model_without_hidden_matrices_is_refused() -> None:
    with pytest.raises(TrainingError, match="no hidden matrix"):
        build(small_hero().model, settings(optim="galore"), hidden_matrices=[])


def test_the_rate_of_a_schedule_reaches_the_optimizer_within() -> None:
    hero, optimizer = made("galore", weight_decay=0.5)
    assert isinstance(optimizer, LowRank)
    assert not moves_at_rate_zero(hero, optimizer)


SIZES: dict[str, Any] = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
MODELS: dict[str, Any] = {
    "qwen3": lambda tied: Qwen3ForCausalLM(
        Qwen3Config(**SIZES, intermediate_size=32, num_key_value_heads=1, head_dim=8, tie_word_embeddings=tied)
    ),
    "llama": lambda tied: LlamaForCausalLM(LlamaConfig(**SIZES, intermediate_size=32, tie_word_embeddings=tied)),
    "gpt2": lambda tied: GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=32, tie_word_embeddings=tied)
    ),
}
A_LAYER = {
    "qwen3": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "gpt2": {"c_attn", "c_proj", "c_fc"},
}


def divided(model: Any) -> tuple[set[str], set[str]]:
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    hidden, rest = split(named, families.get("transformers").hidden_matrices(model))
    of = {id(p): name for name, p in named.items()}
    return {of[id(p)] for p in hidden}, {of[id(p)] for p in rest}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_matrices_inside_the_layers_are_hidden_and_nothing_else(name: str, tied: bool) -> None:
    model = MODELS[name](tied)
    hidden, rest = divided(model)
    assert {n.split(".")[-2] for n in hidden} == A_LAYER[name]
    by_layer = 4 if name == "gpt2" else 7
    assert len(hidden) == 2 * by_layer and not hidden & rest
    shapes = {n: p.ndim for n, p in model.named_parameters()}
    assert all(shapes[n] == 2 for n in hidden)
    matrices = {n.removesuffix(".weight").rpartition(".")[2] for n in rest if shapes[n] == 2}
    assert matrices <= {"embed_tokens", "wte", "wpe", "lm_head"}
    assert ("lm_head" in matrices) is not tied


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers so
@pytest.mark.parametrize("name", MODELS)
def test_of_an_adapter_the_factors_in_the_layers_are_hidden(name: str) -> None:
    of_gpt2 = name == "gpt2"
    targets = ["c_attn"] if of_gpt2 else ["q_proj", "lm_head"]
    model = get_peft_model(MODELS[name](False), LoraConfig(r=2, target_modules=targets, fan_in_fan_out=of_gpt2))
    hidden, rest = divided(model)
    assert len(hidden) == 4 and all(".lora_" in n and f".{targets[0]}." in n for n in hidden)
    assert len(rest) == (0 if of_gpt2 else 2) and all(".lm_head." in n for n in rest)
