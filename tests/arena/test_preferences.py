"""dpo, kto and orpo: what they promise moves, the numbers are the papers', and going on is exact."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from realm.arena.engine import Engine
from realm.arena.methods import Parts, methods
from realm.arena.packing import Plan
from realm.arena.preferences import Pairs, both, last_runs, partners, read, single
from realm.errors import CheckpointError, NonFinite, TrainingError
from realm.heroes.chat import Rendered
from realm.records import Progress, StepMetrics

from .arena_support import Notes, settings, small_hero

CHOSEN: dict[str, Any] = {"per_device_train_batch_size": 4, "preference_learning_rate_share": 1.0, "eval_fraction": 0.2}


def pairs(count: int = 40) -> list[dict[str, Any]]:
    return [{"prompt": f"{i}?", "chosen": f"yes {i % 7}", "rejected": f"{i % 5} no"} for i in range(count)]


def labelled(count: int = 40) -> list[dict[str, Any]]:
    texts = {True: "yes {}", False: "{} no"}
    return [{"prompt": f"{i}?", "completion": texts[i % 2 == 0].format(i % 7), "label": i % 2 == 0}
            for i in range(count)]  # fmt: skip


ROWS = {"dpo": pairs, "orpo": pairs, "kto": labelled}


def opened(progress: Progress | None = None, checkpoint: Path | None = None, **changes: Any) -> Engine:
    given = settings(**{**CHOSEN, **changes})
    return Engine.open(small_hero(), given, progress=progress or Progress(), checkpoint=checkpoint)


def weights(engine: Engine) -> list[torch.Tensor]:
    return [p.detach().clone() for p in engine.hero.model.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("method", ROWS)
def test_what_a_method_promises_moves_on_held_out_rows(method: str) -> None:
    engine, notes = opened(eval_steps=2), Notes()
    result = engine.train(ROWS[method](60), run="r", quest="a", hooks=notes, method=method)
    told = [m.measures for m in notes.steps if "val_margin" in m.measures]
    assert result.outcome == "completed" and len(told) >= 3
    assert told[-1]["val_margin"] > told[0]["val_margin"] + 0.05
    assert result.loss_last < result.loss_first
    losses = [m.val_loss for m in notes.steps if m.val_loss is not None]
    assert losses[-1] < losses[0] and result.val_loss == losses[-1]
    if method != "kto":
        assert told[-1]["val_accuracy"] > 0.9
    assert all("margin" in m.measures or method == "kto" for m in notes.steps)
    assert engine.progress.tokens == sum(m.tokens for m in notes.steps) > 0


def test_at_the_start_policy_and_reference_agree() -> None:
    notes = Notes()
    opened(beta=0.5).train(pairs(), run="r", quest="a", hooks=notes, method="dpo")
    assert notes.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert abs(notes.steps[0].measures["margin"]) < 1e-4 < notes.steps[-1].measures["margin"]


def test_the_loss_of_dpo_is_that_of_the_paper() -> None:
    """-log sigmoid(beta * ((log p_w - log ref_w) - (log p_l - log ref_l))), equation 7, from plain logits."""
    rows, engine = pairs(9), opened(eval_fraction=0.0, beta=0.3, gradient_accumulation_steps=3, max_steps=1)
    other = small_hero("1")
    before = [summed(other, row) for row in rows]
    with torch.no_grad():  # the reference is another policy, so that the loss is not ln 2
        for mine, theirs in zip(engine.hero.model.parameters(), other.model.parameters(), strict=True):
            mine.copy_(theirs)
    course: Any = engine.method("dpo").course(rows, seed="s")
    course.begin(None, lambda: None)
    fresh = small_hero("2")
    with torch.no_grad():
        for mine, theirs in zip(engine.hero.model.parameters(), fresh.model.parameters(), strict=True):
            mine.copy_(theirs)
    now = [summed(fresh, row) for row in rows]
    batches = list(course.batches())
    trainer = course._trainer
    with course._method.scoring(), torch.no_grad():
        losses = [float(trainer.compute_loss(trainer.model, batch[0])) for batch in batches]
    margins = [
        0.3 * ((now_w - ref_w) - (now_l - ref_l)) for (now_w, now_l), (ref_w, ref_l) in zip(now, before, strict=True)
    ]
    expected = -F.logsigmoid(torch.tensor(margins)).mean()
    sizes = [len(batch[0]["input_ids"]) / 2 for batch in batches]
    assert sum(sizes) == 9
    assert np.average(losses, weights=sizes) == pytest.approx(float(expected), rel=1e-4)


def summed(hero: Any, row: dict[str, Any]) -> tuple[float, ...]:
    """Log-probabilities of both answers from the whole logits."""
    found = []
    for side in ("chosen", "rejected"):
        rendered = hero.family.render(hero.tokenizer, {"prompt": row["prompt"], "completion": row[side]})
        ids = torch.tensor([rendered.token_ids])
        with torch.no_grad():
            shares = hero.model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        each = shares.gather(-1, ids[0, 1:, None])[:, 0]
        found.append(float(each[torch.tensor(rendered.trained[1:])].sum()))
    return tuple(found)


def test_orpo_trains_on_no_token_of_the_question() -> None:
    """Equation 6: the chosen answer's own loss plus beta times the odds' one, from plain logits."""
    row, engine = pairs(1)[0], opened(eval_fraction=0.0, beta=0.2)
    hero = small_hero()
    course: Any = engine.method("orpo").course([row], seed="s")
    ((part,),) = course.batches()
    with course._method.scoring() as trainer, torch.no_grad():
        loss = float(trainer.compute_loss(trainer.model, part))
    lengths = part["completion_mask"].sum(1).tolist()
    chosen, rejected = (total / n for total, n in zip(summed(hero, row), lengths, strict=True))
    odds = (chosen - rejected) - (math.log1p(-math.exp(chosen)) - math.log1p(-math.exp(rejected)))
    assert loss == pytest.approx(-chosen - 0.2 * float(F.logsigmoid(torch.tensor(odds))), rel=1e-4)


def test_nothing_of_a_method_stays_with_the_model() -> None:
    engine = opened()
    dropout = torch.nn.Dropout(0.25)
    engine.hero.model.model.extra = dropout
    state = torch.get_rng_state()
    for method in ROWS:
        engine.method(method)
    assert torch.equal(torch.get_rng_state(), state)
    for method, rows in ROWS.items():
        engine.train(rows(12), run="r", quest=method, hooks=Notes(), method=method)
        assert "forward" not in engine.hero.model.__dict__ and dropout.p == 0.25
    assert engine.hero.model.config.use_cache is True
    rows = [{"prompt": f"{i}", "completion": "ok"} for i in range(20)]
    notes = Notes()
    engine.train(rows, run="r", quest="s", hooks=notes, method="sft")
    assert notes.steps[0].learning_rate == pytest.approx(3e-3) and notes.steps[0].measures == {}


def test_preferences_train_with_a_share_of_the_learning_rate() -> None:
    engine = opened(preference_learning_rate_share=0.1, warmup_steps=0)
    for quest, method, rate in (("a", "dpo", 3e-4), ("b", "sft", 3e-3), ("c", "kto", 3e-4)):
        notes = Notes()
        rows = ROWS.get(method, lambda: [{"prompt": str(i), "completion": "ok"} for i in range(30)])()
        engine.train(rows, run="r", quest=quest, hooks=notes, method=method)
        assert [m.learning_rate for m in notes.steps] == pytest.approx([rate] * len(notes.steps))


# -- going on ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("method", "optim"), [("dpo", "adamw"), ("dpo", "muon"), ("kto", "adamw"), ("orpo", "adamw")])
def test_going_on_after_a_stop_is_bit_exact(tmp_path: Path, method: str, optim: str) -> None:
    chosen: dict[str, Any] = {"optim": optim, "num_train_epochs": 1.5, "gradient_accumulation_steps": 2}
    chosen |= {"eval_steps": 2, "ema_decay": 0.9 if optim == "muon" else 0.0}
    rows, warm_up = ROWS[method](), [{"prompt": str(i), "completion": "ok"} for i in range(30)]
    whole, whole_notes = opened(**chosen), Notes()
    whole.train(warm_up, run="r", quest="w", hooks=Notes())
    whole.train(rows, run="r", quest="b", hooks=whole_notes, method=method)
    assert len(whole_notes.steps) >= 4

    first = opened(**chosen)
    first.train(warm_up, run="r", quest="w", hooks=Notes())
    at = first.progress.step + 2
    notes = Notes(wanted={at: ["stop"]}, folder=tmp_path)
    assert first.train(rows, run="r", quest="b", hooks=notes, method=method).outcome == "stopped"
    assert (tmp_path / str(at) / "quest_state.safetensors").is_file() == (method != "orpo")

    second, rest = opened(first.progress, tmp_path / str(at), **chosen), Notes(folder=tmp_path)
    second.train(rows, run="r2", quest="b", hooks=rest, method=method)
    assert notes.losses + rest.losses == whole_notes.losses
    assert [m.measures for m in notes.steps + rest.steps] == [m.measures for m in whole_notes.steps]
    assert [m.val_loss for m in notes.steps + rest.steps] == [m.val_loss for m in whole_notes.steps]
    assert same(weights(second), weights(whole))
    assert not (tmp_path / str(second.progress.step) / "quest_state.safetensors").exists(), "the quest has ended"


def test_a_warm_engine_goes_on_against_the_same_reference() -> None:
    whole, halves = opened(), opened()
    whole.train(pairs(), run="r", quest="a", hooks=Notes(), method="dpo")
    halves.train(pairs(), run="r", quest="a", hooks=Notes(wanted={3: ["stop"]}), method="dpo")
    halves.train(pairs(), run="r", quest="a", hooks=Notes(), method="dpo")
    assert same(weights(whole), weights(halves))
    # a second quest has a reference of its own: what stands at its start
    notes = Notes()
    whole.train(pairs(), run="r", quest="b", hooks=notes, method="dpo")
    assert notes.losses[0] == pytest.approx(math.log(2), abs=1e-4)


def stopped(tmp_path: Path) -> tuple[Progress, Path]:
    engine, notes = opened(), Notes(wanted={3: ["stop"]}, folder=tmp_path)
    engine.train(pairs(), run="r", quest="a", hooks=notes, method="dpo")
    return engine.progress, tmp_path / "3"


def test_a_checkpoint_without_the_reference_is_refused(tmp_path: Path) -> None:
    progress, folder = stopped(tmp_path)
    (folder / "quest_state.safetensors").unlink()
    with pytest.raises(CheckpointError, match="does not hold what its method remembers") as caught:
        opened(progress, folder).train(pairs(), run="r", quest="a", hooks=Notes(), method="dpo")
    assert "realm quest retry" in caught.value.hint


@pytest.mark.parametrize(("rows", "method"), [(pairs(41), "dpo"), (pairs(40), "kto")])
def test_a_reference_of_other_rows_is_refused(rows: list[dict[str, Any]], method: str, tmp_path: Path) -> None:
    progress, folder = stopped(tmp_path)
    with pytest.raises(CheckpointError, match="of other rows, or of another method"):
        opened(progress, folder).train(rows, run="r", quest="a", hooks=Notes(), method=method)


class Dead(Exception):
    """The process is gone."""


def test_an_end_at_any_step_leads_to_the_same_weights(tmp_path: Path) -> None:
    """Whatever ends a run, nothing but the newest checkpoint is left of it."""
    whole = opened(num_train_epochs=2.0)
    steps = whole.train(pairs(), run="r", quest="a", hooks=Notes(), method="dpo").steps
    ends = sorted(np.random.default_rng(7).choice(np.arange(2, steps), 5, replace=False).tolist())

    class Dying(Notes):
        def on_step(self, metrics: StepMetrics) -> None:
            super().on_step(metrics)
            if ends and metrics.step == ends[0]:
                raise Dead(ends.pop(0))

    progress, checkpoint, lives = Progress(), None, 0
    while not progress.quest_done or not progress.step:
        engine, notes = opened(progress, checkpoint, num_train_epochs=2.0, save_steps=3), Dying(folder=tmp_path)
        with suppress(Dead):
            engine.train(pairs(), run="r", quest="a", hooks=notes, method="dpo")
        lives += 1
        if notes.saves:
            progress, checkpoint = notes.saves[-1], tmp_path / str(notes.saves[-1].step)
    assert lives == 6 and progress.step == steps
    assert same(weights(opened(progress, checkpoint)), weights(whole))


KILLED = """
import json, sys
from pathlib import Path
from realm.arena.engine import Engine
from realm.records import Progress
from tests.arena.test_preferences import opened, pairs
from tests.arena.arena_support import Notes
import torch

