"""What a training method measures beside the loss, for the battle panel. Pure: reads no database.

What the measures mean is docs/methods.md; a measure that is not named here (a plugin's) is shown under its own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from realm.records import StepMetrics
from realm.tavern.shown import Measure

NAMED = {
    "reward": ("Reward", "mean of the grader's rewards over the prompts of the step, 0 to 1"),
    "signal": ("Signal", "share of the prompts asked whose answers did not all earn the same"),
    "length": ("Length", "mean length of a sampled answer in tokens"),
    "cut": ("Cut", "share of the answers that did not come to an end by themselves"),
    "answer_tokens": ("Length", "mean length of the student's answers in tokens"),
    "on_policy": ("On-policy", "share of the answers that the student wrote itself"),
    "ended": ("Ended", "share of the sampled answers that came to an end by themselves"),
    "margin": ("Margin", "how much more the chosen answers have gained than the rejected ones"),
    "accuracy": ("Pairs right", "share of the pairs whose chosen answer has gained more"),
    "chosen_reward": ("Chosen", "what the chosen answers have gained over the reference, times beta"),
    "rejected_reward": ("Rejected", "what the rejected answers have gained over the reference, times beta"),
    "log_odds": ("Log odds", "of the chosen answers against the rejected ones"),
    "kl": ("KL", "mean divergence from the reference or the teacher, in nats"),
    "entropy": ("Entropy", "mean entropy of the tokens, in nats"),
    "weight_min": ("Least weight", "of a token in the loss"),
    "weight_max": ("Most weight", "of a token in the loss"),
    "plain_loss": ("Plain loss", "without the weights of the tokens"),
}
MOST = 8
"""Measures that are shown."""
LINE_STEPS = 200
"""Steps that a line stands for at most."""
WIDTH, HEIGHT, EDGE = 100, 24, 2


def measures(recent: Sequence[StepMetrics]) -> list[Measure]:
    """Those of the newest step, each with its line over the steps of the same quest. `recent` is oldest first.

    Measures on held-out rows (`val_...`) stand beside the validation loss only, and are left out.
    """
    rows = _of_the_quest(recent)
    if not rows:
        return []
    told = [name for name in NAMED if name in rows[-1].measures]
    told += sorted(name for name in rows[-1].measures if name not in NAMED and not name.startswith("val_"))
    return [_measure(name, rows) for name in told if name != "weight_mean"][:MOST]  # weights have mean 1


def _of_the_quest(recent: Sequence[StepMetrics]) -> list[StepMetrics]:
    """The newest steps back to where their quest began, as many as a line stands for."""
    first = len(recent) - 1
    for before, after in pairwise(range(len(recent) - 1, -1, -1)):
        if recent[after].quest_step >= recent[before].quest_step:
            break
        first = after
    return list(recent[max(0, first) :][-LINE_STEPS:])


def _measure(name: str, rows: Sequence[StepMetrics]) -> Measure:
    label, about = NAMED.get(name, (name.replace("_", " ").capitalize(), f"`{name}`, as its method tells it"))
    values = [row.measures[name] for row in rows if name in row.measures]
    return Measure(name, label, about, values[-1], " ".join(_points(values)))


def _points(values: Sequence[float]) -> Iterator[str]:
    """A line in a box of WIDTH by HEIGHT, from the lowest value at its foot to the highest at its head."""
    if len(values) < 2:
        return
    low, high = min(values), max(values)
    for place, value in enumerate(values):
        share = (value - low) / (high - low) if high > low else 0.5
        yield f"{WIDTH * place / (len(values) - 1):.1f},{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share:.1f}"
