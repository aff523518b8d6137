from __future__ import annotations

from pathlib import Path

import pytest

from realm.errors import SkillError
from realm.guild.titles import Deeds, hero_title, load, skill_title

TITLES = load()


def test_the_shipped_table_has_titles_of_both_kinds_and_no_two_of_one_rank() -> None:
    for per_skill in (False, True):
        ranks = [t.priority for t in TITLES if t.per_skill == per_skill]
        assert len(ranks) == len(set(ranks)) >= 6


@pytest.mark.parametrize(
    ("deeds", "title"),
    [
        (Deeds(), "Newcomer"),
        (Deeds(hero_level=1), "Steady Learner"),
        (Deeds(hero_level=30), "Steady Learner"),
        (Deeds(total_levels=1), "First of Many"),
        (Deeds(total_levels=5), "Climber"),
        (Deeds(total_levels=5, accuracy=0.95), "Sharp Eye"),
        (Deeds(total_levels=41, hero_level=20), "Polymath"),
    ],
)
def test_the_highest_title_that_holds_is_shown(deeds: Deeds, title: str) -> None:
    assert hero_title(TITLES, deeds) == title


def test_titles_of_a_skill_follow_its_level() -> None:
    shown = [skill_title(TITLES, "BIN", level) for level in (0, 1, 2, 3, 30)]
    assert shown == ["Beginner in BIN", "Student of BIN", "Student of BIN", "Practitioner of BIN", "Master of BIN"]


def test_no_row_no_title() -> None:
    assert hero_title((), Deeds()) == skill_title((), "BIN", 9) == ""


@pytest.mark.parametrize(
    "row",
    [
        "- title: X",
        "- {title: X, priority: 1, when: {step: 3}}",
        "- {title: X, priority: 1, when: {level: 3}}",
        "- {title: X, priority: 1, per_skill: true, when: {quests: 3}}",
        "- [",
        "3",
    ],
)
def test_mistakes_in_a_table_are_named(row: str, tmp_path: Path) -> None:
    path = tmp_path / "titles.yaml"
    path.write_text(row, encoding="utf-8")
    with pytest.raises(SkillError, match=r"titles\.yaml"):
        load(path)
