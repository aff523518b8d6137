"""Achievements on the page, in both skins: what was earned and when, what is left, streaks, the line in the log."""

from __future__ import annotations

import re
import tomllib

import pytest
from fastapi.testclient import TestClient

from realm.events import AchievementAwarded, QuestExpired, Recorded, StepsReached, TitleEarned
from realm.guild import achievements
from realm.guild.awards import AwardLedger
from realm.tavern.lore import LORE_FILE, skins
from tests.tavern.demo import Demo


def test_each_achievement_has_a_name_in_the_game_and_no_other_has() -> None:
    named = tomllib.loads(LORE_FILE.read_text(encoding="utf-8"))["achievements"]
    assert list(named) == [each.id for each in achievements.load()]
    assert all(set(entry) == {"name", "motto"} and entry["motto"].endswith(".") for entry in named.values())


def earn(demo: Demo) -> None:
    demo.train(100)
    demo.events.append(StepsReached(step=100, hero_level=0, **demo.names))
    demo.examine({1: 0.95})
    AwardLedger(demo.db, demo.events, demo.guild.rules).catch_up(demo.key)


def deeds(html: str) -> dict[str, bool]:
    """Achievement -> whether it is shown as earned, in the order of the page."""
    return {name: "earned" in more for name, more in re.findall(r'id="deed-(\w+)" class="deed([ \w]*)"', html)}


def test_before_anything_was_done_all_is_still_to_come(page: TestClient, demo: Demo) -> None:
    html = page.get("/guild").text
    assert len(deeds(html)) == len(achievements.load()) and not any(deeds(html).values())
    assert "0 of 23" in html and "not yet" in html


def test_what_was_earned_stands_first_with_its_date(page: TestClient, demo: Demo) -> None:
    earn(demo)
    html = page.get("/guild").text
    shown = deeds(html)
    done = {"first_step", "steps_100", "first_checkpoint", "accuracy_80", "accuracy_90"}
    assert {name for name, earned in shown.items() if earned} == done == set(list(shown)[:5])
    assert "5 of 23" in html and "The shell cracks" in html and "Keen eye" in html
    assert "10\u202f% of the way" in html, "one of ten checkpoints, a hundred of a thousand steps"


def test_the_lab_skin_says_it_plainly(page: TestClient, demo: Demo) -> None:
    earn(demo)
    html = page.get("/guild?skin=lab").text
    assert "First step" in html and "80 % right" in html and "Achievements" in html
    assert "Days of training in a row" in html and "Examinations passed in a row" in html
    for lore in ("The shell cracks", "Deeds", "Days afoot", "Keen eye"):
        assert lore not in html


@pytest.mark.parametrize(
    ("skin", "said"),
    [
        ("realm", "A deed to remember: The shell cracks. The very first step."),
        ("lab", "Achievement: First step. The first optimizer step."),
    ],
)
def test_the_log_tells_of_it(page: TestClient, demo: Demo, skin: str, said: str) -> None:
    earn(demo)
    assert said in page.get(f"/?skin={skin}").text


def test_skills_stand_in_capitals_and_reasons_end_in_a_full_stop(demo: Demo) -> None:
    from realm.events import CheckpointDropped, ExaminationTaken

    exam = ExaminationTaken(skill="bin", level=1, step=2, n=10, correct=5, accuracy=0.5, low=0.2, high=0.8,
                            training_accuracy=None, role="frontier")  # fmt: skip
    gone = CheckpointDropped(checkpoint="c", step=2, reason="not among the newest 3")
    ended = CheckpointDropped(checkpoint="c", step=2, reason="Its folder is gone.")
    for skin in skins().values():
        assert "BIN level 1" in skin.sentence(Recorded(1, 0.0, "examination_taken", exam))
        assert skin.sentence(Recorded(1, 0.0, "checkpoint_dropped", gone)).endswith("not among the newest 3.")
        assert skin.sentence(Recorded(1, 0.0, "checkpoint_dropped", ended)).endswith("gone.")


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        ("quest_expired", QuestExpired(quest="q", name="sparring-bin.jsonl", reason="Three newer checkpoints exist.")),
        ("title_earned", TitleEarned(title="Climber", skill="")),
        ("achievement_awarded", AchievementAwarded(achievement="unknown", name="New", description="Done.", fact=1)),
    ],
)
def test_sentences_are_whole(kind: str, fact: QuestExpired | TitleEarned | AchievementAwarded) -> None:
    for skin in skins().values():
        said = skin.sentence(Recorded(1, 0.0, kind, fact))
        assert said.endswith(".") and "?" not in said and ".." not in said
