"""Distillation really trains: towards a teacher, on the student's own answers, the same after a stop."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realm.arena.engine import Engine
from realm.arena.methods.distill import Distillation, divergences
from realm.arena.prompts import question, read_prompts, with_answer
from realm.arena.teachers import KEPT, START, Teachers
from realm.config.schema import HeroProfile
from realm.config.teacher import TeacherName
from realm.errors import CheckpointError, HeroError, RealmError, TrainingError, UsageError
from realm.guild.engine import SkillEngine
from realm.heroes.hero import LoadedHero
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows
from .local_endpoint import Behaviour, serving


def bin_rows(count: int, seed: str) -> list[dict[str, Any]]:
    problems = SkillEngine().generate_batch("bin", 1, count, seed)
    return [{"prompt": p.prompt, "completion": p.answer, "meta": {"skill": "bin", "level": 1}} for p in problems]


def distilling(**changes: Any) -> Any:
    chosen = {"method": "distill", "distill_max_new_tokens": 8, "per_device_train_batch_size": 4, "ema_decay": 0.9}
    return settings(**{**chosen, **changes})


def teachers_of(root: Path, asked: Any, **more: Any) -> Teachers:
    def nobody(named: TeacherName) -> tuple[str, Path]:
        raise CheckpointError(f"{named.text} is not there.", hint="Train it.")

    profiles = {"hatchling": HeroProfile(base_model="hatchling")}
    return Teachers(asked, profiles, models=root / "models", runs=root / "runs", **{"checkpoint": nobody, **more})


def opened(root: Path, progress: Progress | None = None, checkpoint: Path | None = None, **changes: Any) -> Engine:
    more = {key: changes.pop(key) for key in ("checkpoint_of", "tell") if key in changes}
    if "checkpoint_of" in more:
        more["checkpoint"] = more.pop("checkpoint_of")
    asked = distilling(**changes)
    teachers = teachers_of(root, asked, **more)
    hero = small_hero("student")
    return Engine.open(hero, asked, progress=progress or Progress(), checkpoint=checkpoint, teachers=teachers)


def weights(engine: Engine) -> list[torch.Tensor]:
    return [p.detach().clone() for p in engine.hero.model.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def saved(hero: LoadedHero, folder: Path) -> Path:
    hero.model.save_pretrained(folder)
    hero.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher that has seen some of BIN's first level."""
    engine = Engine.open(
        small_hero("teacher"),
        settings(per_device_train_batch_size=8, max_length=256, learning_rate=5e-3),
        progress=Progress(),
    )
    engine.train(bin_rows(700, "teacher"), run="r", quest="q", hooks=Notes())
    return saved(engine.hero, tmp_path_factory.mktemp("teachers") / "bin")


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_the_divergence_from_the_teacher_falls(tmp_path: Path, taught: Path, beta: float) -> None:
    told: list[tuple[str, str, str]] = []
    changes = {"max_length": 256, "distill_max_new_tokens": 24, "eval_steps": 2, "distill_beta": beta}
    changes |= {"per_device_train_batch_size": 1}
    engine = opened(tmp_path, teacher=str(taught), tell=lambda *t: told.append(t), **changes)
    notes = Notes()
    result = engine.train(bin_rows(160, "student"), run="run-1", quest="q", hooks=notes)
    read = [m.val_loss for m in notes.steps if m.val_loss is not None]
    assert result.outcome == "completed" and result.steps == len(notes.steps) >= 10
    assert read[-1] < 0.7 * read[0]
    assert sum(notes.losses[-3:]) < 0.8 * sum(notes.losses[:3])
    assert told == [("run-1", str(taught), "tokens")]
    assert all(m.measures["on_policy"] == 1 and 0 < m.measures["answer_tokens"] <= 24 for m in notes.steps)
    assert sum(engine.take_level_tokens().values()) == result.tokens == engine.progress.tokens
    found = engine.method("distill")
    assert isinstance(found, Distillation) and found.trainer.scorer
    assert all(p.grad is None and not p.requires_grad for p in found.trainer.scorer.model.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": "FOLDER", "gradient_accumulation_steps": 2, "distill_lmbda": 0.5, "token_weighting": "entropy"},
        {"teacher": "self", "teacher_sees_answer": True},
        {"teacher": "self:mean", "packing": False, "distill_top_p": 0.9},
    ],
)
def test_going_on_after_a_stop_is_bit_exact(tmp_path: Path, taught: Path, changes: dict[str, Any]) -> None:
    changes = {**changes, "teacher": changes["teacher"].replace("FOLDER", str(taught))}
    rows = small_rows(80)

    def begun(name: str) -> Engine:
        """A hero that has trained a quest before, so that it stands somewhere else than its mean."""
        engine = opened(tmp_path / name, **changes)
        engine.train(small_rows(20), run="run-0", quest="before", hooks=Notes(), method="sft")
        return engine

    whole, whole_notes = begun("whole"), Notes()
    whole.train(rows, run="run-1", quest="q", hooks=whole_notes)
    at = whole_notes.steps[2].step
    notes = Notes(wanted={at: ["stop"]}, folder=tmp_path / "saves")
    first = begun("halves")
    assert first.train(rows, run="run-1", quest="q", hooks=notes).outcome == "stopped"
    torch.rand(10)
    second, rest = opened(tmp_path / "halves", first.progress, tmp_path / "saves" / str(at), **changes), Notes()
    assert second.train(rows, run="run-1", quest="q", hooks=rest).outcome == "completed"
    assert notes.losses + rest.losses == whole_notes.losses and max(whole_notes.losses) > 0
    assert [m.measures for m in (notes.steps + rest.steps)] == [m.measures for m in whole_notes.steps]
    assert [m.val_loss for m in (notes.steps + rest.steps)] == [m.val_loss for m in whole_notes.steps]
    assert same(weights(second), weights(whole))
    if changes["teacher"] == "self":  # without what the run keeps, going on would mean another teacher
        shutil.rmtree(tmp_path / "halves" / "runs")
        third = opened(tmp_path / "halves", first.progress, tmp_path / "saves" / str(at), **changes)
        with pytest.raises(CheckpointError, match="began with are gone") as gone:
            third.train(rows, run="run-1", quest="q", hooks=Notes())
        assert "realm quest retry" in gone.value.hint


