"""What a chat can do beside talking: try the model on a skill's problem, and send opinions to the inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realm import __version__
from realm.config.layers import resolve_hero
from realm.config.schema import RealmSettings
from realm.errors import UsageError
from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem, Score
from realm.heroes.data_profiles import DataProfile, data_profiles
from realm.oracle.feedback import Opinion, quests
from realm.quests.inbox import deliver
from realm.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Trial:
    """A problem as it is put to the model; the three names make it again."""

    skill: str
    level: int
    seed: str
    messages: list[dict[str, Any]]


class ChatDesk:
    """Remembers nothing between two calls: a trial is made again from its names when its answer comes."""

    def __init__(
        self,
        workspace: Workspace,
        settings: RealmSettings,
        levels: Callable[[], Mapping[str, int]],
        engine: SkillEngine | None = None,
    ) -> None:
        """`levels` tells the mastered level of each skill of the campaign in play."""
        self._workspace, self._settings, self._levels = workspace, settings, levels
        self._engine = engine or SkillEngine()

    def skills(self) -> list[str]:
        """The skills in focus, then the others that can be used."""
        focus = list(self._settings.campaign.skills)
        return self._engine.usable([*focus, *(name for name in self._engine.names() if name not in focus)])

    def trial(self, model: str, skill: str, level: int | None, seed: str) -> Trial:
        """A problem of the training side: what examinations ask stays unseen. Without a level: the next to master.

        Raises UsageError for a skill or a level that does not exist.
        """
        problem = self._problem(skill, level or self._frontier(skill), seed)
        asked = self._profile(model).ask(problem.prompt)
        messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else [dict(m) for m in asked]
        return Trial(skill, problem.level, seed, messages)

    def grade(self, model: str, trial: Trial, answer: str) -> tuple[Score, str]:
        """The grader's score of an answer, and the right one."""
        problem = self._problem(trial.skill, trial.level, trial.seed)
        profile = self._profile(model)
        plain = profile.read(answer, profile.ask(problem.prompt))
        return self._engine.get(trial.skill).score(problem, plain), problem.answer

    def send(self, opinions: Sequence[Opinion]) -> list[str]:
        """Put opinions into the inbox as quests for the hero in play. Returns what was made, in words."""
        if not opinions:
            raise UsageError("There is no opinion to send.", hint="Give an answer a thumb, or better words, first.")
        made = []
        if not (files := quests(opinions, __version__)):
            raise UsageError(
                "Thumbs that all point down teach nothing by themselves.",
                hint="Say what would have been better, or give another answer a thumb up.",
            )
        for quest in files:
            deliver(self._workspace, quest.name, [quest.text.encode()], meta=dict(quest.about),
                    max_bytes=self._settings.quests.max_upload_bytes)  # fmt: skip
            made.append(f"{quest.rows} {'row' if quest.rows == 1 else 'rows'} for {quest.about['method']}")
        return made

    def _problem(self, skill: str, level: int, seed: str) -> Problem:
        known = self._engine.get(skill).levels
        if not 1 <= level <= known:
            raise UsageError(f"The skill {skill} has levels 1 to {known}, not {level}.", hint="Choose one of these.")
        return self._engine.generate_batch(skill, level, 1, f"trial/{seed}")[0]

    def _frontier(self, skill: str) -> int:
        return min(self._levels().get(skill, 0) + 1, self._engine.get(skill).levels)

    def _profile(self, model: str) -> DataProfile:
        """The form in which a model's hero is asked; a name that is no hero's is asked plainly."""
        hero = model.partition(":")[0]
        known = {name.lower() for name in self._settings.heroes}
        return data_profiles.get(resolve_hero(self._settings, hero).data_profile if hero.lower() in known else "none")
