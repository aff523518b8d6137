"""A hero's day that is one training with an end: a preset's. Trains by the hero loop; decides no setting."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import Any, Protocol

from realm.config.run_spec import RunSpec
from realm.config.schema import Hyperparameters, RealmSettings
from realm.errors import QuestError, TrainingError
from realm.events import RunFailed
from realm.guild.examiner import Target
from realm.guild.progression import Examination
from realm.hero_loop import HeroLoop
from realm.opening import Realm
from realm.presets.source import Source, lines, rows_of_test
from realm.quests.inbox import deliver
from realm.quests.queue import Quest
from realm.records import CheckpointRecord, StepMetrics
from realm.watchtower.metrics import MetricsWriter
from realm.workspace import PRIORITIES


class Listener(Protocol):
    """Who follows a training."""

    def on_step(self, metrics: StepMetrics) -> None:
        """One optimizer step was made."""

    def on_checkpoint(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> bool:
        """A checkpoint was sealed and examined. Returns whether the training is to go on."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to."""

    checkpoint: CheckpointRecord
    samples: int
    """Rows that were trained on."""
    used: Hyperparameters
    """The settings it was trained with, `auto` no more."""
    evaluation: dict[str, Any]
    """Validation loss, loss on the test split, examinations: what `metadata.json` tells."""
    stopped: bool
    """It was ended before its data was through, by its listener."""


