"""The engine: fixed examinations, exact scores, a door to skills by name."""

from __future__ import annotations

import pytest

from realm.errors import UsageError
from realm.guild.engine import SkillEngine
from realm.guild.skill import side_of
from realm.registry import Registry

ENGINE = SkillEngine()


@pytest.mark.parametrize(("level", "least"), [(1, 60), (2, 100), (3, 100), (8, 100), (30, 100)])
def test_an_examination_is_fixed_different_held_out_and_full_where_the_space_is_large(level: int, least: int) -> None:
    problems = ENGINE.generate_eval_batch("bin", level)
    assert problems == SkillEngine().generate_eval_batch("bin", level)
    assert least <= len(problems) == len({p.content for p in problems}) <= 100
    assert all(side_of(p.content) == "exam" and p.level == level for p in problems)


def test_an_examination_keeps_to_the_mix() -> None:
    for level in (2, 8, 30):
        problems = ENGINE.generate_eval_batch("bin", level)
        for kind, share in ENGINE.get("bin").mix(level).items():
            assert sum(p.meta["difficulty"] == kind for p in problems) == round(100 * share)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_small_space_does_not_push_the_examination_towards_the_forms_with_many_variants(level: int) -> None:
    """Level 1 holds some twenty held-out computations and hundreds of held-out pairs of equations."""
    forms = [p.form for p in ENGINE.generate_eval_batch("bin", level)]
    assert forms.count("compute") >= (1 - ENGINE.get("bin").spec.auxiliary_share - 0.1) * len(forms)  # type: ignore[attr-defined]


def test_a_space_that_is_used_up_gives_what_there_is() -> None:
    problems = ENGINE.generate_eval_batch("bin", 1, count=5000)
    assert 300 < len(problems) < 5000
    assert len({p.content for p in problems}) == len(problems)


def test_examinations_of_other_names_differ() -> None:
    one, two = (ENGINE.generate_eval_batch("bin", 10, seed=seed) for seed in ("exam", "second"))
    assert len({p.content for p in one} & {p.content for p in two}) < 10


def test_changing_the_returned_list_changes_no_examination() -> None:
    ENGINE.generate_eval_batch("bin", 2).clear()
    assert len(ENGINE.generate_eval_batch("bin", 2)) == 100


def test_batches_are_named_not_counted() -> None:
    batch = ENGINE.generate_batch("bin", 5, 20, "practice-1")
    assert batch[:10] == ENGINE.generate_batch("bin", 5, 10, "practice-1")
    assert not {p.prompt for p in batch} & {p.prompt for p in ENGINE.generate_batch("bin", 9, 20, "practice-1")}
    assert all(side_of(p.content) == "train" for p in batch)


def test_scores_add_up() -> None:
    problems = ENGINE.generate_eval_batch("bin", 3)
    right = {p.prompt: p.answer for p in problems[:60]}
    result = ENGINE.run_eval("bin", 3, lambda prompts: [right.get(prompt, "") for prompt in prompts])
    assert (result.n, result.correct, result.accuracy, result.mean_value) == (100, 60, 0.6, 0.6)
    assert sum(n for _, n in result.per_difficulty.values()) == 100
    assert sum(c for c, _ in result.per_difficulty.values()) == 60
    for name, (correct, n) in result.per_primitive.items():
        asked = [p for p in problems if name in p.primitives]
        assert (correct, n) == (sum(p.prompt in right for p in asked), len(asked))
    assert [score.correct for score in result.scores] == [p.prompt in right for p in problems]


def test_no_problem_is_no_accuracy() -> None:
    result = ENGINE.score_eval([], [])
    assert (result.n, result.accuracy, result.mean_value, result.scores) == (0, 0.0, 0.0, ())


def test_a_missing_response_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="100 problems were asked and 99 responses came"):
        ENGINE.run_eval("bin", 2, lambda prompts: [""] * (len(prompts) - 1))


def test_an_unknown_skill_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        ENGINE.get("bim")
    assert "bin" in caught.value.hint


def test_health_is_said_for_each_skill() -> None:
    assert ENGINE.health() == {name: "ok" for name in ENGINE.names()}
    assert SkillEngine(Registry("skill")).health() == {}
