"""What a campaign has to show for itself: exported whole, read back, compared, drawn, told as a story."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.cli.campaign_compare import compared, draw, level_costs, level_curve, rows
from realm.config.schema import CampaignSettings, CurriculumSettings
from realm.db import Database
from realm.errors import MissingExtra, UsageError
from realm.events import Events
from realm.guild.campaign_report import at_work, read, report, write
from realm.guild.ledger import GuildLedger
from realm.guild.level_cap import SkillVerdict
from realm.guild.progression import Examination
from realm.records import CampaignKey

KEY = CampaignKey("hatchling", "one")


def story(db: Database, key: CampaignKey, *, every: int = 100) -> dict[str, Any]:
    """Two levels gained, the first one lost and regained, a cap at the end."""
    ledger = GuildLedger(db, Events(db), CurriculumSettings(consecutive=1, unmaster_after=1), clock=lambda: 42.0)
    ledger.begin(
        key, CampaignSettings(seed=3), settings={"tables": {"campaign": {"practice_seed": "p"}}, "versions": {}}
    )
    for number, (level, percent) in enumerate(((1, 90), (2, 85), (1, 20), (1, 95), (3, 50)), start=1):
        step = number * every
        ledger.record_tokens(key, step, {("bin", 1): 10 * number, ("bin", 2): number, ("bin", 3): 100})
        taken = Examination(
            key=key, step=step, skill="bin", level=level, role="panel" if number == 3 else "frontier", n=100,
            correct=percent, tokens=step * 10, time=1000.0 + 60 * number,
        )  # fmt: skip
        ledger.record([taken])
    verdict = SkillVerdict("bin", True, 2, "bin level 3: no further.", None, 10, 10)
    ledger.max_out(key, [verdict], step=5 * every, tokens=50 * every)
    campaign = ledger.campaign(key)
    assert campaign is not None
    return report(
        ledger, campaign, {"steps": 5 * every, "tokens": 50 * every, "seconds": 300.0, "lowest_val_loss": 0.25}
    )


def test_a_report_is_written_and_read_back_as_it_was(db: Database, tmp_path: Path) -> None:
    found = story(db, KEY)
    assert read(write(tmp_path / "x.json", found)) == json.loads(json.dumps(found))
    assert found["seeds"] == {"weights": 3, "practice": "p", "examinations": "exam"}
    assert found["bests"]["levels"] == {"bin": 2} and found["bests"]["examination"]["correct"] == 95
    assert found["level_cap"]["levels"] == {"bin": 2}


def test_the_story_in_a_few_lines(db: Database) -> None:
    told = [each["words"] for each in story(db, KEY)["milestones"]]
    assert told == [
        "begun", "bin level 1 gained", "bin level 2 gained", "bin level 1 lost", "bin level 1 regained",
        "best examination: bin level 1, 95/100", "maxed out: level cap bin 2",
    ]  # fmt: skip


def test_the_level_over_tokens_and_time(db: Database) -> None:
    points = level_curve(story(db, KEY), "bin")
    levels = [(p["tokens"], p["level"]) for p in points]
    assert levels == [(0, 0), (1000, 1), (2000, 2), (3000, 0), (4000, 2), (5000, 2)]
    assert [p["seconds"] for p in points] == [0.0, 0.0, 60.0, 120.0, 180.0, 240.0]


def test_two_campaigns_side_by_side(db: Database) -> None:
    one, other = story(db, KEY), story(db, CampaignKey("smol", "two"), every=50)
    table = {row[0]: row[1:] for row in rows(one, other)}
    assert table["bin: level cap"] == ("2", "2")
    assert table["bin level 2: tokens then"] == ("2,000", "1,000")
    assert table["trained tokens"] == ("5,000", "2,500")
    assert [c["name"] for c in compared(one, other)["campaigns"]] == ["hatchling:one", "smol:two"]
    assert [c["level"] for c in level_costs(one, "bin")] == [1, 2, 3]


def test_a_campaign_that_has_nothing_yet_is_compared_too(db: Database) -> None:
    ledger = GuildLedger(db, Events(db))
    empty = report(ledger, ledger.begin(KEY, CampaignSettings()), {})
    table = {row[0]: row[1:] for row in rows(empty, empty)}
    assert table["bin: level cap"] == ("not reached", "not reached") and table["lowest validation loss"] == ("-", "-")


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_picture_is_drawn(db: Database, tmp_path: Path, ending: str, begins: bytes) -> None:
    found = story(db, KEY)
    assert draw(tmp_path / f"x.{ending}", found, found).read_bytes().startswith(begins)


def test_what_cannot_be_drawn_is_said(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = story(db, KEY)
    with pytest.raises(UsageError, match="no picture's name"):
        draw(tmp_path / "x.txt", found, found)
    with pytest.raises(UsageError, match="cannot be written"):
        draw(tmp_path / "none" / "x.png", found, found)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra) as caught:
        draw(tmp_path / "x.png", found, found)
    assert caught.value.hint == "Install it: pip install 'realm[plot]'"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no exported campaign"),
        ('{"format": "realm campaign", "version": 9}', "version 9"),
        ('{"format": "realm campaign", "version": 1, "settings": {}}', "settings"),
        ('{"format": "realm campaign", "version": 1, "settings": {"a": 1}, "hero": 3}', "hero"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=told) as caught:
        read(file)
    assert caught.value.hint
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "absent.json")


@given(st.lists(st.floats(0, 1e6), max_size=20).map(sorted))
def test_time_at_work_grows_and_leaves_rests_out(times: list[float]) -> None:
    found = at_work(times)
    assert found == sorted(found)
    worked = sum(b - a for a, b in pairwise(times) if b - a <= 600)
    assert worked == pytest.approx(max(found, default=0))


def test_personal_bests_are_what_a_scan_finds(db: Database) -> None:
    """The rows that are kept as examinations come say the same as all that is stored."""
    from realm.guild import personal_bests

    story(db, KEY)
    with db.write() as connection:
        kept = personal_bests.read(connection, KEY)
        personal_bests.recount(connection, KEY)
        assert personal_bests.read(connection, KEY) == kept
    assert asdict(kept)["levels"] == {"bin": 2}
