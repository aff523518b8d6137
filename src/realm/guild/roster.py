"""Which skills of a campaign can be used, and the facts that say which cannot. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence

from realm.errors import SkillBroken
from realm.events import BlockerCleared, BlockerRaised, Events, standing_blockers
from realm.guild.engine import SkillEngine
from realm.records import CampaignKey


class Roster:
    """The skills in focus of one campaign, less those that were set aside, and the engine that has them."""

    def __init__(self, focus: Sequence[str], events: Events, key: CampaignKey) -> None:
        self.engine = SkillEngine(on_broken=self._report)
        self._focus = focus
        self._events = events
        self._key = key
        self._called = False

    def call(self) -> None:
        """Try each skill once, at the start: a blocker for each broken one, an end to it for each that is mended."""
        if self._called:
            return
        self._called = True
        for name in self.engine.usable(self._focus):
            if (finding := self.engine.fitness(name)) != "ok":
                self.engine.set_aside(SkillBroken(name, "being tried at the start", finding))
        for name, sentence in self.engine.registry.clashes.items():
            self._raise(f"skill-name-{name}", "finding skills", sentence, "Uninstall or rename one of them.")
        well = {_blocker(name) for name in self.engine.names() if name not in self.engine.broken}
        clashes = {f"skill-name-{name}" for name in self.engine.registry.clashes}
        for blocker in standing_blockers(self._events, self._key):
            gone = blocker.blocker.startswith("skill-name-") and blocker.blocker not in clashes
            if blocker.blocker in well or gone:
                self._events.append(BlockerCleared(**self._names, blocker=blocker.blocker))

    def usable(self) -> list[str]:
        """The skills in focus that can be used now, in their order."""
        return self.engine.usable(self._focus)

    def _report(self, error: SkillBroken) -> None:
        self._raise(_blocker(error.skill), error.doing, error.message, error.hint)

    def _raise(self, blocker: str, trying: str, why: str, fix: str) -> None:
        if not any((b.blocker, b.why) == (blocker, why) for b in standing_blockers(self._events, self._key)):
            self._events.append(BlockerRaised(**self._names, blocker=blocker, trying=trying, why=why, fix=fix))

    @property
    def _names(self) -> dict[str, str]:
        return {"hero": self._key.hero, "campaign": self._key.campaign}


def _blocker(skill: str) -> str:
    return f"skill-{skill}"
