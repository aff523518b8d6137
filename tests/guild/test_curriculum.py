from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import CurriculumSettings
from realm.guild.curriculum import Mix, SkillView, View, plan
from realm.guild.progression import SkillState

SETTINGS = CurriculumSettings()


def at(level: int, *, regressing: tuple[int, ...] = (), skill: str = "bin", **more: object) -> SkillView:
    state = SkillState(frozenset(range(1, level + 1)), below=dict.fromkeys(regressing, 1))
    return SkillView(skill=skill, levels=30, state=state, **more)  # type: ignore[arg-type]


def mixed(*skills: SkillView, seed: str = "s", review: float = 0.2, settings: CurriculumSettings = SETTINGS) -> Mix:
    return plan(View(skills, review), settings, seed)


def above(mix: Mix, frontier: int) -> float:
    return sum(share for (_, level), share in mix.shares.items() if level > frontier)


views = st.builds(
    lambda level, lost, advice, gap, errors: at(
        level, regressing=tuple(n for n in lost if n <= level), advice=advice, gap=gap, errors=errors
    ),
    st.integers(0, 30),
    st.sets(st.integers(1, 30), max_size=3),
    st.sampled_from(["wait", "back_off", "continue", "level_up"]),
    st.none() | st.floats(-1, 1),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=4),
)


@given(views, st.floats(0, 1), st.text(max_size=5))
def test_every_plan_is_whole_and_says_why(view: SkillView, review: float, seed: str) -> None:
    mix = mixed(view, review=review, seed=seed)
    assert sum(mix.shares.values()) == pytest.approx(1)
    assert all(share > 0 and 1 <= level <= 30 for (_, level), share in mix.shares.items())
    assert mix.reason and mix == mixed(view, review=review, seed=seed)
    if view.frontier is not None and review < 0.7:
        assert ("bin", view.frontier) in mix.shares


def test_a_new_hero_reaches_above_the_frontier() -> None:
    mix = mixed(at(0))
    assert [level for _, level in mix.shares] == [1, 2, 3]
    assert above(mix, 1) > 0.5


def test_practice_holds_the_level_below_and_review() -> None:
    mix = mixed(at(3))
    assert {level for _, level in mix.shares} == {1, 2, 3, 4, 5, 6}
    assert mix.shares["bin", 3] > mix.shares["bin", 2] == pytest.approx(0.2 / 3)


def test_the_weights_are_those_of_the_settings() -> None:
    assert list(mixed(at(0)).shares.values()) == pytest.approx([0.35, 0.4, 0.25])
    narrow = CurriculumSettings(levels_above=3, level_weights=(3.0, 1.0))
    assert list(mixed(at(0), settings=narrow).shares.values()) == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert mixed(at(0)).kind_weights == SETTINGS.kind_weights


def test_a_wide_gap_widens_and_says_so() -> None:
    wide = mixed(at(0, gap=0.4))
    assert above(wide, 1) > above(mixed(at(0, gap=0.1)), 1)
    assert max(level for _, level in wide.shares) == 4
    assert "0.40 above held-out" in wide.reason


def test_overload_backs_off_but_not_from_a_memorised_space() -> None:
    hard = mixed(at(4, advice="back_off"))
    assert above(hard, 5) < above(mixed(at(4)), 5)
    assert hard.shares["bin", 4] > mixed(at(4)).shares["bin", 4]
    assert "backs off" in hard.reason
    assert "widens" in mixed(at(4, advice="back_off", gap=0.5)).reason


def test_settled_recovery_reaches_further() -> None:
    mix = mixed(at(2, advice="level_up"))
    assert max(level for _, level in mix.shares) == 6
    assert "one level further" in mix.reason


def test_regression_raises_the_share_of_the_level() -> None:
    mix = mixed(at(3, regressing=(1,)))
    assert mix.shares["bin", 1] == pytest.approx(0.25)
    assert "level 1 regressed" in mix.reason


def test_nothing_left_to_learn_is_kept() -> None:
    mix = mixed(at(30, regressing=(7,)))
    assert mix.shares["bin", 7] == pytest.approx(0.25)
    assert len(mix.shares) == SETTINGS.review_levels + 1
    assert set(mixed(at(30), review=0.0).shares) != set()


def test_the_seed_picks_the_reviewed_levels() -> None:
    assert set(mixed(at(20), seed="a").shares) != set(mixed(at(20), seed="b").shares)


def test_skills_share_by_priority() -> None:
    mix = mixed(at(0, priority=3.0), at(0, skill="sy", priority=1.0))
    assert sum(share for (skill, _), share in mix.shares.items() if skill == "bin") == pytest.approx(0.75)
    assert "bin (75%)" in mix.reason and "sy (25%)" in mix.reason
    resting = mixed(at(0), at(0, skill="sy", priority=0.0))
    assert {skill for skill, _ in resting.shares} == {"bin"}
    assert len({skill for skill, _ in mixed(at(0, priority=0.0), at(0, skill="sy", priority=0.0)).shares}) == 2


def test_the_mix_tells_what_fails() -> None:
    errors = {"carry": 0.1, "borrow": 0.5, "compare": 0.3, "parity": 0.2}
    mix = mixed(at(0, errors=errors))
    assert mix.errors == {"bin": errors} and mix.error_floor == SETTINGS.error_floor
    assert "borrow 50% wrong, compare 30% wrong, parity 20% wrong" in mix.reason
    assert mixed(at(0)).errors == {}


def test_a_plan_needs_a_skill() -> None:
    with pytest.raises(ValueError, match="at least one skill"):
        mixed()


def test_the_leading_cell_and_the_wire() -> None:
    mix = mixed(at(0, priority=1.0), settings=CurriculumSettings(levels_above=1, level_weights=(1.0, 0.5)))
    assert mix.leading == ("bin", 1)
    assert mix.as_json() == {"bin/1": 0.666667, "bin/2": 0.333333}