def test_a_hero_learns_from_how_it_answered_when_the_quest_began(tmp_path: Path) -> None:
    engine = opened(tmp_path, teacher="self", distill_lmbda=0.0)
    engine.train(small_rows(60), run="run-0", quest="before", hooks=Notes(), method="sft")
    with engine.average.applied():
        before = weights(engine)
    notes = Notes()
    engine.train(small_rows(60), run="run-1", quest="q", hooks=notes)
    found = engine.method("distill")
    assert isinstance(found, Distillation) and found.trainer.scorer
    assert same([p.detach() for p in found.trainer.scorer.model.parameters()], before)
    assert notes.losses[0] > 0  # the weights in training are not their mean
    assert (tmp_path / "runs" / "run-1" / KEPT / START).is_file()
    engine.train(small_rows(9), run="run-2", quest="other", hooks=Notes())
    assert not (tmp_path / "runs" / "run-1" / KEPT).exists()


def test_the_running_mean_teaches_in_either_precision(tmp_path: Path) -> None:
    """Casts of the weights that were swapped in must not be taken for the student's."""
    for bf16 in (False, True):
        engine = opened(tmp_path, teacher="self:mean", bf16=bf16, distill_lmbda=0.0)
        engine.train(small_rows(60), run="run-0", quest="before", hooks=Notes(), method="sft")
        notes = Notes()
        engine.train(small_rows(60), run="run-1", quest="q", hooks=notes)
        assert all(loss > 1e-5 for loss in notes.losses), bf16


