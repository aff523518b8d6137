"""A skill whose code fails is set aside in words, wherever it fails, and the others go on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from realm.config.schema import CurriculumSettings
from realm.db import Database
from realm.errors import SkillBroken
from realm.events import BlockerCleared, Events, standing_blockers
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.examiner import Target, examine
from realm.guild.practice import write
from realm.guild.roster import Roster
from realm.records import CampaignKey
from tests.guild.broken_skills import SOUND, WAYS, WORDS, install
from tests.guild.packages import install_module

KEY = CampaignKey("hatchling", "broken")
SETTINGS = CurriculumSettings(exam_problems=5, training_problems=3)
AT_THE_START = sorted(set(WAYS) - {"broken_score", "broken_meta", "broken_side"})
"""Those that fail when they are tried; the others only at work."""
WHEN_LOADED = set(AT_THE_START) - {"broken_generate", "broken_problem", "broken_value"}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    target = tmp_path / "packages"
    target.mkdir()
    monkeypatch.syspath_prepend(target)
    yield target


def silent(prompts: Sequence[str]) -> list[str]:
    return [""] * len(prompts)


def sit(engine: SkillEngine, *names: str) -> list[str]:
    """The skills whose examination at a checkpoint counts."""
    taken = examine(
        engine, KEY, 1, [Target(name, 1, "frontier") for name in names], silent, settings=SETTINGS, template_hash="t"
    )
    return [examination.skill for examination in taken]


@pytest.mark.parametrize("name", sorted(WAYS))
def test_whatever_it_does_it_ends_in_words_and_the_others_are_examined_and_practised(
    name: str, packages: Path, db: Database, tmp_path: Path
) -> None:
    install(packages, name)
    roster = Roster([name, "bin"], events := Events(db), KEY)
    assert roster.usable() == (["bin"] if name in WHEN_LOADED else [name, "bin"])
    assert sit(roster.engine, *roster.usable()) == ([name, "bin"] if name == "broken_meta" else ["bin"])
    for _ in range(2):  # the second time without it
        focus = roster.usable()
        mix = Mix({(skill, 1): 1 / len(focus) for skill in focus}, "because")
        try:
            write(mix, roster.engine, tmp_path / "practice.jsonl", 20, "seed")
        except SkillBroken as broken:
            roster.engine.set_aside(broken)
    assert roster.usable() == ["bin"]
    assert (tmp_path / "practice.jsonl").read_text().count("\n") == 20
    blocker, *more = standing_blockers(events)
    assert not more and blocker.blocker == f"skill-{name}"
    assert WORDS[name] in blocker.why and f"'{name}'" in blocker.why
    assert "uninstall" in blocker.fix


@pytest.mark.parametrize("name", AT_THE_START)
def test_the_start_tries_each_skill_once(name: str, packages: Path, db: Database) -> None:
    install(packages, name)
    roster = Roster([name, "bin"], events := Events(db), KEY)
    roster.call()
    roster.call()
    assert roster.usable() == ["bin"]
    assert [b.blocker for b in standing_blockers(events)] == [f"skill-{name}"]
    Roster([name, "bin"], events, KEY).call()
    assert len(events.newest(kinds=["blocker_raised"])) == 1


def test_a_mended_skill_ends_its_blocker(packages: Path, db: Database) -> None:
    install(packages, "broken_load")
    Roster(["broken_load"], events := Events(db), KEY).call()
    assert standing_blockers(events)
    module = packages / "realm_broken_load.py"
    module.write_text(SOUND.format(name="broken_load") + "\n\nmake = Sound\n\n# mended\n")
    import sys

    del sys.modules["realm_broken_load"]
    mended = Roster(["broken_load"], events, KEY)
    mended.call()
    assert mended.usable() == ["broken_load"] and standing_blockers(events) == []


def test_two_campaigns_have_blockers_of_their_own(packages: Path, db: Database) -> None:
    install(packages, "broken_load")
    rival = CampaignKey("rival", "elsewhere")
    Roster(["broken_load"], events := Events(db), KEY).call()
    Roster(["broken_load"], events, rival).call()
    assert len(standing_blockers(events)) == 2
    events.append(BlockerCleared(hero=rival.hero, campaign=rival.campaign, blocker="skill-broken_load"))
    assert standing_blockers(events, rival) == []
    assert [b.hero for b in standing_blockers(events, KEY)] == [KEY.hero]


def test_a_skill_that_is_not_installed_is_a_blocker_with_the_nearest_name(db: Database) -> None:
    roster = Roster(["bim", "bin"], events := Events(db), KEY)
    assert roster.usable() == ["bin"]
    assert "no skill named 'bim'" in standing_blockers(events)[0].why
    assert "bin" in standing_blockers(events)[0].fix


def test_a_package_cannot_take_the_place_of_a_skill_of_our_own(packages: Path, db: Database) -> None:
    install_module(
        packages, "realm-usurper", 'raise RuntimeError("never imported")', {"realm.skills": {"bin": "realm_usurper:x"}}
    )
    roster = Roster(["bin"], events := Events(db), KEY)
    roster.call()
    assert roster.engine.get("bin").name == "Binary arithmetic"
    assert "'realm-usurper' is left out" in standing_blockers(events)[0].why


def test_a_grader_that_fails_late_loses_only_its_own_examination(packages: Path, db: Database) -> None:
    install(packages, "broken_score")
    roster = Roster(["broken_score", "bin"], Events(db), KEY)
    roster.call()
    assert roster.usable() == ["broken_score", "bin"], "its own answers are graded well"
    assert sit(roster.engine, "broken_score", "bin") == ["bin"]
    assert roster.usable() == ["bin"]


def test_sound_values_pass_unchanged() -> None:
    engine, draw = SkillEngine(), random.Random("sound")
    for _ in range(50):
        level = draw.randint(1, 30)
        problem = engine.get("bin").generate(level, f"sound/{level}")
        assert engine.get("bin").score(problem, problem.answer).value == 1.0
