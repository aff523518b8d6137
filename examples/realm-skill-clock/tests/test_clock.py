"""The skill obeys Realm's laws, and its arithmetic is that of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from realm_skill_clock import ClockSkill, duration, moment, time

from realm.guild.laws import LAWS, Law

SKILL = ClockSkill()
MIDNIGHT = datetime(2024, 1, 10)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law) -> None:
    assert list(law(SKILL)) == []


@pytest.mark.parametrize("level", range(1, SKILL.levels + 1))
def test_answers_are_those_of_the_calendar(level: int) -> None:
    for number in range(200):
        problem = SKILL.generate(level, f"calendar/{number}")
        ask, _, numbers = problem.content.rstrip(")").partition("(")
        start, minutes = map(int, numbers.split(","))
        begin, length = MIDNIGHT + timedelta(minutes=start), timedelta(minutes=minutes)
        if ask == "between":
            end = begin + length
            assert problem.prompt == f"{begin:%H:%M} to {end:%H:%M}" and problem.answer == duration(minutes)
            continue
        end = begin + length if ask == "later" else begin - length
        days = (end.date() - MIDNIGHT.date()).days
        assert problem.answer == f"{end:%H:%M}" + (f" {days:+}" if days else "")


def test_how_times_are_written() -> None:
    assert (time(65), duration(605), moment(-5), moment(1450)) == ("01:05", "10h05", "23:55 -1", "00:10 +1")
