"""The engine trains an adapter: it alone, exactly on after a stop, written small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from realm.arena.engine import Engine
from realm.arena.optim.muon import MuonWithAdamW
from realm.config.schema import AdapterSettings
from realm.errors import CheckpointError
from realm.heroes.to_train import load_to_train
from realm.records import Progress
from tests.heroes.adapter_support import profile, small_adapter, write_base

from .arena_support import Notes, settings, small_rows


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base")


def opened(
    base: Path,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    adapter: AdapterSettings | None = None,
    **changes: Any,
) -> Engine:
    hero = load_to_train(profile(base), adapter or small_adapter(), models=base.parent, checkpoint=checkpoint)
    return Engine.open(hero, settings(**changes), progress=progress or Progress(), checkpoint=checkpoint)


def parts(engine: Engine, *, trained: bool) -> dict[str, torch.Tensor]:
    named = engine.hero.model.named_parameters()
    return {name: p.detach().clone() for name, p in named if p.requires_grad == trained}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("adapter", ["minimal", "standard", "full"])
def test_the_catalogues_adapters_learn_and_leave_the_base_alone(base: Path, tmp_path: Path, adapter: str) -> None:
    from realm.config.layers import load

    engine = opened(base, adapter=load(env={}).adapters[adapter], learning_rate=2e-2, num_train_epochs=4)
    frozen = parts(engine, trained=False)
    notes = Notes(folder=tmp_path)
    result = engine.train(small_rows(), run="r", quest="a", hooks=notes)
    assert result.loss_last < result.loss_first - 0.3
    assert same(parts(engine, trained=False), frozen)
    made = tmp_path / str(engine.progress.step)
    assert not (made / "model.safetensors").exists()
    assert all("lora_" in name for name in load_file(made / "adapter_model.safetensors"))


def test_muon_takes_nothing_of_an_adapter(base: Path) -> None:
    engine = opened(base, optim="muon")
    assert engine.hero.hidden_matrices == []
    assert any("lora_A" in name for name in engine.hero.family.hidden_matrices(engine.hero.model))
    assert isinstance(engine._optimizer, MuonWithAdamW)
    groups = engine._optimizer.param_groups
    assert all("betas" in group for group in groups)  # AdamW's
    trained = {id(p) for p in engine.hero.model.parameters() if p.requires_grad}
    assert {id(p) for group in groups for p in group["params"]} == trained


@pytest.mark.parametrize(
    ("adapter", "chosen"),
    [
        (small_adapter(lora_dropout=0.2), {}),
        (small_adapter(lora_dropout=0.2, use_dora=True), {"ema_decay": 0.9}),
        (small_adapter(lora_dropout=0.2, quantize="bf16"), {}),
        (small_adapter(use_rslora=True), {"packing": False, "gradient_accumulation_steps": 8, "optim": "muon"}),
    ],
)
def test_going_on_after_a_stop_is_bit_exact(
    base: Path, tmp_path: Path, adapter: AdapterSettings, chosen: dict[str, Any]
) -> None:
    whole, calm = opened(base, adapter=adapter, **chosen), Notes()
    whole.train(small_rows(), run="r", quest="a", hooks=calm)
    first, notes = opened(base, adapter=adapter, **chosen), Notes(wanted={3: ["stop"]}, folder=tmp_path)
    first.train(small_rows(), run="r", quest="a", hooks=notes)
    second, rest = opened(base, first.progress, tmp_path / "3", adapter, **chosen), Notes()
    torch.rand(10)  # somebody else draws in between
    second.train(small_rows(), run="r", quest="a", hooks=rest)
    assert notes.losses + rest.losses == calm.losses
    assert same(parts(second, trained=True), parts(whole, trained=True))
    with second.average.applied(), whole.average.applied():
        assert same(parts(second, trained=True), parts(whole, trained=True))


def test_the_mean_of_an_adapters_weights_is_what_is_written(base: Path, tmp_path: Path) -> None:
    engine = opened(base, ema_decay=0.9, learning_rate=2e-2)
    engine.train(small_rows(), run="r", quest="a", hooks=Notes(folder=tmp_path))
    own = parts(engine, trained=True)
    with engine.average.applied():
        mean = parts(engine, trained=True)
    assert not same(own, mean)
    read = opened(base, engine.progress, tmp_path / str(engine.progress.step))  # without averaging
    assert same(parts(read, trained=True), mean)


def test_gradient_checkpointing_changes_no_gradient(base: Path) -> None:
    kept, spared = (opened(base, gradient_checkpointing=wanted) for wanted in (False, True))
    for engine in (kept, spared):
        engine.train(small_rows(), run="r", quest="a", hooks=Notes(wanted={3: ["stop"]}))
    assert same(parts(kept, trained=True), parts(spared, trained=True))


def test_weights_of_another_adapter_are_refused(base: Path, tmp_path: Path) -> None:
    engine = opened(base)
    engine.write(tmp_path / "made")
    wider = Engine.open(
        load_to_train(profile(base), small_adapter(r=8), models=tmp_path), settings(), progress=Progress()
    )
    wider.write(tmp_path / "wider")
    (tmp_path / "wider" / "adapter_model.safetensors").replace(tmp_path / "made" / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="does not fit this model"):
        opened(base, checkpoint=tmp_path / "made")


@pytest.mark.slow
def test_smol_takes_a_step_through_an_adapter(tmp_path: Path) -> None:
    from realm.config.layers import load

    catalogue = load(env={})
    hero = load_to_train(catalogue.heroes["smol"], catalogue.adapters["standard"], models=tmp_path)
    assert "quantization_config" not in hero.model.config.to_dict()
    engine = Engine.open(hero, settings(max_steps=1, eval_fraction=0.0, max_length=128), progress=Progress())
    before = parts(engine, trained=True)
    result = engine.train(small_rows(8), run="r", quest="a", hooks=Notes(folder=tmp_path))
    assert result.steps == 1 and not same(parts(engine, trained=True), before)
    size = sum(file.stat().st_size for file in (tmp_path / "1").iterdir() if file.suffix == ".safetensors")
    assert size == pytest.approx(4 * sum(p.numel() for p in before.values()), rel=0.1)
    assert hero.base is not None and hero.base.as_json() == {"base_model": "smol", "sha256": hero.base.sha256}