torch.set_num_threads(1)
folder = Path(sys.argv[1])

class Saving(Notes):
    def save(self, engine):
        made = folder / f"{engine.progress.step:04d}"
        engine.write(made)
        (made / "progress.json").write_text(json.dumps(engine.progress.as_json()))
        (made / "sealed").touch()
        print(engine.progress.step, flush=True)

sealed = sorted(found.parent for found in folder.glob("*/sealed"))
progress = Progress(**json.loads((sealed[-1] / "progress.json").read_text())) if sealed else Progress()
engine = opened(progress, sealed[-1] if sealed else None, save_steps=1, num_train_epochs=4.0)
engine.train(pairs(), run="r", quest="a", hooks=Saving(), method="dpo")
"""


@pytest.mark.slow
def test_kill_9_at_any_step_of_dpo_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = opened(num_train_epochs=4.0)
    steps = whole.train(pairs(), run="r", quest="a", hooks=Notes(), method="dpo").steps
    kills = sorted(np.random.default_rng(7).choice(np.arange(1, steps), 2, replace=False).tolist())
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for kill in [*kills, None]:
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout
        for line in process.stdout:
            if kill is not None and int(line) >= kill:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait() == (0 if kill is None else -signal.SIGKILL)
    newest = max(found.parent for found in tmp_path.glob("*/sealed"))
    progress = Progress(**json.loads((newest / "progress.json").read_text()))
    assert progress.quest_done and progress.step == steps
    assert same(weights(opened(progress, newest)), weights(whole))


# -- bad input ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "row", "words"),
    [
        ("dpo", {"prompt": "a", "completion": "b"}, "A row has prompt, completion; pairs are trained on"),
        ("orpo", {"text": "a"}, "A row has text; pairs are trained on"),
        ("dpo", {"chosen": "a", "rejected": "b"}, "A row has chosen, rejected; pairs are trained on prompt"),
        ("kto", {"prompt": "a", "completion": "b", "label": "good"}, "kto trains on prompt, completion and label"),
    ],
)
def test_rows_of_another_method_are_refused_in_words(method: str, row: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        opened().train([row], run="r", quest="a", hooks=Notes(), method=method)
    assert caught.value.hint


def test_a_quest_without_an_answer_in_reach_is_refused_in_words() -> None:
    with pytest.raises(TrainingError, match="no row with answers"):
        opened().train([{**pairs(1)[0], "prompt": "x" * 200}], run="r", quest="a", hooks=Notes(), method="dpo")


def test_kto_wants_answers_to_compare_in_a_batch() -> None:
    with pytest.raises(TrainingError, match="per_device_train_batch_size is 1"):
        opened(per_device_train_batch_size=1).method("kto")


@pytest.mark.parametrize("method", ROWS)
def test_a_number_that_is_none_ends_the_run_before_the_update(method: str) -> None:
    engine, notes = opened(save_steps=1), Notes()

    def spoil(_: Any, __: Any, found: torch.Tensor) -> torch.Tensor:
        return found * float("nan") if notes.last_step == 2 else found

    engine.hero.model.model.norm.register_forward_hook(spoil)
    with pytest.raises(NonFinite, match="at step 3"):
        engine.train(ROWS[method](), run="r", quest="a", hooks=notes, method=method)
    assert [p.step for p in notes.saves] == [1, 2]
    assert all(torch.isfinite(p).all() for p in engine.hero.model.parameters())


def test_a_stop_before_the_first_step_takes_no_reference() -> None:
    notes = Notes(wanted={0: ["stop"]})
    result = opened().train(pairs(), run="r", quest="a", hooks=notes, method="dpo")
    assert (result.outcome, result.steps, notes.saves) == ("stopped", 0, [])


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks by the old name
def test_of_an_adapter_no_second_copy_is_made() -> None:
    from peft import LoraConfig, get_peft_model

    hero = small_hero()
    model = get_peft_model(hero.model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    render = lambda rows: hero.family.render_all(hero.tokenizer, rows)  # noqa: E731
    method: Any = methods.get("dpo")(Parts(model, hero.tokenizer, optimizer, scheduler, settings(**CHOSEN), render))
    assert list(model.peft_config) == ["default"]
    course = method.course(pairs(8), seed="s")
    course.begin(None, lambda: None)
    with method.scoring() as trainer, torch.no_grad():
        ((part, *_), *_) = course.batches()
        assert float(trainer.compute_loss(model, part)) == pytest.approx(math.log(2), abs=1e-5), "with the adapter"


# -- rules -------------------------------------------------------------------------------------------------------
@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4))
def test_only_the_last_runs_are_trained(marks: list[bool], count: int) -> None:
    kept = last_runs(marks, count)
    runs = lambda found: [len(run) for run in "".join("x" if m else " " for m in found).split()]  # noqa: E731
    assert runs(kept) == runs(marks)[-count:]
    assert all(mark or not found for mark, found in zip(marks, kept, strict=True))


@given(st.lists(st.integers(2, 30), min_size=2, max_size=40), st.integers(2, 5))
def test_each_answer_meets_another_question_of_its_batch(lengths: list[int], batch: int) -> None:
    plan = Plan(np.array(lengths), seed="s", batch_rows=batch, max_length=32, packing=False)
    found = partners(plan, len(lengths))
    assert all(found[i] != i for i in range(len(lengths)))
    for index in range(plan.batches):
        members = plan.batch(index).members
        if len(members) > 1:
            assert set(found[members]) == set(members), "what is compared is the batch's own answers"


def marked(rows: Any) -> list[Rendered]:
    return [Rendered([*map(ord, r["prompt"] + r["completion"])],
                     [False] * len(r["prompt"]) + [True] * len(r["completion"])) for r in rows]  # fmt: skip


@given(st.integers(0, 60), st.integers(4, 12))
def test_both_answers_of_a_row_share_its_fate(count: int, max_length: int) -> None:
    rows = [{"prompt": "xyz"[i % 3] * (i % 9 + 1), "chosen": "y" * (i % 4 + 1), "rejected": "z"} for i in range(count)]
    found = read(rows, both, marked, max_length=max_length, eval_fraction=0.3)
    kept = sum(len(row["prompt"]) < max_length for row in rows)
    assert len(found.train.examples) + len(found.held_out.examples) == 2 * kept
    assert found.untrained == count - kept
    questions = [{tuple(ids[~marks]) for ids, marks in map(side.sequence, range(len(side.examples)))}
                 for side in (found.train, found.held_out)]  # fmt: skip
    assert not questions[0] & questions[1], "no question is on both sides"
    for side in (found.train, found.held_out):
        assert side.wanted.tolist() == [True, False] * (len(side.examples) // 2)
        assert len(Pairs(side)) * 2 == len(side.examples)


def test_kto_takes_pairs_apart() -> None:
    assert [wanted for _, wanted in single(pairs(1)[0])] == [True, False]
    assert single(labelled(2)[1])[0][1] is False
