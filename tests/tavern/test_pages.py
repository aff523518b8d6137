"""Numbers as they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.tavern.pages import clock, count, duration, figure, percent, points, seconds, size


@pytest.mark.parametrize(("value", "shown"), [
    (None, "–"), (0.0, "0.000"), (0.1834, "0.183"), (0.00123, "0.0012"), (7.0412, "7.04"), (12.34, "12.3"),
    (123.4, "123"), (12345.6, "12\u202f346"), (-0.5, "-0.500"),
])  # fmt: skip
def test_figure(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_units() -> None:
    assert size(999) == "999 B"
    assert size(18_400_000) == "18.4 MB"
    assert size(2e12) == "2.0 TB"
    assert seconds(0.0863) == "86 ms"
    assert duration(33.2) == "33 s"
    assert duration(3725) == "1 h 02"
    assert percent(0.876) == "88\u202f%"
    assert points(-0.07) == "−7 points"
    assert count(1234567) == "1\u202f234\u202f567"
    assert len(clock(0.0)) == 8


@given(st.floats(0, 1e15))
def test_sizes_and_figures_are_always_short(value: float) -> None:
    assert len(size(value)) <= 11
    assert len(figure(value)) <= 24
