"""What was practised and why, and how many tokens went to each level; the only writer of their tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Integer, column, delete, func, select, true, values

from realm.config.schema import LevelCapSettings
from realm.events import PracticePlanned
from realm.guild.curriculum import Mix, SkillView, View
from realm.guild.engine import SkillEngine
from realm.guild.level_cap import Attempt, LevelChange, SkillVerdict, Spent, attempts, verdict
from realm.guild.primitive_ledger import PrimitiveLedger
from realm.guild.strain import Advice
from realm.guild.tables import Practice, error_rates, level_tokens_table, of, practice_table
from realm.records import CampaignKey, LevelCell

_NO_STEP = 2**31 - 1


class PracticeLedger(PrimitiveLedger):
    """Reads and writes `practice` and `level_tokens`; a plan rests on examinations and primitives."""

    def view(
        self,
        key: CampaignKey,
        engine: SkillEngine,
        skills: Sequence[str],
        *,
        advice: Mapping[str, Advice],
        priorities: Mapping[str, float] | None = None,
        review_share: float = 0.2,
    ) -> View:
        """What the curriculum needs to know. `advice` is that of each skill's strain meter (absent: wait)."""
        weights = priorities or {}
        return View(
            tuple(
                self._skill_view(key, name, engine.get(name).levels, advice.get(name, "wait"), weights.get(name, 1.0))
                for name in skills
            ),
            review_share,
        )

    def _skill_view(self, key: CampaignKey, skill: str, levels: int, advice: Advice, priority: float) -> SkillView:
        state = self.state(key, skill)
        newest = self.examinations(key, skill, state.frontier, limit=1)
        return SkillView(
            skill=skill,
            levels=levels,
            state=state,
            advice=advice,
            priority=priority,
            gap=newest[0].gap if newest else None,
            errors=error_rates(self.primitives(key, skill, state.frontier) or self.primitives(key, skill)),
        )

    def record_practice(
        self,
        key: CampaignKey,
        quest: str,
        *,
        step: int,
        rows: int,
        mix: Mix,
        advice: Mapping[str, Advice] | None = None,
    ) -> None:
        """Note a practice quest with its reason and the strain advice of that moment, and record the fact."""
        with self._db.write() as connection:
            connection.execute(
                practice_table.insert(),
                {
                    "hero": key.hero,
                    "campaign": key.campaign,
                    "quest": quest,
                    "step": step,
                    "rows": rows,
                    "mix": json.dumps(mix.as_json()),
                    "advice": json.dumps(dict(advice or {})),
                    "reason": mix.reason,
                    "time": self._clock(),
                },
            )
            self._events.append_in(
                connection,
                PracticePlanned(
                    hero=key.hero, campaign=key.campaign, quest=quest, mix=mix.as_json(), reason=mix.reason, rows=rows
                ),
            )

    def practices(self, key: CampaignKey, *, limit: int = 50) -> list[Practice]:
        """Practice quests, newest first."""
        t = practice_table
        query = select(t).where(of(t, key)).order_by(t.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [
            Practice(r.quest, r.step, r._mapping["rows"], json.loads(r.mix), json.loads(r.advice), r.reason, r.time)
            for r in rows
        ]

    def practice_count(self, key: CampaignKey) -> int:
        """Practice quests made so far; never falls, so that it can number (and seed) the next one."""
        with self._db.read() as connection:
            query = select(func.count()).select_from(practice_table).where(of(practice_table, key))
            return connection.scalar(query) or 0

    def record_tokens(self, key: CampaignKey, step: int, tokens: Mapping[LevelCell, int]) -> None:
        """Tokens trained per level since the checkpoint before, told once at each checkpoint (again: replaced)."""
        t = level_tokens_table
        with self._db.write() as connection:
            connection.execute(delete(t).where(of(t, key), t.c.step == step))
            if tokens:
                connection.execute(
                    t.insert(),
                    [
                        {
                            "hero": key.hero,
                            "campaign": key.campaign,
                            "step": step,
                            "skill": skill,
                            "level": level,
                            "tokens": count,
                        }
                        for (skill, level), count in tokens.items()
                    ],
                )

    def tokens(self, key: CampaignKey, skill: str, *, after_step: int = -1) -> dict[int, int]:
        """Level -> tokens trained on it in the campaign, or after a step of it."""
        t = level_tokens_table
        query = select(t.c.level, func.sum(t.c.tokens)).where(of(t, key, skill), t.c.step > after_step)
        with self._db.read() as connection:
            return {level: int(total) for level, total in connection.execute(query.group_by(t.c.level))}

    def spent(self, key: CampaignKey, skill: str, until_steps: Sequence[int] = ()) -> list[Spent]:
        """Tokens by level, summed over the stretches between the skill's changes of level and `until_steps`.

        Summed in the database: a long campaign has 100,000 rows, and what a level cost asks for the sums alone.
        """
        t = level_tokens_table
        bounds = sorted({change.step for change in self.transitions(key, skill)} | set(until_steps))
        pairs = list(zip([-1, *bounds], [*bounds, _NO_STEP], strict=True))
        stretch = values(column("after", Integer), column("until", Integer), name="stretch").data(pairs).cte("stretch")
        with self._db.read() as connection:
            level_values = [(level,) for level in _levels(connection, key, skill)]
            if not level_values:
                return []
            level = values(column("level", Integer), name="each").data(level_values).cte("each")
            within = [of(t, key, skill), t.c.level == level.c.level]
            within += [t.c.step > stretch.c.after, t.c.step <= stretch.c.until]
            newest = select(func.max(t.c.step)).where(*within).scalar_subquery()
            total = select(func.sum(t.c.tokens)).where(*within).scalar_subquery()
            found = connection.execute(select(newest, level.c.level, total).select_from(level.join(stretch, true())))
            return [Spent(int(step), int(at), int(tokens)) for step, at, tokens in found if step is not None]

    def attempts(self, key: CampaignKey, skill: str) -> list[Attempt]:
        """What each level of a skill cost, in the order of mastering; the running attempt is the last."""
        return attempts(self.changes(key, skill), self.spent(key, skill))

    def changes(self, key: CampaignKey, skill: str) -> list[LevelChange]:
        """The skill's changes of level as the rules of the level cap take them."""
        return [LevelChange(t.step, t.level, t.kind, t.tokens, t.time) for t in self.transitions(key, skill)]

    def verdict(
        self, key: CampaignKey, skill: str, highest: int, settings: LevelCapSettings, since_step: int = -1
    ) -> SkillVerdict:
        """Whether a skill goes further, from what is on record."""
        frontier = self.state(key, skill).frontier
        examined = self.examinations(key, skill, frontier, limit=settings.examinations)
        spent = self.spent(key, skill, [since_step])
        return verdict(skill, highest, self.changes(key, skill), spent, examined, settings, since_step=since_step)

    def _forget_beyond(self, connection: Connection, key: CampaignKey, step: int) -> None:
        t = level_tokens_table
        connection.execute(delete(t).where(of(t, key), t.c.step > step))
        super()._forget_beyond(connection, key, step)


def _levels(connection: Connection, key: CampaignKey, skill: str) -> list[int]:
    """The levels that tokens were trained on, one look-up in an index for each."""
    t = level_tokens_table
    found: list[int] = []
    level = connection.scalar(select(func.min(t.c.level)).where(of(t, key, skill)))
    while level is not None:
        found.append(level)
        level = connection.scalar(select(func.min(t.c.level)).where(of(t, key, skill), t.c.level > level))
    return found
