"""A reader of style alone: logistic regression on lengths, layout and characters. It calculates nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np

FOLDS = 5


def features(prompt: str, proposal: str) -> Counter[str]:
    """What a text looks like without being understood: lengths, lines, what characters and pairs of them it has."""
    marks: Counter[str] = Counter({
        "characters": len(proposal), "lines": proposal.count("\n") + 1, "prompt": len(prompt),
        "after the last =": len(proposal.rpartition("=")[2]), "spaces": sum(c.isspace() for c in proposal),
        "capitals": sum(c.isupper() for c in proposal), "last line": len(proposal.rpartition("\n")[2]),
    })  # fmt: skip
    marks.update(f"has {c}" for c in proposal)
    marks.update(f"pair {a}{b}" for a, b in pairwise(proposal))
    marks.update([f"ends {proposal[-2:]}", f"begins {proposal[:2]}"])
    return marks


def accuracy(pairs: Sequence[tuple[Counter[str], Counter[str]]]) -> float:
    """Share of (wrong, right) texts that a classifier trained on other pairs names well; 0.5 is chance.

    Both texts of a pair are in the same fold, so that no twin of a text was trained on.
    """
    order = Random("folds").sample(range(len(pairs)), len(pairs))
    hits = 0
    for fold in range(FOLDS):
        tested = order[fold::FOLDS]
        trained = [i for i in order if i not in set(tested)]
        names = sorted({name for i in trained for side in pairs[i] for name in side})
        x, y = _table(pairs, trained, names)
        mean, spread = x.mean(0), x.std(0) + 1e-9
        weights = _fit((x - mean) / spread, y)
        x, y = _table(pairs, tested, names)
        hits += int(((((x - mean) / spread).clip(-5, 5) @ weights > 0) == (y > 0.5)).sum())
    return hits / (2 * len(pairs))


def _table(pairs: Sequence[tuple[Counter[str], Counter[str]]], which: Sequence[int], names: Sequence[str]):  # type: ignore[no-untyped-def]
    rows = [[side[name] for name in names] for i in which for side in pairs[i]]
    return np.array(rows, dtype=float), np.array([0.0, 1.0] * len(which))


def _fit(x, y, steps: int = 400, rate: float = 0.3, decay: float = 0.05):  # type: ignore[no-untyped-def]
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        weights -= rate * (x.T @ (p - y) / len(y) + decay * weights)
    return weights
