from __future__ import annotations

import json
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import StrainSettings
from realm.errors import NonFinite
from realm.guild.strain import StrainMeter, advise, zone_of

SETTINGS = StrainSettings()
losses = st.lists(st.floats(0, 20), min_size=1, max_size=60)


def fed(values: list[float], **kwargs: float) -> StrainMeter:
    meter = StrainMeter(SETTINGS, **kwargs)
    for value in values:
        meter.update(value)
    return meter


@pytest.mark.parametrize(
    ("strain", "zone"),
    [
        (0.0, "recovery"),
        (0.0999, "recovery"),
        (0.1, "productive"),
        (0.3, "stretch"),
        (0.4999, "stretch"),
        (0.5, "overload"),
    ],
)
def test_zones_begin_at_their_bound(strain: float, zone: str) -> None:
    assert zone_of(strain, SETTINGS) == zone


@pytest.mark.parametrize(
    ("zone", "rate", "advice"),
    [
        ("overload", 0.0, "back_off"),
        ("overload", 0.01, "back_off"),
        ("overload", -0.01, "continue"),
        ("stretch", -0.01, "continue"),
        ("stretch", 0.01, "continue"),
        ("productive", 0.0, "continue"),
        ("recovery", 0.0, "level_up"),
        ("recovery", -0.01, "continue"),
        ("recovery", 0.01, "continue"),
    ],
)
def test_advice(zone: str, rate: float, advice: str) -> None:
    assert advise(zone, rate) == advice  # type: ignore[arg-type]


def test_strain_counts_only_what_lies_above_the_floor() -> None:
    meter = StrainMeter(SETTINGS, floor=0.2)
    assert meter.update(0.5).strain == pytest.approx(0.3)
    assert meter.update(0.1).strain == 0.0
    assert meter.effort == pytest.approx(0.3)


def test_a_floor_in_the_settings_wins() -> None:
    meter = StrainMeter(StrainSettings(floor=1.0), floor=0.2)
    assert meter.update(1.5).strain == pytest.approx(0.5)


def test_rate_is_the_ema_of_the_change() -> None:
    meter = StrainMeter(SETTINGS)
    assert meter.update(1.0).rate == 0.0
    assert meter.update(0.8).rate == pytest.approx(-0.02)
    assert meter.update(0.8).rate == pytest.approx(-0.018)


def test_advice_waits_for_ten_samples() -> None:
    assert fed([0.05] * 9).advice() == "wait"
    assert fed([0.05] * 10).advice() == "level_up"
    assert fed([2.0] * 10).advice() == "back_off"
    assert fed([2.0 - 0.05 * i for i in range(10)]).advice() == "continue"


def test_advice_looks_at_the_last_ten_only() -> None:
    assert fed([5.0] * 50 + [0.05] * 100).advice() == "level_up"


def test_gain_and_efficiency_start_anew_with_a_level() -> None:
    meter = fed([2.0, 1.0])
    meter.begin_level(floor=0.5)
    meter.update(1.0)
    reading = meter.update(0.75)
    assert reading.plastic_gain == pytest.approx(0.25)
    assert reading.efficiency == pytest.approx(0.25 / 0.75)
    assert meter.effort == pytest.approx(3.75)


def test_a_new_floor_is_not_mistaken_for_learning() -> None:
    meter = fed([1.0])
    meter.begin_level(floor=0.9)
    assert meter.update(1.0).rate == 0.0


def test_no_strain_for_a_loss_that_is_no_number() -> None:
    with pytest.raises(NonFinite):
        StrainMeter(SETTINGS).update(nan)


@given(losses, st.floats(0, 3))
def test_effort_is_the_sum_of_strain(values: list[float], floor: float) -> None:
    assert fed(values, floor=floor).effort == pytest.approx(sum(max(0.0, v - floor) for v in values))


@given(losses, losses)
def test_a_restored_meter_goes_on_as_if_nothing_had_happened(before: list[float], after: list[float]) -> None:
    meter = fed(before, floor=0.1)
    restored = StrainMeter.restore(SETTINGS, json.loads(json.dumps(meter.state())))
    assert [meter.update(v) for v in after] == [restored.update(v) for v in after]


def test_a_meter_without_a_saved_state_is_new() -> None:
    assert StrainMeter.restore(SETTINGS, None).state() == StrainMeter(SETTINGS).state()
