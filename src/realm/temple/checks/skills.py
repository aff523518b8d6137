"""Whether levels agree with the examinations that earned them, and whether the held-out problems stayed so."""

from __future__ import annotations

from realm.guild.progression import fold
from realm.temple.check import Check, Finding, at_most, fail, ok, skip
from realm.temple.scene import SAMPLED_ROWS, Scene

ALL = 1_000_000


def fitness(scene: Scene) -> Finding:
    """Each skill in focus grades its own answers as right and draws the same problem from the same seed."""
    wrong = {skill: said for skill in scene.settings.campaign.skills if (said := scene.skills.fitness(skill)) != "ok"}
    if wrong:
        words = "; ".join(f"{skill}: {said}" for skill, said in wrong.items())
        remedy = f"Look closer: realm skill check {next(iter(wrong))}. Mend it, or take it out of campaign.skills."
        return fail(words, "every skill is well", remedy, value=len(wrong))
    return ok(
        ", ".join(scene.settings.campaign.skills), "every skill is well", value=len(scene.settings.campaign.skills)
    )


def levels(scene: Scene) -> Finding:
    """The stored level of each skill is what its stored examinations lead to."""
    states = scene.guild.states(scene.key)
    if not states:
        return skip("no examination yet", "Let the hero train: realm play")
    for skill, state in states.items():
        taken = [e for level in scene.guild.history(scene.key, skill, limit=ALL).values() for e in level]
        earned, _ = fold(taken, scene.guild.rules.of(skill))
        if earned.mastered != state.mastered:
            words = f"{skill}: level {state.level} is stored, its examinations lead to {earned.level}"
            remedy = "Somebody wrote into realm.db, or changed a threshold. Restore it, or examine anew: realm eval"
            return fail(words, "level = what the examinations lead to", remedy, value=state.level - earned.level)
    words = ", ".join(f"{skill} {state.level}" for skill, state in states.items())
    return ok(words, "level = what the examinations lead to")


def held_out(scene: Scene) -> Finding:
    """The quest of the run holds no question of an examination."""
    if scene.is_practice and not scene.thorough:
        return skip("practice is made of the training side", "Look all the same: realm temple skills")
    if not scene.rows:
        return skip("the run's quest is not at hand")
    bound = scene.settings.quests.refuse_above["leakage"]
    share = len(scene.leaked) / len(scene.rows)
    where = f", the first from {scene.leaked[0]}" if scene.leaked else ""
    words = f"{len(scene.leaked)} of {_rows(len(scene.rows))} hold a question of an examination{where}"
    remedy = (
        "What this run shows in examinations is memory, not skill. Go back before it: realm verdict RUN --roll-back. "
        "Have files checked as they arrive: realm config set quests.validation deep"
    )
    return at_most(share, 0.0, bound, words, f"{bound:.1%} of the rows", remedy)


def _rows(count: int) -> str:
    return f"the first {count} rows" if count == SAMPLED_ROWS else f"{count} rows"


CHECKS = (
    Check("fitness", "skills", "each skill's generator and grader agree", fitness),
    Check("levels", "skills", "levels are what the examinations lead to", levels),
    Check("held-out", "skills", "the run's quest held no question of an examination", held_out),
)
