"""A hero that has really trained learns from its own right and wrong answers, by each method of preferences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from realm.arena.engine import Engine
from realm.cli.context import open_workspace
from realm.config.run_spec import campaign_spec
from realm.heroes import hero as heroes
from realm.quests.formats import read
from realm.records import Progress, StepMetrics
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.arena.arena_support import Notes
from tests.stories.conftest import SETTINGS, Nursery
from tests.stories.realm_support import facts, practise, run

pytestmark = pytest.mark.slow

CHOSEN = SETTINGS.replace("exam_max_new_tokens = 24", "exam_max_new_tokens = 40").replace(
    "max_length = 128\nsave_steps = 5\neval_steps = 5",
    """max_length = 256
save_steps = 500
eval_steps = 10
eval_fraction = 0.2
num_train_epochs = 2
ema_decay = 0.9
preference_learning_rate_share = 0.3

[heroes.hatchling.sparring]
samples = 8
temperature = 1.4""",
)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Workspace:
    """A tiny hero that has seen enough of BIN to get some answers right and some wrong."""
    home = Workspace(tmp_path_factory.mktemp("pairs") / "realm")
    home.create()
    home.settings.write_text(CHOSEN)
    practise(home, 2400, "started")
    assert nursery.live(home.root) == 0
    return home


def newest(home: Workspace) -> tuple[Path, Progress]:
    realm = open_workspace(home)
    record = CheckpointLedger(realm.db, realm.events).newest(realm.key)
    realm.db.close()
    assert record is not None
    folder = home.checkpoints(record.hero, record.campaign) / Path(record.path).name
    return folder, Progress(**json.loads((folder / "realm.json").read_text())["progress"])


def held_out(steps: Sequence[StepMetrics], measure: str) -> list[float]:
    return [step.measures[f"val_{measure}"] for step in steps if f"val_{measure}" in step.measures]


@pytest.fixture(scope="module")
def story(started: Workspace, nursery: Nursery) -> dict[str, Any]:
    """The command makes pairs of the hero's own answers, and the hero trains on them."""
    folder, progress = newest(started)
    with redirect_stdout(StringIO()) as out:
        assert run(started, "spar", "--skill", "bin", "--count", "200", "--level", "1", "--as", "pairs", "--json") == 0
    said = json.loads(out.getvalue())
    (file,) = started.queue("high").glob("*.jsonl")
    about = json.loads(file.with_name(file.name + ".meta.json").read_text())
    rows = [line.row for line in read(file)]
    assert nursery.live(started.root) == 0
    return {"said": said, "about": about, "rows": rows, "folder": folder, "progress": progress}


def test_own_pairs_are_queued_with_their_lineage_and_trained_by_dpo(story: dict[str, Any], started: Workspace) -> None:
    said, about = story["said"], story["about"]
    assert said["checkpoint"] == f"hatchling:story@{story['progress'].step}" == about["checkpoint"]
    assert (said["method"], about["method"], about["source"]) == ("dpo", "dpo", "sparring")
    assert said["examples"] == len(story["rows"]) >= 30
    assert (about["parameters"]["samples"], about["parameters"]["temperature"]) == (8, 1.4)
    assert all(row["chosen"] != row["rejected"] and row["meta"]["skill"] == "bin" for row in story["rows"])
    assert [f.method for f in facts(started, "run_started")] == ["sft", "dpo"]  # type: ignore[attr-defined]
    assert said["file"] in [f.name for f in facts(started, "quest_completed")]  # type: ignore[attr-defined]


def ends(steps: Sequence[StepMetrics], measure: str) -> tuple[float, float]:
    """The mean of the first and of the last steps: in the second pass each pair has been seen once."""
    found = [step.measures[measure] for step in steps if measure in step.measures]
    return fmean(found[:8]), fmean(found[-8:])


def test_dpo_raises_margin_and_accuracy_of_the_heros_own_pairs(story: dict[str, Any], started: Workspace) -> None:
    """Whether what it learned of a hundred pairs holds for others is printed: so young a hero mostly remembers them."""
    steps = [step for step in steps_of(started) if step.step > story["progress"].step]
    (began, ended), (right, sure) = ends(steps, "margin"), ends(steps, "accuracy")
    print(
        f"\n  dpo: {len(steps)} steps, margin {began:.3f} to {ended:.3f}, accuracy {right:.2f} to {sure:.2f}", end="; "
    )
    print(
        "held out:", [f"{m:.2f}" for m in held_out(steps, "margin")], [f"{a:.2f}" for a in held_out(steps, "accuracy")]
    )
    assert abs(steps[0].measures["margin"]) < 1e-3
    assert ended > began + 0.1 and sure > right + 0.1


@pytest.mark.parametrize("method", ["kto", "orpo"])
def test_the_other_methods_move_what_they_promise(method: str, story: dict[str, Any], started: Workspace) -> None:
    realm = open_workspace(started)
    spec = campaign_spec(realm.settings)
    realm.db.close()
    hero = heroes.load(spec.profile, models=started.models, checkpoint=story["folder"], name="hatchling")
    engine = Engine.open(hero, spec.hyperparameters, progress=story["progress"], checkpoint=story["folder"])
    notes = Notes()
    engine.train(story["rows"], run="r", quest=method, hooks=notes, method=method)
    (began, ended), losses = ends(notes.steps, "margin"), notes.losses
    print(f"\n  {method}: margin {began:.3f} to {ended:.3f}, loss {fmean(losses[:8]):.3f} to {fmean(losses[-8:]):.3f}")
    print("  held out:", [f"{margin:.2f}" for margin in held_out(notes.steps, "margin")])
    assert ended > began and fmean(losses[-8:]) < fmean(losses[:8])


def steps_of(home: Workspace) -> list[StepMetrics]:
    realm = open_workspace(home)
    found = Metrics(realm.db).after(realm.key, 0)
    realm.db.close()
    return found
