"""What the page says about skills."""

from realm.guild import titles
from realm.guild.evidence import Evidence
from realm.guild.progression import SkillState
from realm.guild.tables import Transition
from realm.tavern.skill_view import SkillReader, chart_levels, mastered_at, mix_role, rung_state
from tests.tavern.demo import Demo


def test_rungs() -> None:
    state = SkillState(mastered=frozenset({1, 2}), below={2: 1})
    assert [rung_state(n, state) for n in (1, 2, 3, 4)] == ["mastered", "slipping", "frontier", "ahead"]


def test_what_a_level_was_for_is_judged_by_what_was_mastered_then() -> None:
    moves = [Transition("bin", n, kind, step, 0, None, 0.0)
             for n, kind, step in ((1, "gained", 10), (2, "gained", 20), (2, "lost", 30))]  # fmt: skip
    assert mastered_at(moves, 9) == frozenset()
    assert mastered_at(moves, 20) == {1, 2}
    assert mastered_at(moves, 99) == {1}
    assert [mix_role(n, frozenset({1, 2, 3})) for n in (4, 6, 3, 1)] == ["frontier", "above", "below", "review"]


def test_the_chart_holds_the_levels_nearest_to_the_frontier() -> None:
    assert chart_levels(dict.fromkeys(range(1, 31)), 20) == list(range(17, 24))
    assert chart_levels({}, 1) == []


def test_a_skill_as_told(told: Demo) -> None:
    reader = SkillReader(told.guild, told.key, told.settings, titles.load(), Evidence(told.db))
    skill = reader.skills(told.guild.bests(told.key))[0]
    assert skill.title == "Practitioner of Binary arithmetic"
    assert skill.best_level >= skill.level
    assert skill.level == told.guild.levels(told.key)["bin"] >= 3
    assert len(skill.rungs) == skill.levels == 30
    assert skill.exam is not None and skill.exam.low <= skill.exam.accuracy <= skill.exam.high
    assert [p.accuracy for p in skill.weakest] == sorted(p.accuracy for p in skill.primitives)[:3]
    assert all(p.about and len(p.history) > 3 and all(0 <= a <= 1 for a in p.history) for p in skill.primitives)
    assert skill.practice is not None
    assert abs(sum(p.share for p in skill.practice.parts) - 1) < 1e-6
    lines = reader.history()["skills"]["bin"]
    assert all(low <= value <= high for line in lines for _, value, low, high in line["rows"])
