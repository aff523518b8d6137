"""Which steps and zones of strain are worth a fact."""

from __future__ import annotations

from realm.config.schema import StrainSettings
from realm.events import StepsReached, StrainZoneEntered
from realm.guild.marks import Marks


def test_the_first_the_hundredth_and_every_thousandth_step() -> None:
    marks = Marks(StrainSettings())
    told = [f for step in range(1, 3002) for f in marks.after(step, "", 0.0) if isinstance(f, StepsReached)]
    assert [(f.step, f.hero_level) for f in told] == [(1, 0), (100, 0), (1000, 1), (2000, 2), (3000, 3)]


def test_a_zone_is_entered_by_the_mean_of_ten_steps_and_told_once() -> None:
    marks = Marks(StrainSettings())
    strains = [0.9] * 10 + [0.2] * 30 + [0.9] * 30 + [0.2] * 10
    told = [f for step, s in enumerate(strains, 2) for f in marks.after(step, "bin", s)
            if isinstance(f, StrainZoneEntered)]  # fmt: skip
    assert [f.zone for f in told] == ["overload", "stretch", "productive"]
    assert told[0].step == 11, "the tenth of them"


def test_each_skill_has_zones_of_its_own() -> None:
    marks = Marks(StrainSettings())
    told = [f for step in range(2, 30) for skill in ("bin", "sy") for f in marks.after(step, skill, 0.2)]
    assert [f.skill for f in told if isinstance(f, StrainZoneEntered)] == ["bin", "sy"]