def test_a_teacher_that_sees_the_answer_says_something_else(tmp_path: Path) -> None:
    plain = opened(tmp_path / "a", teacher="self", distill_lmbda=0.0, max_steps=1)
    shown = opened(tmp_path / "b", teacher="self", distill_lmbda=0.0, max_steps=1, teacher_sees_answer=True)
    first, second = Notes(), Notes()
    for engine, notes in ((plain, first), (shown, second)):
        engine.train(small_rows(20), run="r0", quest="before", hooks=Notes(), method="sft")
        engine.train(small_rows(20), run="r1", quest="q", hooks=notes)
    assert first.losses != second.losses
    assert with_answer("2+2?", "4").startswith("2+2?") and with_answer("2+2?", "4").endswith("4")  # type: ignore[union-attr]


def test_an_endpoints_text_is_learned_and_asked_for_once(tmp_path: Path) -> None:
    with serving(Behaviour(answer=lambda prompt: f" {len(prompt)}")) as server:
        changes = {"teacher": server.url, "num_train_epochs": 4, "teacher_timeout_seconds": 5}
        told: list[tuple[str, str, str]] = []
        engine, notes = opened(tmp_path, tell=lambda *t: told.append(t), **changes), Notes(folder=tmp_path / "saves")
        notes.wanted = {3: ["stop"]}
        rows = [{"prompt": row["prompt"]} for row in small_rows()]
        engine.train(rows, run="run-1", quest="q", hooks=notes)
        second = opened(tmp_path, engine.progress, tmp_path / "saves" / "3", **changes)
        rest = Notes()
        assert second.train(rows, run="run-1", quest="q", hooks=rest).outcome == "completed"
        assert told == [("run-1", server.url, "sequences")]
        asked = [body["messages"][0]["content"] for body in server.asked]
        assert len(asked) == len(set(asked)) and set(asked) == {row["prompt"] for row in rows}
        whole, whole_notes = opened(tmp_path / "whole", **changes), Notes()
        whole.train(rows, run="run-1", quest="q", hooks=whole_notes)
    assert notes.losses + rest.losses == whole_notes.losses
    assert same(weights(second), weights(whole))
    assert whole_notes.losses[-1] < 0.6 * whole_notes.losses[0]
    assert all(m.measures["on_policy"] == 0 for m in whole_notes.steps)


def test_an_endpoint_that_ends_leaves_the_hero_where_it_was(tmp_path: Path) -> None:
    with serving(Behaviour()) as server:
        engine = opened(tmp_path, teacher=f"{server.url}#little", teacher_timeout_seconds=5)
    before = weights(engine)
    with pytest.raises(TrainingError, match="cannot be reached"):
        engine.train(small_rows(), run="run-1", quest="q", hooks=Notes())
    assert same(weights(engine), before)
    assert engine.train(small_rows(), run="run-2", quest="p", hooks=Notes(), method="sft").outcome == "completed"


def test_a_quest_keeps_the_checkpoint_that_it_began_with(tmp_path: Path, taught: Path) -> None:
    best = {"id": "hatchling:other@7", "folder": shutil.copytree(taught, tmp_path / "best")}

    def checkpoint_of(named: TeacherName) -> tuple[str, Path]:
        assert (named.hero, named.campaign, named.which) == ("hatchling", "other", "")
        return str(best["id"]), Path(best["folder"])

    told: list[tuple[str, str, str]] = []
    changes = {"teacher": "Hatchling:other", "checkpoint_of": checkpoint_of}
    engine = opened(tmp_path, tell=lambda *t: told.append(t), **changes)
    notes = Notes(wanted={2: ["stop"]}, folder=tmp_path / "saves")
    engine.train(small_rows(), run="run-1", quest="q", hooks=notes)
    shutil.rmtree(tmp_path / "best")  # dropped, and another one is best now
    best |= {"id": "hatchling:other@9", "folder": saved(small_hero("another"), tmp_path / "newer")}
    second, rest = opened(tmp_path, engine.progress, tmp_path / "saves" / "2", **changes), Notes()
    second.train(small_rows(), run="run-1", quest="q", hooks=rest)
    third, again = opened(tmp_path, teacher=str(taught)), Notes()
    third.train(small_rows(), run="run-3", quest="q", hooks=again)
    assert notes.losses + rest.losses == again.losses
    fourth, newer = opened(tmp_path, **changes), Notes()
    fourth.train(small_rows(), run="run-4", quest="q", hooks=newer)
    assert newer.losses != again.losses and [who for _, who, _ in told] == ["hatchling:other@7"]


