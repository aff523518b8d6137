"""grpo and rloo on a tiny hero: TRL's advantages, our samples, exact resumption, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from realm.arena.engine import Engine
from realm.arena.methods.grpo import GroupRelative
from realm.arena.rollouts import Sampler, read, require_lesson
from realm.errors import CheckpointError, NothingToLearn, TrainingError
from realm.records import Progress, Row
from tests.arena.arena_support import Notes, settings, small_hero

ROWS: list[Row] = [
    {"prompt": f"say {i}", "answer": "1", "meta": {"skill": "bin", "level": 1 + i % 2}} for i in range(24)
]
BOTH = pytest.mark.parametrize("method", ["grpo", "rloo"])


def short(_rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    """A reward that a few steps can raise: answers without letters."""
    return [1.0 - min(1.0, sum(c.isalpha() for c in answer) / 8) for answer in answers]


def opened(
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    grade: Any = short,
    dropout: float = 0.1,
    **changes: Any,
) -> Engine:
    chosen = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "num_generations": 4,
        "max_completion_length": 8,
        "warmup_steps": 0,
    }
    hero = small_hero()
    for layer in hero.model.model.layers:
        layer.self_attn.attention_dropout = dropout
    chosen = settings(**{**chosen, **changes})
    return Engine.open(hero, chosen, progress=progress or Progress(), checkpoint=checkpoint, grade=grade)


def weights(engine: Engine) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in engine.hero.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@BOTH
def test_the_reward_rises(method: str) -> None:
    engine, notes = opened(learning_rate=1e-2, num_train_epochs=4), Notes()
    result = engine.train(ROWS, run="r", quest="a", hooks=notes, method=method)
    assert (result.outcome, result.steps) == ("completed", 24)
    rewards = [step.measures["reward"] for step in notes.steps]
    assert sum(rewards[-6:]) > sum(rewards[:6]) + 0.6
    assert [step.loss for step in notes.steps] == [1 - reward for reward in rewards]
    for step in notes.steps:
        assert {"reward", "signal", "length", "cut", "entropy"} <= step.measures.keys()
        assert 0 < step.measures["signal"] <= 1 and 0 < step.measures["length"] <= 8 and step.val_loss is None
        assert 0 < step.tokens < step.input_tokens
    tokens = engine.take_level_tokens()
    assert set(tokens) == {("bin", 1), ("bin", 2)} and sum(tokens.values()) == result.tokens
    assert "forward" not in engine.hero.model.__dict__  # the model is as it was


@BOTH
@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_run_that_was_cut_goes_on_bit_for_bit(method: str, at: int, tmp_path: Path) -> None:
    whole = opened()
    whole.train(ROWS, run="r", quest="a", hooks=Notes(), method=method)
    first = opened()
    first.train(ROWS, run="r", quest="a", hooks=Notes(wanted={at: ["stop"]}, folder=tmp_path), method=method)
    torch.rand(100)  # somebody else draws in between
    second = opened(first.progress, tmp_path / str(at))
    second.train(ROWS, run="r", quest="a", hooks=Notes(), method=method)
    assert second.progress == whole.progress and same(weights(second), weights(whole))


def train_until_killed(folder: Path, at: int) -> None:
    """What the killed process does: save each step, die in the middle of the one after `at`."""

    class Mortal(Notes):
        def on_step(self, metrics: Any) -> None:
            super().on_step(metrics)
            if metrics.step == at + 1:
                os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    opened(save_steps=1).train(ROWS, run="r", quest="a", hooks=Mortal(folder=folder), method="grpo")


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with_bit_for_bit(tmp_path: Path) -> None:
    code = f"from tests.arena.test_rewards import *; train_until_killed(Path({str(tmp_path)!r}), 3)"
    died = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, timeout=300)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    assert sorted(int(folder.name) for folder in tmp_path.iterdir()) == [1, 2, 3]
    whole = opened(save_steps=1)
    notes = Notes()
    whole.train(ROWS, run="r", quest="a", hooks=notes, method="grpo")
    resumed = opened(notes.saves[2], tmp_path / "3", save_steps=1)
    resumed.train(ROWS, run="r", quest="a", hooks=Notes(), method="grpo")
    assert same(weights(resumed), weights(whole))


def test_advantages_are_those_of_the_papers() -> None:
    """GRPO: (r - mean) / (std + 1e-4) in a group (Shao et al., 2024); RLOO: r less the mean of the others."""
    for name, expected in (
        ("grpo", lambda r: (r - r.mean()) / (r.std() + 1e-4)),
        ("rloo", lambda r: r - (r.sum() - r) / (len(r) - 1)),
    ):
        engine = opened()
        method: Any = engine.method(name)
        sampler = Sampler(engine._parts, read(ROWS, engine._parts)[0], "a")
        groups = sampler.rollout(0).groups
        with method.training() as trainer:
            whole = trainer.scored(groups)
        wanted = torch.cat([expected(torch.tensor(group.rewards)) for group in groups])
        assert torch.allclose(whole["advantages"], wanted.float(), atol=1e-5)
        lengths = [len(ids) for group in groups for ids in group.answers]
        assert whole["completion_mask"].sum(-1).tolist() == lengths


def test_prompts_without_signal_are_replaced() -> None:
    """Only every third prompt can be right or wrong; the others always earn nothing."""

    def some(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
        hopeful = [int(str(row["prompt"]).split()[1]) % 3 == 0 for row in rows]
        return [float(hope and len(answer) % 2) for hope, answer in zip(hopeful, answers, strict=True)]

    for rounds, least in ((0, 0.0), (3, 0.8)):
        engine = opened(grade=some, refill_rounds=rounds)
        sampler = Sampler(engine._parts, read(ROWS, engine._parts)[0], "a")
        rollouts = [sampler.rollout(step) for step in range(sampler.steps)]
        assert all(len(rollout.groups) == sampler.prompts_per_step for rollout in rollouts)
        kept = [group.has_signal for rollout in rollouts for group in rollout.groups]
        assert sum(kept) / len(kept) >= least
        if not rounds:
            assert sum(kept) / len(kept) < 0.6
            asked = [group.prompt.row["prompt"] for rollout in rollouts for group in rollout.asked]
            assert sorted(asked) == sorted(row["prompt"] for row in ROWS)  # each once an epoch


def test_a_dry_run_comes_first() -> None:
    asked: list[int] = []

    def worth(value: float) -> Any:
        def grade(rows: Sequence[Row], _answers: Sequence[str]) -> list[float]:
            asked.append(len(rows))
            return [value] * len(rows)

        return grade

    for value, words in ((0.0, "0 of 16 sampled answers were rewarded: start lower"), (1.0, "nothing to learn")):
        asked.clear()
        engine, notes = opened(grade=worth(value)), Notes()
        before = weights(engine)
        with pytest.raises(NothingToLearn, match=words) as caught:
            engine.train(ROWS, run="r", quest="a", hooks=notes, method="grpo")
        assert caught.value.hint and asked == [16] and not notes.steps and same(before, weights(engine))


@pytest.mark.parametrize("few", [1, 3])
def test_a_quest_of_few_prompts_is_asked_more_often(few: int) -> None:
    engine, notes = opened(num_train_epochs=4), Notes()
    result = engine.train(ROWS[:few], run="r", quest="a", hooks=notes, method="grpo")
    assert result.steps == few and notes.steps[0].measures["signal"] > 0


def test_verdicts_of_a_dry_run() -> None:
    require_lesson([0.0] * 15 + [0.2])
    require_lesson([1.0] * 15 + [0.9])
    with pytest.raises(NothingToLearn):
        require_lesson([0.0] * 3)
    with pytest.raises(TrainingError, match="Nobody can grade"):
        require_lesson([])


def test_without_a_grader_it_says_who_would_grade() -> None:
    with pytest.raises(TrainingError, match="Nobody grades"):
        opened(grade=None).train(ROWS, run="r", quest="a", hooks=Notes(), method="grpo")


def test_without_a_prompt_that_fits_it_says_so() -> None:
    rows = [{"prompt": "much " * 300, "answer": "1"}]
    with pytest.raises(TrainingError, match="no prompt"):
        opened().train(rows, run="r", quest="a", hooks=Notes(), method="grpo")


def test_rows_that_nobody_can_grade_teach_nothing() -> None:
    def half(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
        odd = [int(str(row["prompt"]).split()[1]) % 2 for row in rows]
        return [float("nan") if no else worth for no, worth in zip(odd, short(rows, answers), strict=True)]

    engine = opened(grade=half, refill_rounds=0)
    sampler = Sampler(engine._parts, read(ROWS, engine._parts)[0], "a")
    groups = [group for step in range(sampler.steps) for group in sampler.rollout(step).asked]
    assert {group.has_signal for group in groups if int(group.prompt.row["prompt"].split()[1]) % 2} == {False}
    notes = Notes()
    engine.train(ROWS, run="r", quest="a", hooks=notes, method="grpo")
    assert all(0 <= step.measures["reward"] <= 1 for step in notes.steps)


def test_the_control_learns_from_coins_but_tells_the_true_reward() -> None:
    engine = opened(random_reward=True)
    sampler = Sampler(engine._parts, read(ROWS, engine._parts)[0], "a")
    groups = [group for step in range(sampler.steps) for group in sampler.rollout(step).groups]
    rewards = [reward for group in groups for reward in group.rewards]
    assert set(rewards) == {0.0, 1.0} and 0.3 < sum(rewards) / len(rewards) < 0.7
    assert [group.graded for group in sampler.rollout(0).asked] == [group.graded for group in sampler.rollout(0).asked]
    assert sampler.rollout(1).groups == sampler.rollout(1).groups


def test_one_engine_trains_by_answers_and_by_rewards_in_turn() -> None:
    engine = opened()
    shown = [{"prompt": "say", "completion": f"{i}"} for i in range(40)]
    engine.train(shown, run="r", quest="a", hooks=Notes(), method="sft")
    notes = Notes()
    engine.train(ROWS, run="r", quest="b", hooks=notes, method="grpo")
    engine.train(shown, run="r", quest="c", hooks=notes, method="sft")
    assert isinstance(engine.method("grpo"), GroupRelative) and notes.steps[-1].measures == {}
    method: Any = engine.method("grpo")
    assert not method.trainer._metrics["train"]  # nothing piles up over the life of a hero


@BOTH
def test_divergence_is_measured_from_where_the_quest_began(method: str, tmp_path: Path) -> None:
    plain, held = Notes(), Notes()
    opened(learning_rate=1e-2).train(ROWS, run="r", quest="a", hooks=plain, method=method)
    whole = opened(learning_rate=1e-2, kl_beta=1.0, dropout=0.0)
    whole.train(ROWS, run="r", quest="a", hooks=held, method=method)
    assert held.steps[0].measures["kl"] == pytest.approx(0, abs=1e-6) and held.steps[-1].measures["kl"] > 1e-4
    assert "kl" not in plain.steps[-1].measures

    first = opened(learning_rate=1e-2, kl_beta=1.0, dropout=0.0)
    first.train(ROWS, run="r", quest="a", hooks=Notes(wanted={3: ["stop"]}, folder=tmp_path), method=method)
    second = opened(first.progress, tmp_path / "3", learning_rate=1e-2, kl_beta=1.0, dropout=0.0)
    second.train(ROWS, run="r", quest="a", hooks=Notes(folder=tmp_path), method=method)
    assert same(weights(second), weights(whole))
    assert not (tmp_path / "6" / "quest_state.safetensors").exists()  # only a quest in training needs it

    (tmp_path / "3" / "quest_state.safetensors").unlink()
    lost = opened(first.progress, tmp_path / "3", learning_rate=1e-2, kl_beta=1.0, dropout=0.0)
    with pytest.raises(CheckpointError, match="quest's start"):
        lost.train(ROWS, run="r", quest="a", hooks=Notes(), method=method)
