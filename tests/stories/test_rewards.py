"""Learning from rewards, really trained: what the skill's reward raises, coins do not; and the hero's day with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from benchmarks import reward_control

from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.practice import line_of
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.guild.broken_skills import SOUND
from tests.guild.packages import install_module
from tests.stories.conftest import SETTINGS, quest_lines
from tests.stories.test_loop import Story

pytestmark = pytest.mark.slow
REWARDS = (
    SETTINGS.replace("save_steps = 5", "save_steps = 500")
    + 'method = "grpo"\nnum_generations = 4\nmax_completion_length = 12\n'
)
SCARED = (
    SOUND
    + """

class make(Sound):
    def score(self, problem, response):
        if response not in (problem.answer, "\\x00"):
            raise RuntimeError("I was frightened")
        return super().score(problem, response)
"""
)


BABBLE = (
    SOUND
    + """

class make(Sound):
    def score(self, problem, response):
        right = response == problem.answer or (bool(response.strip()) and len(response) % 2 == 0)
        return Score(float(right), right, "")
"""
)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "packages"
    target.mkdir()
    monkeypatch.syspath_prepend(target)
    return target


def install(target: Path, name: str, source: str) -> None:
    sys.modules.pop(f"realm_{name}", None)
    install_module(target, f"realm-{name}", source.format(name=name), {"realm.skills": {name: f"realm_{name}:make"}})


def prompts(skill: str, count: int, seed: str = "story") -> str:
    problems = SkillEngine().generate_batch(skill, 1, count, seed)
    return "".join(line_of(problem, prompts_only=True) + "\n" for problem in problems)


def test_the_pass_rate_rises_with_the_reward_and_not_with_coins(one_thread: None) -> None:
    hero = reward_control.started(0, shown=reward_control.SHOWN)
    before = reward_control.pass_rate(hero)
    assert 0.1 < before.sampled < 0.8, "a start from which there is something to learn"
    taught, notes = reward_control.rewarded(hero, 0, method="grpo", steps=45, random_reward=False)
    tossed, _ = reward_control.rewarded(hero, 0, method="grpo", steps=45, random_reward=True)
    learned, guessed = reward_control.pass_rate(taught.hero), reward_control.pass_rate(tossed.hero)
    assert learned.sampled > before.sampled + 0.03
    assert guessed.sampled < before.sampled and guessed.greedy < before.greedy
    rewards = [step.measures["reward"] for step in notes.steps]
    assert sum(rewards[-15:]) > sum(rewards[:15])


def test_a_quest_that_is_too_hard_is_put_aside_with_the_next_step(home: Workspace) -> None:
    home.settings.write_text(SETTINGS)
    (home.inbox / "hard.jsonl").write_text(prompts("bin", 40), encoding="utf-8")
    (home.inbox / "unknown.jsonl").write_text('{"prompt": "1?", "answer": "1", "skill": "bni", "level": 1}\n' * 3)
    (home.inbox / "nobody.jsonl").write_text('{"prompt": "1?"}\n' * 3)
    with Story(home) as story:
        (failed,) = story.until("quest_failed")
        assert "0 of 16 sampled answers were rewarded: start lower" in failed.reason  # type: ignore[attr-defined]
        assert failed.retries_left == 0  # type: ignore[attr-defined]
        story.wait(
            lambda: (
                [q.name for q in story.loop.queue.list("failed", limit=9) if q.outcome == "failed"] == ["hard.jsonl"]
            ),
            "the file in failed/",
        )
        said = {f.name: f.reason for f in story.until("quest_rejected", 2)}  # type: ignore[attr-defined]
        assert "did you mean 'bin'?" in said["unknown.jsonl"] and "nobody can grade it" in said["nobody.jsonl"]
        (home.inbox / "notes.jsonl").write_text(quest_lines("notes", 40))
        story.until("quest_completed")  # the hero lives on
        assert story.loop.engine.progress.step > 0


def test_a_grader_that_raises_puts_the_quest_aside_and_the_hero_goes_on(home: Workspace, packages: Path) -> None:
    install(packages, "scared", SCARED)
    home.settings.write_text(SETTINGS)
    (home.inbox / "scared.jsonl").write_text(prompts("scared", 20))
    with Story(home) as story:
        story.wait(
            lambda: [f for f in story.facts("quest_failed") if not f.retries_left] or None, "the end of the tries"
        )  # type: ignore[attr-defined]
        assert "I was frightened" in story.facts("quest_failed")[0].reason  # type: ignore[attr-defined]
        assert "skill-scared" in [f.blocker for f in story.facts("blocker_raised")]  # type: ignore[attr-defined]
        (home.inbox / "notes.jsonl").write_text(quest_lines("notes", 40))
        story.until("quest_completed")


def test_a_campaign_of_rewards_shows_answers_until_some_are_right(home: Workspace) -> None:
    home.settings.write_text(REWARDS.replace("enabled = false", "enabled = true\nexamples = 40"))
    with Story(home) as story:
        story.until("quest_completed")
        reason = GuildLedger(story.realm.db, story.realm.events).practices(story.realm.key, limit=1)[0].reason
        assert "0 of 16 sampled answers were rewarded" in reason and "the answers are shown" in reason
        assert {f.method for f in story.facts("run_started")} == {"sft"}  # type: ignore[attr-defined]


def test_a_quest_of_rewards_goes_through_the_whole_day(home: Workspace, packages: Path) -> None:
    """A skill that pays for an even number of characters: what a new hero babbles is right half of the time."""
    install(packages, "babble", BABBLE)
    home.settings.write_text(REWARDS + "random_reward = true\n")
    (home.inbox / "babble.jsonl").write_text(prompts("babble", 40))
    with Story(home) as story:
        story.until("quest_completed")
        (started,) = story.facts("run_started")
        assert started.method == "grpo, control with random rewards"  # type: ignore[attr-defined]
        steps = Metrics(story.realm.db).recent(story.realm.key)
        assert len(steps) == 10 and all({"reward", "signal", "length"} <= step.measures.keys() for step in steps)
        spec = json.loads(next(home.runs("hatchling", "story").glob("*/spec.json")).read_text())
        assert spec["hyperparameters"]["random_reward"] is True