class PresetLoop(HeroLoop):
    """One training of one preset in a campaign of its own."""

    def __init__(
        self, realm: Realm, settings: RealmSettings, spec: RunSpec, listener: Listener, aims: Sequence[Target] = ()
    ) -> None:
        """`aims` are examined at each checkpoint, whatever the hero has mastered."""
        campaign = settings.campaign.model_copy(
            update={
                "hero": spec.hero, "name": spec.campaign, "seed": spec.seed, "skills": spec.examine,
                "starting_checkpoint": "",
            }
        )  # fmt: skip
        super().__init__(
            realm.workspace, settings.model_copy(update={"campaign": campaign}), realm.db, realm.events, spec
        )
        self._listener = listener
        self._aims = tuple(aims)
        self._pruned = False

    def complete(self, source: Source, quest_id: str, queued: Callable[[str], None], abandoned: str = "") -> Trained:
        """Train to the end; `quest_id` is that of a training that was interrupted, and is gone on with.

        `queued` is told the id of the quest before the first step. Raises QuestError when the file is unfit,
        TrainingError when a person stopped it, and whatever else ended the run.
        """
        with self.workspace.hold("hero"):
            self.wake()
            self.open_queue()
            self._leave(abandoned)
            quest = self._in_hand(quest_id) if quest_id else self._taken(source)
            queued(quest.id)
            if quest.state != "recently_completed":
                self._train(quest)
            assert self.newest is not None  # a run that ends well has saved
            told = self._evaluation(source, quest)
            trained = Trained(self.newest, self._samples(quest), self.engine.used, told, self._pruned)
            self.crew.end()
            return trained

    def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
        super().on_step(quest, metrics, writer)
        self._listener.on_step(metrics)

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        super().be_examined(checkpoint)
        if not self._listener.on_checkpoint(checkpoint, self._taken_at(checkpoint)):
            self._pruned = True
            self.stopping.set()

    def aims(self, step: int, skills: Sequence[str]) -> list[Target]:
        usual = super().aims(step, skills)
        there = {(aim.skill, aim.level) for aim in usual}
        return usual + [aim for aim in self._aims if (aim.skill, aim.level) not in there]

    # -- the quest -----------------------------------------------------------------------------------------------
    def _taken(self, source: Source) -> Quest:
        about = {"hero": self.key.hero, "campaign": self.key.campaign}  # what another campaign had is no duplicate
        if (before := self._trained_before(source)) is not None:
            return self.queue.retry(before)
        file = deliver(self.workspace, source.train.name, lines(source), priority="high", meta=about)
        quest = self.inbox.take(file)
        if quest is None or quest.state not in PRIORITIES:
            reason = quest.reason if quest else "Another program took it."
            raise QuestError(
                f"{source.train.name} cannot be trained: {reason}", hint="See why: realm quest list --state failed"
            )
        return quest

    def _trained_before(self, source: Source) -> str | None:
        """The quest of the same content that this campaign has completed: it is trained once more."""
        ended = self.queue.list("recently_completed")
        mine = {quest.sha256: quest.id for quest in ended if (quest.hero, quest.campaign) == astuple(self.key)}
        if not mine:
            return None
        hasher = sha256()
        for line in lines(source):
            hasher.update(line)
        return mine.get(hasher.hexdigest())

    def _in_hand(self, quest_id: str) -> Quest:
        """The quest of the interrupted training, wherever the interruption left it."""
        quest = self.queue.get(quest_id)
        if quest.state == "failed":
            raise QuestError(f"The interrupted training's file was refused: {quest.reason}", hint="Begin anew: --fresh")
        return quest

    def _leave(self, quest_id: str) -> None:
        """An abandoned training's file waits for nobody any more."""
        if not quest_id:
            return
        quest = self.queue.get(quest_id)
        if quest.state == "active":
            quest = self.queue.release(quest)
        if quest.state in PRIORITIES:
            self.queue.remove(quest_id)

    def leave_for_good(self) -> None:
        """File the quest in hand as skipped: it cannot be trained with these settings."""
        for quest in self.queue.list("active"):
            if quest.id == self.engine.progress.quest:
                self.queue.skip(quest, step=self.engine.progress.step, key=self.key)

    def _train(self, quest: Quest) -> None:
        if quest.state in PRIORITIES:
            self.queue.claim(quest.id)
        try:
            result = self.train(quest)
        finally:
            if (error := sys.exception()) is not None:  # told, and passed on: the page must not show it running
                progress = self.engine.progress
                reason = f"{type(error).__name__}: {error}"
                self.say(RunFailed(run=progress.run, quest=quest.id, step=progress.step, reason=reason))
        self.settle(quest, result)
        if result.outcome != "stopped":
            return
        if not self._pruned:
            again = f"realm train {self.spec.preset} --resume"
            hint = f"realm resume, then {again}" if "stop" in self.workspace.requests() else again
            raise TrainingError(f"Stopped at step {result.progress.step}, and saved.", hint=f"Go on: {hint}")
        self.queue.skip(quest, step=result.progress.step, key=self.key)

    # -- what came of it -----------------------------------------------------------------------------------------
    def _samples(self, quest: Quest) -> int:
        """Rows that carry loss; after a resume of what was trained already, the quest's own count."""
        reading = self.engine.reading
        return len(reading.train) if reading is not None else quest.rows

    def _evaluation(self, source: Source, quest: Quest) -> dict[str, Any]:
        assert self.newest is not None
        told: dict[str, Any] = {"checkpoint": self.newest.id}
        if (val_loss := self.newest.metrics.get("val_loss")) is not None:
            told["val_loss"] = val_loss
        if not self._pruned and source.test is not None:
            rows = list(rows_of_test(source, self.profile.prompt_template))
            told["test"] = {"rows": len(rows), "loss": self.engine.measure(rows, method=quest.method)}
        told["examinations"] = [_told(one) for one in self._taken_at(self.newest)]
        return told

    def _taken_at(self, checkpoint: CheckpointRecord) -> list[Examination]:
        return [one for one in self.guild.newest(self.key) if one.step == checkpoint.step]


def _told(examination: Examination) -> dict[str, Any]:
    return {
        "skill": examination.skill, "level": examination.level, "n": examination.n, "correct": examination.correct,
        "accuracy": examination.accuracy, "low": examination.interval.low, "high": examination.interval.high,
    }  # fmt: skip