def test_a_teacher_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    other = small_hero("teacher")
    other.tokenizer.add_tokens(["<other>"])
    other.model.resize_token_embeddings(len(other.tokenizer))
    engine = opened(tmp_path, teacher=str(saved(other, tmp_path / "teacher")))
    with pytest.raises(HeroError, match="another tokenizer") as refused:
        engine.train(small_rows(), run="r", quest="q", hooks=Notes())
    assert "sequence-level" in refused.value.hint


@pytest.mark.parametrize(
    ("teacher", "kind", "words"),
    [
        ("", UsageError, "needs a teacher"),
        ("hatchlin", UsageError, "hatchlin"),
        ("hatchling:nowhere", CheckpointError, "not there"),
        ("./no/such/folder", RealmError, "not found"),
    ],
)
def test_who_is_no_teacher_is_said_with_the_next_step(
    tmp_path: Path, teacher: str, kind: type[RealmError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(kind, match=words) as wrong:
        opened(tmp_path, teacher=teacher).train(small_rows(), run="r", quest="q", hooks=Notes())
    assert wrong.value.hint


def test_without_prompts_there_is_nothing_to_distil(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no prompt"):
        opened(tmp_path, teacher="self").train([{"text": "abc"}], run="r", quest="q", hooks=Notes())
    alone = Engine.open(small_hero(), distilling(teacher="self"), progress=Progress())
    with pytest.raises(TrainingError, match="needs a teacher"):
        alone.train(small_rows(), run="r", quest="q", hooks=Notes())
    unkept = opened(tmp_path, teacher="self:mean", ema_decay=0.0)
    with pytest.raises(TrainingError, match="running mean"):
        unkept.train(small_rows(), run="r", quest="q", hooks=Notes())


def test_what_a_row_asks() -> None:
    system, user = {"role": "system", "content": "s"}, {"role": "user", "content": "u"}
    said, more = {"role": "assistant", "content": "a"}, {"role": "user", "content": "more"}
    assert question({"prompt": "p", "completion": "c"}) == ("p", "c")
    assert question({"prompt": "p", "answer": "7"}) == ("p", "7")
    assert question({"prompt": "p"}) == ("p", None)
    assert question({"prompt": [user], "completion": [said]}) == ([user], "a")
    assert question({"messages": [system, user, said]}) == ([system, user], "a")
    assert question({"messages": [user, said, more, {**said, "content": "b"}]}) == ([user, said, more], "b")
    assert question({"text": "t"}) == (None, None)
    found = read_prompts([{"prompt": "x" * n} for n in (3, 9, 20)], lambda p: [1] * len(p), max_length=10)
    assert ([len(p.ids) for p in found.train], found.unasked) == ([3, 9], 1)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9), st.floats(0.3, 3))
def test_the_divergence_is_what_its_definition_says(seed: int, beta: float, temperature: float) -> None:
    """Agarwal et al. 2024, equation 1; a vocabulary that only one side pads does not count."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(5, 7, generator=generator) * 3, torch.randn(5, 9, generator=generator) * 3
    p, q = (student / temperature).softmax(-1), (teacher[:, :7] / temperature).softmax(-1)

    def kl(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * (a.log() - b.log())).sum(-1)

    def found(beta: float) -> torch.Tensor:
        return divergences(student, teacher, distilling(distill_beta=beta, distill_temperature=temperature))

    mixture = beta * q + (1 - beta) * p
    assert torch.allclose(found(beta), beta * kl(q, mixture) + (1 - beta) * kl(p, mixture), atol=1e-4)
    assert torch.allclose(found(0.0), kl(q, p), atol=1e-4)
    assert torch.allclose(found(1.0), kl(p, q), atol=1e-4)
