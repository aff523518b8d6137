"""Whether examinations happened, on enough problems, and whether metrics flow."""

from __future__ import annotations

from realm.temple.check import Check, Finding, at_least, fail, ok, skip, warn
from realm.temple.scene import Scene

FEW_PROBLEMS, TOO_FEW_PROBLEMS = 30, 5
NONE = "no checkpoint yet"


def examined(scene: Scene) -> Finding:
    """The newest checkpoint was examined in every skill in focus."""
    if scene.newest is None:
        return skip(NONE)
    taken = {e.skill for e in scene.guild.newest(scene.key) if e.step == scene.newest.step}
    missing = [skill for skill in scene.settings.campaign.skills if skill not in taken]
    words = f"{scene.newest.id}: {', '.join(sorted(taken)) or 'no skill'} examined"
    remedy = "The hero examines it when it wakes: realm start-all. A skill that fails is set aside: realm skill list"
    if not taken:
        return fail(words, "every skill in focus", remedy, value=0.0)
    if missing:
        return warn(f"{words}; not {', '.join(missing)}", "every skill in focus", remedy, value=len(taken))
    return ok(words, "every skill in focus", value=len(taken))


def problems(scene: Scene) -> Finding:
    """Enough problems that an accuracy means something."""
    taken = scene.guild.newest(scene.key)
    if not taken:
        return skip("no examination yet")
    fewest = min(taken, key=lambda e: e.n)
    low, high = fewest.interval
    words = f"{fewest.n} problems of {fewest.skill} level {fewest.level}: 95 % interval {low:.0%} to {high:.0%}"
    remedy = "Ask more: realm config set curriculum.exam_problems 100. A tiny level simply has few."
    return at_least(fewest.n, FEW_PROBLEMS, TOO_FEW_PROBLEMS, words, f"{FEW_PROBLEMS} problems", remedy)


def canaries(scene: Scene) -> Finding:
    """The canaries were asked at the newest checkpoint."""
    if not scene.settings.passives.enabled:
        return skip("passives are switched off", "realm config set passives.enabled true")
    if scene.newest is None:
        return skip(NONE)
    asked = max((drift.sitting.step for drift in scene.canaries.standing(scene.key).values()), default=-1)
    if asked < scene.newest.step:
        words = f"asked last at step {asked}" if asked >= 0 else "never asked"
        return warn(words, f"step {scene.newest.step}", "They are asked when the hero wakes: realm start-all")
    return ok(f"asked at step {asked}", f"step {scene.newest.step}", value=asked)


def metrics(scene: Scene) -> Finding:
    """Steps were written as far as the newest checkpoint."""
    if scene.newest is None:
        return skip(NONE)
    latest = scene.metrics.latest(scene.key)
    step, every = latest.step if latest else 0, scene.resolved.hyperparameters.logging_steps
    words, limit = f"written up to step {step}", f"step {scene.newest.step}, but for {every - 1}"
    if step + every <= scene.newest.step:
        return fail(words, limit, "See logs/hero.log: the database refused, or was restored.", value=step)
    return ok(words, limit, value=step)


CHECKS = (
    Check("examined", "evaluation", "the newest checkpoint was examined", examined),
    Check("problems", "evaluation", "on enough problems", problems),
    Check("canaries", "evaluation", "the canaries were asked", canaries),
    Check("metrics", "evaluation", "the steps are on record", metrics),
)
