from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.layers import load
from realm.config.schema import CurriculumSettings, Strategy
from realm.errors import RealmError, UsageError
from realm.guild.curriculum import Mix, SkillView, View
from realm.guild.progression import SkillState
from realm.guild.strategies import STRATEGIES, plan

NAMES = get_args(Strategy)


def at(level: int, *, skill: str = "bin", regressing: tuple[int, ...] = (), **more: object) -> SkillView:
    state = SkillState(frozenset(range(1, level + 1)), below=dict.fromkeys(regressing, 1))
    return SkillView(skill=skill, levels=30, state=state, **more)  # type: ignore[arg-type]


def mixed(strategy: str, *skills: SkillView, review: float = 0.2, **settings: object) -> Mix:
    rule = CurriculumSettings(strategy=strategy, **settings)  # type: ignore[arg-type]
    return plan(View(skills, review), rule, "seed")


def of(mix: Mix, skill: str) -> float:
    return sum(share for (name, _), share in mix.shares.items() if name == skill)


skill_views = st.builds(
    lambda mastered, lost, advice, gap, errors, priority, name: SkillView(
        skill=name,
        levels=30,
        state=SkillState(frozenset(mastered), below=dict.fromkeys(lost & mastered, 1)),
        advice=advice,
        gap=gap,
        errors=errors,
        priority=priority,
    ),
    st.sets(st.integers(1, 30)) | st.integers(0, 30).map(lambda level: set(range(1, level + 1))),
    st.sets(st.integers(1, 30), max_size=4),
    st.sampled_from(["wait", "back_off", "continue", "level_up"]),
    st.none() | st.floats(-1, 1),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=4),
    st.floats(0, 3),
    st.just("bin"),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    count = draw(st.integers(1, 3))
    skills = [draw(skill_views) for _ in range(count)]
    named = [
        SkillView(**{f: getattr(s, f) for f in s.__slots__} | {"skill": n}) for s, n in zip(skills, "abc", strict=False)
    ]
    return View(tuple(named), draw(st.floats(0, 0.7)))


@pytest.mark.parametrize("strategy", NAMES)
@given(view=views(), seed=st.text(max_size=4))
def test_every_strategy_gives_a_whole_mix_and_says_why(strategy: Strategy, view: View, seed: str) -> None:
    settings = CurriculumSettings(strategy=strategy)
    mix = plan(view, settings, seed)
    assert sum(mix.shares.values()) == pytest.approx(1)
    assert all(share > 0 and 1 <= level <= 30 for (_, level), share in mix.shares.items())
    assert mix.reason.startswith(f"Strategy {strategy}. ") and all(skill in mix.reason for skill, _ in mix.shares)
    assert mix == plan(view, settings, seed)
    assert set(mix.errors) <= {skill for skill, _ in mix.shares}
    assert mix.kind_weights == settings.kind_weights


@pytest.mark.parametrize("strategy", [name for name in NAMES if name != "uniform"])
@given(view=views(), seed=st.text(max_size=4))
def test_review_keeps_to_its_limits(strategy: Strategy, view: View, seed: str) -> None:
    mix = plan(view, CurriculumSettings(strategy=strategy), seed)
    for skill in view.skills:
        part = of(mix, skill.skill)
        held = skill.state.mastered - skill.state.regressing
        ahead = set() if skill.frontier is None else set(range(skill.frontier - 1, skill.frontier + 5))
        reviewed = {n: s for (name, n), s in mix.shares.items() if name == skill.skill and n in held - ahead}
        assert len(reviewed) <= CurriculumSettings().review_levels
        if skill.frontier is not None:
            assert sum(reviewed.values()) <= view.review_share * part + 1e-9


def test_there_is_a_function_for_every_name() -> None:
    assert tuple(STRATEGIES) == NAMES
    assert CurriculumSettings().strategy == "curriculum"
    with pytest.raises(ValueError, match="at least one skill"):
        plan(View(()), CurriculumSettings(), "s")


def test_balanced_spreads_equally_whatever_the_strain_says() -> None:
    one = mixed("balanced", at(3, advice="back_off", gap=0.9))
    assert {n: round(s, 6) for (_, n), s in one.shares.items()} == pytest.approx(
        {4: 0.8 / 3, 5: 0.8 / 3, 6: 0.8 / 3, 1: 0.2 / 3, 2: 0.2 / 3, 3: 0.2 / 3}, abs=1e-6
    )
    two = mixed("balanced", at(9, priority=5.0), at(0, skill="sy", priority=0.0))
    assert of(two, "bin") == pytest.approx(0.5) == pytest.approx(of(two, "sy"))
    assert "bin (50%): equal shares" in two.reason
    assert mixed("balanced", at(3, regressing=(2,))).shares["bin", 2] == pytest.approx(0.25)
    done = mixed("balanced", at(30), review=0.0)
    assert len(done.shares) == 6 and sum(done.shares.values()) == pytest.approx(1)


