"""Work that needs several places and may run beside a living hero: it reads checkpoints and leaves files in the inbox.

Holds no lock and changes nothing of a campaign but by a quest file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realm.config.run_spec import campaign_spec
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.errors import CheckpointError
from realm.events import Events
from realm.guild import pairs, sparring
from realm.guild.answer_room import AnswerRoom
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.sparring_ledger import SparringLedger
from realm.heroes import hero as heroes
from realm.quests.inbox import deliver
from realm.quests.queue import Quest, QuestQueue
from realm.records import CampaignKey
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sparred:
    """How a bout of a checkpoint ended. `quest` is None where nothing was written or a living hero takes the file."""

    checkpoint: str
    bout: sparring.Bout
    file: str
    quest: Quest | None


def spar(
    workspace: Workspace,
    settings: RealmSettings,
    db: Database,
    events: Events,
    *,
    skill: str,
    level: int,
    count: int,
    kind: Literal["reviews", "pairs"] | None = None,
) -> Sparred:
    """Let the newest checkpoint answer `count` fresh problems of a level (0: its frontier); queue what comes of it.

    `kind` None is what the hero's settings say: examples of checking and correcting, or pairs of answers.
    Raises CheckpointError when there is no checkpoint yet, UsageError or SkillError for a skill or a level that does
    not exist.
    """
    key = CampaignKey(settings.campaign.hero, settings.campaign.name)
    engine, guild = SkillEngine(), GuildLedger(db, events, settings.curriculum)
    aimed = level or min(guild.state(key, skill).frontier, engine.get(skill).levels)
    engine.get(skill).spec.check_level(aimed)
    ledger = CheckpointLedger(db, events)
    newest = ledger.newest(key)
    if newest is None:
        raise CheckpointError(
            f"{key} has no checkpoint yet, so there is nobody to spar with.",
            hint="Let the hero train first: realm play, or realm start-all.",
        )
    spec = campaign_spec(settings)
    keeper = Keeper(workspace, ledger, events, spec.retention)
    with keeper.leases.reading(newest.id, "sparring"):
        hero = heroes.load(spec.profile, models=workspace.models, checkpoint=keeper.folder(newest), name=key.hero)
    bouts = SparringLedger(db, events)
    held = bouts.newest(key, skill)
    seed = f"spar/{key}/{newest.step}/{0 if held is None else held.time}"
    rule, room = spec.profile.sparring, AnswerRoom(settings.curriculum.exam_max_new_tokens, hero.answer_tokens)
    room.expect_level(engine, skill, aimed)
    bout = pairs.hold_as(
        rule.model_copy(update={"kind": kind or rule.kind}), engine, skill, aimed, count, seed,
        lambda prompts: hero.answer(prompts, max_new_tokens=room.tokens),
        lambda prompts, **how: hero.sample(prompts, max_new_tokens=room.tokens, **how),
        method=spec.hyperparameters.method,
    )  # fmt: skip
    if not bout.examples:
        bouts.record(key, bout, step=newest.step, quest="", practices=guild.practice_count(key))
        return Sparred(newest.id, bout, "", None)
    name = sparring.file_name(bout, newest.step)
    path = deliver(workspace, name, bout.lines(), priority="high", meta=bout.sidecar(newest.id))
    bouts.record(key, bout, step=newest.step, quest=name, practices=guild.practice_count(key))
    if workspace.holder("hero") is not None:
        return Sparred(newest.id, bout, name, None)
    queue = QuestQueue(workspace, db, events, settings.quests, template=spec.profile.prompt_template)
    return Sparred(newest.id, bout, name, queue.add(path))
