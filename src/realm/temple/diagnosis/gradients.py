"""Gradient health: over the steps of a run, and layer by layer where norms were measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from realm.records import StepMetrics
from realm.temple.diagnosis.advice import Diagnosis

EXPLODING, VANISHING = 100.0, 1e-7
LAYER_RATIO = 1e4
"""Between the layer with the largest gradient per weight and the one with the smallest."""
NAME = "gradients"


def over_steps(steps: Sequence[StepMetrics]) -> Diagnosis:
    """What the norms of the whole gradient say."""
    norms = [step.grad_norm for step in steps if math.isfinite(step.grad_norm)]
    if not norms:
        return Diagnosis(NAME, "fine", "No gradient norm is on record.")
    usual, highest = median(norms), max(norms)
    words = f"Norm {usual:.3g} in the middle, {highest:.3g} at the highest."
    if len(norms) < len(steps):
        return Diagnosis(NAME, "bad", f"{words} At {len(steps) - len(norms)} steps it is no number.", _EXPLODES)
    if highest > EXPLODING:
        return Diagnosis(NAME, "bad", f"{words} It explodes.", _EXPLODES)
    if usual < VANISHING:
        return Diagnosis(NAME, "bad", f"{words} It vanishes: the weights hardly move.", _VANISHES)
    return Diagnosis(NAME, "fine", words)


def by_layer(norms: Mapping[str, float]) -> Diagnosis:
    """What root-mean-square gradients of the layers say: layer -> gradient per weight, in the order of the model."""
    broken = [name for name, norm in norms.items() if not math.isfinite(norm)]
    if broken:
        return Diagnosis(NAME, "bad", f"Not a number in {', '.join(broken[:3])} ({len(broken)} layers).", _EXPLODES)
    if not norms:
        return Diagnosis(NAME, "fine", "No layer has a gradient: all are frozen.")
    still = [name for name, norm in norms.items() if norm < VANISHING]
    if still:
        return Diagnosis(NAME, "bad", f"Nothing arrives in {', '.join(still[:3])} ({len(still)} layers).", _VANISHES)
    large, small = max(norms, key=lambda n: norms[n]), min(norms, key=lambda n: norms[n])
    ratio = norms[large] / norms[small]
    words = f"From {norms[small]:.2g} ({small}) to {norms[large]:.2g} ({large}) per weight: a factor of {ratio:.3g}."
    if ratio > LAYER_RATIO:
        return Diagnosis(NAME, "note", words, "Layers learn at unlike speed: a longer warm-up, or Muon, evens it out.")
    return Diagnosis(NAME, "fine", words)


_EXPLODES = "Lower learning_rate, lengthen warmup_steps, keep max_grad_norm at 1. One batch alone: look at its rows."
_VANISHES = "Is the layer frozen by an adapter on purpose? Else raise learning_rate, or look for a loss of zero."
