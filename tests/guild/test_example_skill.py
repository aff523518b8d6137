"""A skill that lives in a package of its own: Realm lists it, makes its problems, grades, examines and practises it."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from fastapi.testclient import TestClient

from realm.cli import main
from realm.config.schema import CurriculumSettings, ServiceSettings
from realm.db import Database
from realm.events import Events
from realm.guild import service
from realm.guild.curriculum import plan
from realm.guild.engine import SkillEngine
from realm.guild.examiner import examine, targets
from realm.guild.ledger import GuildLedger
from realm.guild.practice import write
from realm.guild.skill import spec_schema
from realm.records import CampaignKey
from tests.guild.packages import EXAMPLE, install_project

KEY = CampaignKey("hatchling", "clock")


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as pip would install it, and gone from this process afterwards."""
    target = tmp_path / "packages"
    install_project(target, EXAMPLE)
    monkeypatch.syspath_prepend(target)
    sys.modules.pop("realm_skill_clock", None)  # another test may have imported its own
    yield target
    sys.modules.pop("realm_skill_clock", None)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_it_is_installed_and_is_no_part_of_the_program(installed: Path) -> None:
    found = importlib.util.find_spec("realm_skill_clock")
    assert found and found.origin and Path(found.origin).is_relative_to(installed)
    assert "clock" in SkillEngine().names()


def test_the_command_line_lists_samples_and_tests_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["id"]: row for row in json.loads(said(capsys, "skill", "list", "--json"))}
    assert rows["clock"] == {
        "id": "clock", "name": "Clock times", "levels": 8, "from": "realm-skill-clock", "state": "ok",
    }  # fmt: skip
    assert rows["bin"]["from"] == "realm"
    problems = json.loads(said(capsys, "skill", "sample", "clock", "--level", "3", "--json"))
    assert len(problems) == 5 and all(":" in p["answer"] for p in problems)
    told = said(capsys, "skill", "test", "clock")
    assert "FAIL" not in told and told.count("ok  ") >= 10


def test_its_yaml_fits_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    skill = SkillEngine().get("clock")
    schema = spec_schema(type(skill.spec))
    assert json.loads(said(capsys, "skill", "schema", "clock")) == schema
    content = yaml.safe_load((EXAMPLE / "src/realm_skill_clock/clock.yaml").read_text(encoding="utf-8"))
    assert jsonschema_rs.validator_for(schema).is_valid(content)


def test_it_is_served() -> None:
    web = TestClient(service.create("clock", ServiceSettings()), base_url="http://localhost")
    assert web.get("/info").json()["levels"] == 8
    batch = web.post("/generate", json={"level": 8, "count": 5, "seed": "s"}).json()["problems"]
    asked = {"level": 8, "count": 5, "seed": "s", "side": "train", "responses": [p["answer"] for p in batch]}
    assert web.post("/score", json=asked).json()["accuracy"] == 1.0


def test_it_is_examined_and_levels_are_won_by_its_own_thresholds(db: Database) -> None:
    engine, settings = SkillEngine(), CurriculumSettings()
    ledger = GuildLedger(db, Events(db), settings, engine=engine)
    known = {p.prompt: p.answer for level in (1, 2) for p in engine.generate_eval_batch("clock", level, 100)}

    def answer(prompts: Sequence[str]) -> list[str]:
        return [known.get(prompt, "?") for prompt in prompts]

    for step in range(1, 7):
        asked = targets(ledger.states(KEY), {"clock": 8}, settings, step)
        ledger.record(examine(engine, KEY, step, asked, answer, settings=settings, template_hash="t"))
    assert [(t.level, t.step) for t in ledger.transitions(KEY)] == [(1, 3), (2, 6)]
    assert set(p.name for p in ledger.primitives(KEY, "clock")) <= set(engine.get("clock").spec.primitives)


def test_it_is_practised_beside_the_others(db: Database, tmp_path: Path) -> None:
    engine, settings = SkillEngine(), CurriculumSettings()
    view = GuildLedger(db, Events(db), settings, engine=engine).view(KEY, engine, ["bin", "clock"], advice={})
    path = write(plan(view, settings, "seed"), engine, tmp_path / "practice.jsonl", 200, "seed")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert 80 <= sum(row["skill"] == "clock" for row in rows) <= 120


def test_a_skill_of_a_package_keeps_the_sides_apart() -> None:
    engine, draw = SkillEngine(), random.Random("sides")
    exam = {p.content for level in range(1, 9) for p in engine.generate_eval_batch("clock", level)}
    trained = {
        p.content for level in range(1, 9) for p in engine.generate_batch("clock", level, 300, str(draw.random()))
    }
    assert exam and not exam & trained
