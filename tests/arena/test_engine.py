from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from realm.arena.engine import Engine
from realm.errors import CheckpointError, NonFinite, TrainingError
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows


def opened(progress: Progress | None = None, checkpoint: Path | None = None, **changes: Any) -> Engine:
    return Engine.open(small_hero(), settings(**changes), progress=progress or Progress(), checkpoint=checkpoint)


def weights(engine: Engine) -> list[torch.Tensor]:
    return [p.detach().clone() for p in engine.hero.model.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_arena_imports_no_torch() -> None:
    code = "import sys, realm.arena, realm.arena.engine; sys.exit('torch' in sys.modules or 'trl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_campaign_learns_and_its_step_never_resets(tmp_path: Path) -> None:
    engine, notes = opened(), Notes()
    first = engine.train(small_rows(), run="r1", quest="a", hooks=notes)
    second = engine.train(small_rows(), run="r1", quest="b", hooks=notes)
    assert first.outcome == second.outcome == "completed"
    assert [m.step for m in notes.steps] == list(range(1, first.steps + second.steps + 1))
    assert [m.quest_step for m in notes.steps][-1] == notes.steps[-1].quest_steps == second.steps
    assert second.loss_last < first.loss_first / 2
    assert engine.progress == replace(
        second.progress, step=first.steps + second.steps, quest="b", quest_done=True, quest_step=second.steps
    )
    assert engine.progress.tokens == first.tokens + second.tokens == sum(m.tokens for m in notes.steps)
    assert [p.step for p in notes.saves] == [first.steps, first.steps + second.steps]
    assert all(p.quest_done for p in notes.saves)


def test_metrics_tell_rate_norm_time_and_validation() -> None:
    engine, notes = opened(), Notes()
    result = engine.train(small_rows(), run="r", quest="a", hooks=notes)
    rates = [m.learning_rate for m in notes.steps]
    assert rates[:4] == pytest.approx([3e-3 * f for f in (0.25, 0.5, 0.75, 1.0)])
    assert all(m.grad_norm > 0 and m.step_seconds > 0 and m.input_tokens > m.tokens > 0 for m in notes.steps)
    measured = [m.quest_step for m in notes.steps if m.val_loss is not None]
    assert measured == sorted({*range(4, result.steps + 1, 4), result.steps})
    assert result.val_loss == notes.steps[-1].val_loss
    assert engine.reading is not None and engine.reading.truncated == 0


@pytest.mark.parametrize("optim", ["adamw", "muon"])
@pytest.mark.parametrize("packing", [True, False])
def test_going_on_after_a_stop_is_bit_exact(tmp_path: Path, optim: str, packing: bool) -> None:
    chosen = {"optim": optim, "packing": packing, "lr_scheduler_type": "cosine", "num_train_epochs": 1.5}
    chosen["gradient_accumulation_steps"] = 1 if packing else 8
    chosen["ema_decay"] = 0.9 if packing else 0.0
    whole, whole_notes = opened(**chosen), Notes()
    whole.train(small_rows(), run="r", quest="a", hooks=Notes())
    whole.train(small_rows(), run="r", quest="b", hooks=whole_notes)

    first = opened(**chosen)
    first.train(small_rows(), run="r", quest="a", hooks=Notes())
    at = first.progress.step + 3
    notes = Notes(wanted={at: ["stop"]}, folder=tmp_path)
    assert first.train(small_rows(), run="r", quest="b", hooks=notes).outcome == "stopped"
    assert notes.saves == [first.progress] and not first.progress.quest_done

    second = opened(first.progress, tmp_path / str(at), **chosen)
    rest = Notes()
    result = second.train(small_rows(), run="r2", quest="b", hooks=rest)
    assert result.outcome == "completed"
    assert notes.losses + rest.losses == whole_notes.losses
    assert [m.val_loss for m in notes.steps + rest.steps] == [m.val_loss for m in whole_notes.steps]
    assert [m.learning_rate for m in notes.steps + rest.steps] == [m.learning_rate for m in whole_notes.steps]
    assert same(weights(second), weights(whole))
    with second.average.applied(), whole.average.applied():
        assert same(weights(second), weights(whole))


def test_the_mean_of_the_weights_answers_is_measured_and_is_written(tmp_path: Path) -> None:
    engine = opened(ema_decay=0.9)
    before = weights(engine)
    engine.train(small_rows(), run="r", quest="a", hooks=Notes(folder=tmp_path))
    own = weights(engine)
    with engine.average.applied():
        mean = weights(engine)
    assert not same(own, mean) and not same(own, before) and same(weights(engine), own)
    written = Engine.open(
        small_hero(), settings(), progress=engine.progress, checkpoint=tmp_path / str(engine.progress.step)
    )
    assert same(weights(written), mean)  # who loads the checkpoint without averaging gets what was measured
    prompts = ["a", "b"]
    assert engine.answer(prompts, max_new_tokens=8) == written.answer(prompts, max_new_tokens=8)


def test_averaging_may_begin_in_the_middle_of_a_campaign(tmp_path: Path) -> None:
    first = opened()
    first.train(small_rows(), run="r", quest="a", hooks=Notes(folder=tmp_path))
    second = opened(first.progress, tmp_path / str(first.progress.step), ema_decay=0.9)
    assert same(weights(second), weights(first))
    with second.average.applied():
        assert same(weights(second), weights(first))


def test_dropout_draws_the_same_after_a_resume(tmp_path: Path) -> None:
    def with_dropout(progress: Progress, checkpoint: Path | None) -> Engine:
        hero = small_hero()
        for layer in hero.model.model.layers:
            layer.self_attn.attention_dropout = 0.3
        return Engine.open(hero, settings(), progress=progress, checkpoint=checkpoint)

    whole = with_dropout(Progress(), None)
    whole.train(small_rows(), run="r", quest="a", hooks=Notes())
    first = with_dropout(Progress(), None)
    first.train(small_rows(), run="r", quest="a", hooks=Notes(wanted={2: ["stop"]}, folder=tmp_path))
    torch.rand(100)  # somebody else draws in between
    second = with_dropout(first.progress, tmp_path / "2")
    second.train(small_rows(), run="r", quest="a", hooks=Notes())
    assert same(weights(second), weights(whole))


def test_a_warm_engine_goes_on_like_a_fresh_one() -> None:
    """A stop and a second `train` in the same process end where one run ends."""
    whole, halves = opened(), opened()
    whole.train(small_rows(), run="r", quest="a", hooks=Notes())
    halves.train(small_rows(), run="r", quest="a", hooks=Notes(wanted={5: ["stop"]}))
    halves.train(small_rows(), run="r", quest="a", hooks=Notes())
    assert same(weights(whole), weights(halves))


def test_saves_come_in_time_and_never_twice_at_a_step() -> None:
    engine, notes = opened(save_steps=5), Notes()
    rows = small_rows(100)
    result = engine.train(rows, run="r", quest="a", hooks=notes)
    steps = [p.step for p in notes.saves]
    assert steps == sorted({*range(5, result.steps, 5), result.steps})
    assert [p.quest_done for p in notes.saves] == [False] * (len(steps) - 1) + [True]

    engine, notes = opened(save_steps=5), Notes(wanted={5: ["stop"]})
    engine.train(rows, run="r", quest="a", hooks=notes)
    assert [p.step for p in notes.saves] == [5]


def test_pause_stop_and_skip_act_within_a_step() -> None:
    engine = opened()
    notes = Notes(wanted={2: ["pause", "pause", None], 4: ["skip"]})
    result = engine.train(small_rows(), run="r", quest="a", hooks=notes)
    assert (result.outcome, result.steps) == ("skipped", 4)
    assert notes.pauses == [("pause", 2), ("resume", 2)]
    assert notes.saves == [engine.progress] and engine.progress.quest_done
    # the skipped quest is over: the same name begins anew
    again = engine.train(small_rows(), run="r", quest="a", hooks=Notes(wanted={0: ["stop"]}))
    assert (again.outcome, again.steps, again.progress.quest_step) == ("stopped", 0, 0)


def test_a_stop_before_the_first_step_saves_nothing() -> None:
    notes = Notes(wanted={0: ["stop"]})
    result = opened().train(small_rows(), run="r", quest="a", hooks=notes)
    assert (result.outcome, result.steps, notes.saves) == ("stopped", 0, [])
    assert math.isnan(result.loss_first)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_is_none_ends_the_run_before_update_and_save(where: str) -> None:
    engine, notes = opened(save_steps=1), Notes()
    model = engine.hero.model

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("nan") if notes.last_step == 3 else gradient

    if where == "gradient":
        model.model.norm.weight.register_hook(spoil)
    else:
        model.model.norm.register_forward_hook(lambda m, i, o: spoil(o))
    with pytest.raises(NonFinite, match="at step 4"):
        engine.train(small_rows(), run="r", quest="a", hooks=notes)
    assert [p.step for p in notes.saves] == [1, 2, 3]
    assert engine.progress.step == 3
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_checkpoint_is_in_the_layout_of_the_field(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    engine = opened(optim="muon")
    engine.train(small_rows(), run="r", quest="a", hooks=Notes())
    engine.write(tmp_path / "made")
    names = {f.name for f in (tmp_path / "made").iterdir()}
    assert names >= {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
    }
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.load(tmp_path / "made" / name, weights_only=True)
    state = json.loads((tmp_path / "made" / "trainer_state.json").read_text())
    assert state["global_step"] == engine.progress.step
    assert json.loads((tmp_path / "made" / "config.json").read_text())["use_cache"] is True
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "made")
    assert same(list(loaded.parameters()), weights(engine))
    assert AutoTokenizer.from_pretrained(tmp_path / "made").chat_template == engine.hero.tokenizer.chat_template


def test_a_save_writes_nothing_into_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()
    engine = opened()
    engine.write(tmp_path / "made")
    assert (tmp_path / "made" / "model.safetensors").is_file()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth", "model.safetensors"])
def test_a_checkpoint_with_a_part_missing_is_refused(tmp_path: Path, name: str) -> None:
    engine = opened()
    engine.write(tmp_path / "made")
    (tmp_path / "made" / name).unlink()
    with pytest.raises(CheckpointError):
        opened(checkpoint=tmp_path / "made")


def test_a_changed_optimizer_is_said_in_words(tmp_path: Path) -> None:
    opened().write(tmp_path / "made")
    with pytest.raises(CheckpointError, match="does not fit"):
        opened(checkpoint=tmp_path / "made", optim="muon")


def test_new_settings_win_over_those_of_the_checkpoint(tmp_path: Path) -> None:
    engine = opened()
    engine.train(small_rows(), run="r", quest="a", hooks=Notes())
    engine.write(tmp_path / "made")
    notes = Notes()
    opened(engine.progress, tmp_path / "made", learning_rate=1e-5).train(small_rows(), run="r", quest="b", hooks=notes)
    assert notes.steps[0].learning_rate == pytest.approx(1e-5)


def test_a_quest_without_an_answer_is_refused_in_words() -> None:
    with pytest.raises(TrainingError, match="no row"):
        opened().train([], run="r", quest="a", hooks=Notes())


def test_effort_is_remembered() -> None:
    engine = opened()
    engine.add_effort(0.25)
    engine.add_effort(0.5)
    assert engine.train(small_rows(), run="r", quest="a", hooks=Notes()).progress.effort == 0.75


def test_it_answers_between_quests() -> None:
    engine = opened()
    engine.train(small_rows(), run="r", quest="a", hooks=Notes())
    assert len(engine.answer(["1 + 1 ="] * 3, max_new_tokens=4)) == 3


def test_the_random_state_of_the_process_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    opened()
    assert torch.equal(before, torch.get_rng_state())


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    small, large = opened(gradient_accumulation_steps=4), opened(per_device_train_batch_size=4)
    one, other = Notes(wanted={1: ["stop"]}), Notes(wanted={1: ["stop"]})
    small.train(small_rows(12), run="r", quest="a", hooks=one)
    large.train(small_rows(12), run="r", quest="a", hooks=other)
    assert one.losses == pytest.approx(other.losses, rel=1e-5)
    assert one.steps[0].tokens == other.steps[0].tokens
    assert one.steps[0].grad_norm == pytest.approx(other.steps[0].grad_norm, rel=1e-4)
