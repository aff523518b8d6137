"""Drift, forgetting, repeated rows, memorisation and loss spikes: slow harm that no single number shows."""

from __future__ import annotations

import json
from hashlib import blake2b

from realm.records import Row
from realm.temple.check import Check, Finding, at_least, at_most, fail, ok, skip, warn
from realm.temple.diagnosis.spikes import spikes
from realm.temple.scene import Scene

DISTINCT_WARN, DISTINCT_FAIL = 0.9, 0.5
MANY_SPIKES, TOO_MANY_SPIKES = 0, 5


def forgetting(scene: Scene) -> Finding:
    """No set of canaries is far below its best checkpoint."""
    standing = scene.canaries.standing(scene.key)
    if not standing:
        return skip("no canary was asked yet")
    drifted = [drift for drift in standing.values() if drift.severity]
    if not drifted:
        return ok(f"{len(standing)} sets hold", "no drift", value=0)
    worst = max(drifted, key=lambda drift: drift.drop)
    words = (
        f"{worst.sitting.module}: {worst.sitting.correct} of {worst.sitting.n} right, "
        f"{worst.best.correct} at step {worst.best.step}"
    )
    remedy = (
        f"What was trained since step {worst.best.step} makes it forget. Mix old data in, or go back: realm verdict"
    )
    is_bad = any(drift.severity == "critical" for drift in drifted)
    return (fail if is_bad else warn)(words, "no drift", remedy, value=100 * worst.drop)


def regression(scene: Scene) -> Finding:
    """No mastered level is slipping."""
    states = scene.guild.states(scene.key)
    if not states:
        return skip("no examination yet")
    slipping = [f"{skill} level {level}" for skill, state in states.items() for level in sorted(state.regressing)]
    remedy = "Practice repairs it by itself (repair_share). If it stays: realm config set curriculum.repair_share 0.4"
    if slipping:
        return warn(f"below their threshold: {', '.join(slipping)}", "none", remedy, value=len(slipping))
    return ok("every mastered level holds", "none slipping", value=0)


def memorisation(scene: Scene) -> Finding:
    """Problems of the training side are not answered much better than held-out ones."""
    gaps = {f"{e.skill} level {e.level}": e.gap for e in scene.guild.newest(scene.key) if e.gap is not None}
    if not gaps:
        return skip("no examination asked both sides")
    name, gap = max(gaps.items(), key=lambda pair: pair[1])
    bound = scene.settings.curriculum.wide_gap
    remedy = "It memorises. More variety, not more steps: wider levels (curriculum.levels_above), other forms of data."
    return at_most(gap, bound, 2 * bound, f"{name}: {gap:+.0%}", f"{bound:.0%}", remedy)


def repeated(scene: Scene) -> Finding:
    """The rows of the run's quest differ from each other."""
    if not scene.rows:
        return skip("the run's quest is not at hand")
    distinct = len({_digest(row) for row in scene.rows}) / len(scene.rows)
    remedy = "Remove the copies: realm validate FILE names them. A row seen twenty times is learned by heart."
    words = f"{distinct:.0%} of {len(scene.rows)} rows are different"
    return at_least(distinct, DISTINCT_WARN, DISTINCT_FAIL, words, f"{DISTINCT_WARN:.0%}", remedy)


def loss_spikes(scene: Scene) -> Finding:
    """The loss of the run did not jump."""
    found = spikes(list(scene.steps()))
    if scene.run is None or not scene.run.steps:
        return skip("no run to look at")
    words = f"{len(found)} spikes in {scene.run.steps} steps"
    if found:
        worst = max(found, key=lambda spike: spike.times)
        words += f"; the highest at step {worst.step}: {worst.loss:.2f}, {worst.times:.0f} deviations above the median"
    remedy = f"Look at the rows that made it: realm autopsy {scene.run.name}"
    return at_most(len(found), MANY_SPIKES, TOO_MANY_SPIKES, words, "none", remedy)


def _digest(row: Row) -> bytes:
    trained = {name: value for name, value in row.items() if name not in {"meta", "id"}}
    return blake2b(json.dumps(trained, sort_keys=True, default=str).encode(), digest_size=12).digest()


CHECKS = (
    Check("forgetting", "deep", "no set of canaries drifts", forgetting),
    Check("regression", "deep", "no mastered level slips", regression),
    Check("memorisation", "deep", "held-out problems go as well as those of the training side", memorisation),
    Check("repeated", "deep", "the run's rows are not copies of each other", repeated),
    Check("loss-spikes", "deep", "the loss did not jump", loss_spikes),
)
