"""The guards of practice in a hero's real day: what a person brought comes back, and a broken skill pauses it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from realm.guild.engine import SkillEngine
from realm.guild.own_practice import overlook
from realm.guild.skill import Problem, Side
from realm.guild.skills.binary import BinarySkill
from realm.hero_loop.own_data import OwnData
from realm.registry import Registry
from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS, quest_lines
from tests.stories.test_loop import Story

pytestmark = pytest.mark.slow
IDLE = SETTINGS.replace("enabled = false", "enabled = true\nexamples = 60")


class Stuck(BinarySkill):
    """BIN whose generator gives one problem over and over until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.mended = threading.Event()

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        turned = side == "exam" or self.mended.is_set()
        return super().generate(level, seed, side=side, kind=kind) if turned else super().generate(level, "always")


def test_what_a_person_brought_comes_back_in_practice(home: Workspace) -> None:
    home.settings.write_text(IDLE)
    (home.inbox / "birds.jsonl").write_text(quest_lines("wren", 80))
    with Story(home) as story:
        planned = story.until("practice_planned")[0]
        story.until("quest_completed", 2)
    assert "6 of 60 rows are real ones, of 1 completed file." in planned.reason  # type: ignore[attr-defined]
    (path,) = home.root.glob(f"queue/*/{planned.quest}-*.jsonl")  # type: ignore[attr-defined]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    real = [row for row in rows if row["prompt"].startswith("wren ")]
    assert (len(rows), len(real)) == (60, 6)
    about = json.loads(path.with_name(path.name + ".meta.json").read_text(encoding="utf-8"))
    assert [(file["name"], len(file["rows"])) for file in about["grounding"]] == [("birds.jsonl", 6)]
    assert {row["meta"]["origin"]["row"] for row in real} == set(about["grounding"][0]["rows"])


def test_a_skill_that_repeats_itself_pauses_practice_and_files_go_on(home: Workspace) -> None:
    home.settings.write_text(IDLE.replace("examples = 60", "examples = 200"))  # enough of each level to be judged
    story = Story(home)
    stuck = Stuck()
    registry: Registry[Any] = Registry("skill")
    registry.register("bin", lambda: stuck)
    story.loop.skills = SkillEngine(registry)
    story.loop.own_data = OwnData(story.loop)
    with story:
        raised = story.until("blocker_raised")[0]
        assert "practice of bin level" in raised.why  # type: ignore[attr-defined]
        assert story.facts("practice_planned") == []
        (home.inbox / "finches.jsonl").write_text(quest_lines("finch", 60))
        story.until("quest_completed")
        story.until("blocker_raised", 2)  # asked again after the training: with real rows beside, fewer are its own
        assert story.facts("practice_planned") == [] and story.facts("blocker_cleared") == []
        overlook(home, story.loop.guild, story.loop.key, 1)
        story.until("practice_planned")
        story.until("blocker_cleared")
        story.until("blocker_raised", 3)
        stuck.mended.set()
        (home.inbox / "terns.jsonl").write_text(quest_lines("tern", 60))
        story.until("blocker_cleared", 2)
        story.until("practice_planned", 2)
