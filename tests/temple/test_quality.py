"""The quality of a run: the definition, number by number, and that it cannot leave 0..1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.temple.check import GROUPS
from realm.temple.quality import Learning, factor, quality, trend

ok = dict.fromkeys(GROUPS, "ok")
shares = st.floats(0, 1)
groups = st.dictionaries(st.sampled_from(list(GROUPS)), st.sampled_from(["ok", "warn", "fail", "skip"]))


@pytest.mark.parametrize(("learning", "value"), [
    (Learning(1.0, 1.0, 1.0), 1.0), (Learning(0.0, 0.0, -1.0), 0.0), (Learning(0.5, 1.0, 0.0), 0.3 + 0.2 + 0.1),
    (Learning(0.0, 0.0, 0.0), 0.1), (Learning(0.0, 1.0, -1.0), 0.2), (Learning(1.0, 0.0, -7.0), 0.6),
])  # fmt: skip
def test_evidence(learning: Learning, value: float) -> None:
    assert learning.evidence == pytest.approx(value)


@pytest.mark.parametrize(("changed", "value"), [
    ({}, 1.0), ({"deep": "fail"}, 0.7), ({"deep": "fail", "quick": "fail"}, 0.49), ({"deep": "warn"}, 0.9),
    ({"deep": "fail", "quick": "fail", "api": "fail", "skills": "fail", "evaluation": "fail"}, 0.3),
    ({name: "warn" for name in GROUPS}, 0.7), ({"deep": "fail", "quick": "warn"}, 0.63), ({"deep": "skip"}, 1.0),
    ({"checkpoint": "fail"}, 0.0), ({"hardware": "fail"}, 0.0), ({"inference": "fail"}, 0.0),
    ({"hardware": "warn"}, 0.9),
])  # fmt: skip
def test_what_groups_leave_of_it(changed: dict[str, str], value: float) -> None:
    assert factor({**ok, **changed}) == pytest.approx(value)  # type: ignore[dict-item]


@pytest.mark.parametrize(("learning", "changed", "proof", "word"), [
    (Learning(0.9, 1.0, 0.5), {}, 1.0, "blessed"), (Learning(0.5, 1.0, 0.5), {}, 1.0, "partial"),
    (Learning(1.0, 1.0, 1.0), {"checkpoint": "fail"}, 1.0, "cursed"), (Learning(1.0, 1.0, 1.0), {}, 0.0, "unproven"),
    (Learning(0.9, 1.0, 0.5), {"deep": "fail"}, 1.0, "partial"),
])  # fmt: skip
def test_the_word(learning: Learning, changed: dict[str, str], proof: float, word: str) -> None:
    assert quality(learning, {**ok, **changed}, proof).word == word  # type: ignore[dict-item]


@given(shares, shares, st.floats(-5, 5), groups, shares)
def test_it_stays_within_bounds(
    accuracy: float, coverage: float, rise: float, found: dict[str, str], proof: float
) -> None:
    seen = quality(Learning(accuracy, coverage, rise), found, proof)  # type: ignore[arg-type]
    assert 0.0 <= seen.value <= 1.0 + 1e-12
    assert seen.value <= seen.evidence + 1e-12
    if any(found.get(name) == "fail" for name in ("hardware", "checkpoint", "inference")):
        assert seen.value == 0.0 and seen.word == "cursed"


def test_trend_is_the_rise_of_the_line_over_the_last_ten() -> None:
    assert trend([]) == trend([0.5]) == trend([0.1, 0.9]) == 0.0
    assert trend([0.2, 0.3, 0.4]) == pytest.approx(0.2)
    assert trend([0.0] * 5 + [i / 9 for i in range(10)]) == pytest.approx(1.0)
    assert trend([1.0, 0.5, 0.0]) == pytest.approx(-1.0)
    assert trend([0.4] * 12) == pytest.approx(0.0)