def test_a_lost_level_below_mastered_ones_is_not_counted_twice() -> None:
    hole = SkillView(skill="bin", levels=30, state=SkillState(frozenset({1, 2, 4, 5}), below={5: 1}))
    shares = mixed("balanced", hole).shares
    assert shares["bin", 5] == pytest.approx(0.25) and shares["bin", 3] == pytest.approx(0.55)


def test_focus_is_on_one_skill_and_on_what_is_ahead() -> None:
    mix = mixed("focus", at(3, priority=1.0), at(1, skill="sy", priority=2.0))
    assert {skill for skill, _ in mix.shares} == {"sy"} and "bin rests" in mix.reason
    assert min(level for _, level in mix.shares) == 2
    assert {skill for skill, _ in mixed("focus", at(3), at(1, skill="sy"), focus_skill="sy").shares} == {"sy"}
    alone = mixed("focus", at(3))
    assert {level for _, level in alone.shares} == {4, 5, 6} and "Nothing is reviewed" in alone.reason
    assert mixed("focus", at(3, regressing=(1,))).shares["bin", 1] == pytest.approx(0.25)
    assert len(mixed("focus", at(30)).shares) == 6
    with pytest.raises(UsageError, match=r"focus_skill: There is no skill in focus named 'bim'") as wrong:
        mixed("focus", at(3), focus_skill="bim")
    assert "'bin'" in wrong.value.hint


def test_weighted_goes_by_the_settings_and_not_by_the_hero() -> None:
    two = [at(3, priority=9.0), at(1, skill="sy", priority=0.0)]
    assert of(mixed("weighted", *two), "bin") == pytest.approx(0.5)
    assert of(mixed("weighted", *two, skill_weights={"bin": 3}), "bin") == pytest.approx(0.75)
    assert of(mixed("weighted", *two, skill_weights={"bin": 0}), "bin") == 0
    levels = mixed("weighted", at(3), skill_weights={"bin/2": 1, "bin/7": 3, "bin/9": 0})
    assert levels.shares == {("bin", 2): 0.25, ("bin", 7): 0.75}
    assert "levels 2, 7 by the weights" in levels.reason
    with pytest.raises(UsageError, match="leaves no skill in focus any weight"):
        mixed("weighted", at(3), skill_weights={"bin": 0})
    with pytest.raises(UsageError, match="bin/31, which does not exist"):
        mixed("weighted", at(3), skill_weights={"bin/31": 1})


def test_lowest_first_serves_the_skill_that_stands_lowest_and_there_what_is_lost() -> None:
    mix = mixed("lowest_first", at(5), at(2, skill="sy"), at(2, skill="third"))
    assert {skill for skill, _ in mix.shares} == {"sy"} and "sy stands lowest, at level 2" in mix.reason
    assert {skill for skill, _ in mixed("lowest_first", at(30), at(29, skill="sy", regressing=())).shares} == {"sy"}
    lost = mixed("lowest_first", at(5, regressing=(1, 2)))
    assert lost.shares["bin", 1] + lost.shares["bin", 2] == pytest.approx(0.8)
    assert ("bin", 6) not in lost.shares
    assert ("bin", 6) in mixed("lowest_first", at(5)).shares
    done = SkillView(skill="sy", levels=2, state=SkillState(frozenset({1, 2})))
    assert {skill for skill, _ in mixed("lowest_first", done, at(7)).shares} == {"bin"}


def test_uniform_looks_at_nothing() -> None:
    mix = mixed("uniform", at(9, errors={"carry": 0.9}, advice="back_off", regressing=(1,)))
    assert mix.shares == {("bin", n): pytest.approx(0.2) for n in range(1, 6)}
    assert not mix.errors
    two = mixed("uniform", at(9), SkillView(skill="sy", levels=4), uniform_levels=(3, 6))
    assert two.shares["bin", 6] == pytest.approx(0.125) and two.shares["sy", 4] == pytest.approx(0.25)
    with pytest.raises(UsageError, match="begins at 7, and sy ends at level 4"):
        mixed("uniform", SkillView(skill="sy", levels=4), uniform_levels=(7, 9))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("curriculum.strategy=ballanced", "the nearest is 'balanced'"),
        ("curriculum.strategy=zzz", "there is no such strategy; curriculum, balanced, focus"),
        ("curriculum.uniform_levels=[5, 2]", "the first level, 5, is above the last, 2"),
        ("curriculum.skill_weights={'bin/0' = 1}", "'bin/0' is neither a skill"),
        ("curriculum.skill_weights={bin = -1}", "greater than or equal to 0"),
    ],
)
def test_mistakes_in_the_settings_are_said(given: str, said: str) -> None:
    with pytest.raises(RealmError) as wrong:
        load(overrides=[given], env={})
    assert said in wrong.value.message + wrong.value.hint
