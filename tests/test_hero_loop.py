"""What the hero's day refuses before anything is loaded; the stories train for real."""

from __future__ import annotations

import json

import pytest

from realm.config.layers import load
from realm.db import Database
from realm.errors import UsageError
from realm.events import Events
from realm.hero_loop import HeroLoop
from realm.workspace import Workspace


def test_a_base_in_four_bits_is_refused_where_there_is_no_card(
    workspace: Workspace, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no driver answers
    settings = load(overrides=["campaign.hero=FLO", "adapters.standard.quantize=nf4"], env={})
    with pytest.raises(UsageError, match="FLO is to learn on a base in 4 bits") as refused:
        HeroLoop(workspace, settings, db, Events(db))
    assert "realm config set adapters.standard.quantize none" in refused.value.hint
    HeroLoop(workspace, load(overrides=["campaign.hero=FLO"], env={}), db, Events(db))


def test_arrivals_are_checked_deeply_where_the_settings_say_so(workspace: Workspace, db: Database) -> None:
    """The hero's own queue knows the examinations and what was trained; the rows are shown in its form."""
    said = ["quests.validation=deep", "heroes.hatchling.data_profile=regime3", "passives.enabled=false"]
    hero = HeroLoop(workspace, load(overrides=said, env={}), db, Events(db))
    hero.stand()
    hero.open_queue()
    problem = hero.skills.generate_eval_batch("bin", 2)[0]
    leaked, good = workspace.inbox / "leaked.jsonl", workspace.inbox / "good.jsonl"
    leaked.write_text(json.dumps({"prompt": problem.prompt, "completion": problem.answer}) + "\n")
    good.write_text(json.dumps({"prompt": "Who are you?", "completion": "Who are you?"}) + "\n")
    refused, taken = hero.inbox.take(leaked), hero.inbox.take(good)
    assert refused and refused.outcome == "rejected" and "hold a question of an examination" in refused.reason
    assert taken and taken.state == "normal"
    report = json.loads(hero.queue.report(taken.id))
    assert report["level"] == "deep" and report["finding_counts"] == {"echo": 1}
    assert "<answer>Who are you?</answer>" in report["words"].replace("⟦", "").replace("⟧", "")
