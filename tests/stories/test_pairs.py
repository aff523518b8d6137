"""A hero that has really trained learns from its own right and wrong answers, by each method of preferences."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from math import log
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from safetensors.torch import load_file

from realm.arena.engine import Engine
from realm.cli import main
from realm.cli.context import open_workspace
from realm.config.run_spec import campaign_spec
from realm.events import Fact
from realm.guild.engine import SkillEngine
from realm.heroes import hero as heroes
from realm.quests.formats import read
from realm.records import Progress, StepMetrics
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.arena.arena_support import Notes
from tests.stories.conftest import SETTINGS, Nursery

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


def run(home: Workspace, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(home.root), *arguments])
    return int(ended.value.code or 0)


def facts(home: Workspace, kind: str) -> list[Fact]:
    realm = open_workspace(home)
    found = [r.fact for r in realm.events.replay(kinds=[kind])]
    realm.db.close()
    return found


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Workspace:
    """A tiny hero that has seen enough of BIN to get some answers right and some wrong."""
    home = Workspace(tmp_path_factory.mktemp("pairs") / "realm")
    home.create()
    home.settings.write_text(CHOSEN)
    problems = SkillEngine().generate_batch("bin", 1, 2400, "started")
    lines = [json.dumps({"prompt": p.prompt, "completion": p.answer}, ensure_ascii=False) + "\n" for p in problems]
    (home.inbox / "bin.jsonl").write_text("".join(lines), encoding="utf-8")
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
        assert run(started, "spar", "--skill", "bin", "--count", "400", "--level", "1", "--as", "pairs", "--json") == 0
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
    assert said["examples"] == len(story["rows"]) >= 80
    assert (about["parameters"]["samples"], about["parameters"]["temperature"]) == (8, 1.4)
    assert all(row["chosen"] != row["rejected"] and row["meta"]["skill"] == "bin" for row in story["rows"])
    assert [f.method for f in facts(started, "run_started")] == ["sft", "dpo"]  # type: ignore[attr-defined]
    assert said["file"] in [f.name for f in facts(started, "quest_completed")]  # type: ignore[attr-defined]


def test_dpo_raises_margin_and_accuracy_on_held_out_pairs(story: dict[str, Any], started: Workspace) -> None:
    steps = [step for step in steps_of(started) if step.step > story["progress"].step]
    margins, accuracies = held_out(steps, "margin"), held_out(steps, "accuracy")
    losses, seen = [s.val_loss for s in steps if s.val_loss is not None], [s.measures["accuracy"] for s in steps]
    print(f"\n  dpo: {len(steps)} steps, held out: margin {margins[0]:.3f} to {margins[-1]:.3f}", end=", ")
    print(f"accuracy {accuracies[0]:.2f} to {accuracies[-1]:.2f}, loss {losses[0]:.3f} to {losses[-1]:.3f}", end="; ")
    print(f"trained: accuracy {fmean(seen[:5]):.2f} to {fmean(seen[-5:]):.2f}")
    assert abs(steps[0].measures["margin"]) < 1e-3
    assert margins[-1] > 0.05 and margins[-1] > margins[0] and losses[-1] < log(2)
    assert fmean(seen[-5:]) > fmean(seen[:5]) + 0.1 and accuracies[-1] > 0.5


@pytest.mark.parametrize("method", ["kto", "orpo"])
def test_the_other_methods_move_what_they_promise(method: str, story: dict[str, Any], started: Workspace) -> None:
    realm = open_workspace(started)
    spec = campaign_spec(realm.settings)
    realm.db.close()
    hero = heroes.load(spec.profile, models=started.models, checkpoint=story["folder"], name="hatchling")
    engine = Engine.open(hero, spec.hyperparameters, progress=story["progress"], checkpoint=story["folder"])
    notes = Notes()
    engine.train(story["rows"], run="r", quest=method, hooks=notes, method=method)
    margins, losses = held_out(notes.steps, "margin"), notes.losses
    print(f"\n  {method}: margin {margins[0]:.3f} to {margins[-1]:.3f}", end=", ")
    print(f"loss {fmean(losses[:5]):.3f} to {fmean(losses[-5:]):.3f}")
    assert margins[-1] > margins[0] and fmean(losses[-5:]) < fmean(losses[:5])


def preferences(root: Path) -> Workspace:
    """A realm with one quest of preferences, of about twenty steps."""
    home = Workspace(root)
    home.create()
    home.settings.write_text(SETTINGS.replace("save_steps = 5", "save_steps = 2"))
    rows = ({"prompt": f"{i}?", "chosen": f"yes {i % 7}", "rejected": f"{i % 5} no"} for i in range(80))
    (home.inbox / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return home


def test_kill_9_in_a_quest_of_preferences_ends_like_an_uninterrupted_run(nursery: Nursery, tmp_path: Path) -> None:
    calm, stormy = preferences(tmp_path / "calm"), preferences(tmp_path / "stormy")
    began = time.monotonic()
    assert nursery.live(calm.root) == 0
    whole_life, moments, kills = time.monotonic() - began, random.Random("preferences"), 0
    for _ in range(6):
        pid = nursery.start(stormy.root)
        time.sleep(moments.uniform(0.15, 0.5) * whole_life)
        kills += nursery.kill(pid) != 0
    assert kills >= 2 and nursery.live(stormy.root) == 0
    (one, there), (other, here) = newest(calm), newest(stormy)
    assert there.step == here.step and there.quest_done and here.quest_done
    left, right = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)
    series = [list(map(told, steps_of(home))) for home in (calm, stormy)]
    assert series[0] == series[1] and all(measures for *_, measures in series[0])


def steps_of(home: Workspace) -> list[StepMetrics]:
    realm = open_workspace(home)
    found = Metrics(realm.db).after(realm.key, 0)
    realm.db.close()
    return found


def told(step: StepMetrics) -> tuple[int, float, dict[str, float]]:
    return step.step, step.loss, dict(step.measures)
