"""Every check twice: it passes on a healthy realm, and finds a realm that is really broken in its way."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realm.config.layers import load
from realm.db import open_database
from realm.errors import CheckpointError, UsageError
from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem, Score
from realm.guild.skills.binary import BinarySkill
from realm.guild.tables import skill_level_table
from realm.registry import Registry
from realm.temple.check import GROUPS, Check, Finding, failed_critical, states
from realm.temple.checks import checks
from realm.temple.inspection import inspected, look, wanted
from realm.temple.ledger import Verdict, VerdictLedger
from realm.temple.scene import Scene
from realm.watchtower.gpu import Gpu
from realm.watchtower.metrics import Metrics
from realm.weaver.ledger import ServiceLedger
from tests.temple.small_realm import STATE_FILES, SmallRealm, rows, served

REGISTRY = checks()
PAGE = {"/health": (200, "{}"), "/": (200, "<title>Realm</title>")}
METRICS = {"/health": (200, "{}"), "/metrics": (200, "realm_train_loss 1.0")}
SKILL = {"/health": (200, "{}"), "/info": (200, '{"id":"bin"}')}
GB = 1_000_000_000


def with_machine(realm: SmallRealm, **changes: Any) -> Scene:
    """A scene on this machine, but for what is changed: no test may fill its memory or its disk."""
    scene = realm.scene()
    scene.__dict__["machine"] = replace(scene.machine, **changes)
    return scene


def card(used: float = 0.5, celsius: float = 60.0) -> Gpu:
    return Gpu(0, "card", 0.5, int(used * 80 * GB), 80 * GB, celsius, 200.0)


def with_settings(realm: SmallRealm, *said: str) -> Scene:
    return Scene(realm.workspace, load(overrides=said, env={}), realm.db, realm.events)


def started(realm: SmallRealm, pid: int, state: str = "up", restarts: int = 0) -> Scene:
    ServiceLedger(realm.db).write("hero", state, pid=pid, port=None, restarts=restarts)
    return realm.scene()


def served_as(realm: SmallRealm, stack: ExitStack, service: str, pages: dict[str, tuple[int, str]]) -> Scene:
    url = stack.enter_context(served(pages))
    hosts = {**realm.settings.services.hosts, service: url}
    services = realm.settings.services.model_copy(update={"hosts": hosts})
    settings = realm.settings.model_copy(update={"services": services})
    return Scene(realm.workspace, settings, realm.db, realm.events)


def oracle(realm: SmallRealm, answers: str) -> dict[str, tuple[int, str]]:
    chat = {"model": answers, "choices": [{"message": {"content": "2"}}]}
    models = {"data": [{"id": answers}]}
    return {"/v1/models": (200, json.dumps(models)), "/v1/chat/completions": (200, json.dumps(chat))}


def grown(realm: SmallRealm, by_bytes: int) -> Scene:
    clock = iter(1e9 + 600.0 * i for i in range(100))
    ledger = VerdictLedger(realm.db, realm.events, clock=lambda: next(clock))
    for i in range(8):
        evidence = {"memory": {"pid": 1, "used_bytes": GB + i * by_bytes}}
        ledger.record(
            Verdict(key=realm.key, run=f"r{i}", quest="q", checkpoint="", start_step=i, step=i + 1, quality=0.5,
                    word="partial", recommendation="keep", effort=1.0, evidence=evidence)
        )  # fmt: skip
    return realm.scene()


def awake(realm: SmallRealm, stack: ExitStack, silent_seconds: float) -> Scene:
    stack.enter_context(realm.workspace.hold("hero"))
    beat = realm.workspace.logs / "hero.beat"
    beat.touch()
    then = time.time() - silent_seconds
    os.utime(beat, (then, then))
    return realm.scene()


def reopening(error: CheckpointError | None) -> Callable[..., None]:
    def reopen(spec: Any, folder: Path, progress: Any) -> None:
        assert folder.is_dir() and progress.step == 60
        if error:
            raise error

    return reopen


# -- healthy: what a check needs beyond the small realm -----------------------------------------------------------
Make = Callable[[SmallRealm, ExitStack], Scene]
HEALTHY: dict[str, Make] = {
    "hardware.device-memory": lambda r, s: with_machine(r, gpus=(card(),)),
    "hardware.temperature": lambda r, s: with_machine(r, gpus=(card(),)),
    "hardware.memory-growth": lambda r, s: grown(r, 0),
    "processes.supervised": lambda r, s: started(r, os.getpid()),
    "processes.alive": lambda r, s: started(r, living(s, "-m realm")),
    "processes.heartbeat": lambda r, s: awake(r, s, 5),
    "api.page": lambda r, s: served_as(r, s, "tavern", PAGE),
    "api.metrics": lambda r, s: served_as(r, s, "watchtower", METRICS),
    "api.skills": lambda r, s: served_as(r, s, "skill-bin", SKILL),
    "inference.listed": lambda r, s: served_as(r, s, "oracle", oracle(r, f"{r.key}@60")),
    "inference.answers": lambda r, s: served_as(r, s, "oracle", oracle(r, f"{r.key}@60")),
    "checkpoint.resumes": lambda r, s: r.scene(reopen=reopening(None)),
}


def living(stack: ExitStack, words: str) -> int:
    """A process whose command line holds these words."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", words], stdin=subprocess.PIPE)
    stack.callback(process.wait)
    assert process.stdin
    stack.callback(process.stdin.close)
    return process.pid


def healthy_scene(name: str, realm: SmallRealm, stack: ExitStack) -> Scene:
    return HEALTHY[name](realm, stack) if name in HEALTHY else realm.scene()


# -- broken: the same realm, broken in the way that the check looks for -------------------------------------------
def no_low_queue(realm: SmallRealm, _: ExitStack) -> Scene:
    shutil.rmtree(realm.workspace.queue("low"))
    return realm.scene()


def without_a_table(realm: SmallRealm, _: ExitStack) -> Scene:
    with realm.db.write() as connection:
        connection.exec_driver_sql("DROP TABLE verdict_override")
    return realm.scene()


def with_a_damaged_page(realm: SmallRealm, stack: ExitStack) -> Scene:
    copy = realm.workspace.root / "damaged.db"
    for path, command in ((realm.workspace.database, f"VACUUM INTO '{copy}'"), (copy, "PRAGMA journal_mode=DELETE")):
        with closing(sqlite3.connect(path)) as plain:
            plain.execute(command)
    with closing(sqlite3.connect(copy)) as plain:
        (page,) = plain.execute("SELECT max(rootpage) FROM sqlite_master").fetchone()
        (size,) = plain.execute("PRAGMA page_size").fetchone()
    content = bytearray(copy.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    copy.write_bytes(content)
    damaged = open_database(copy)
    stack.callback(damaged.close)
    return Scene(realm.workspace, realm.settings, damaged, realm.events, run=realm.scene().run)


def two_in_training(realm: SmallRealm, _: ExitStack) -> Scene:
    for number in range(2):
        quest = realm.quest(rows(5, f"x{number}"), f"x{number}.jsonl")
        os.rename(quest.path, realm.workspace.queue("active") / quest.path.name)
    return realm.scene()


def on_a_full_disk(realm: SmallRealm, _: ExitStack) -> Scene:
    (realm.workspace.root / f".probe-{os.getpid()}").symlink_to("/dev/full")  # the device that is always full
    return realm.scene()


def dead_process(realm: SmallRealm, _: ExitStack) -> Scene:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return started(realm, ended.pid)


def truncated(realm: SmallRealm, _: ExitStack) -> Scene:
    weights = folder(realm) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    return realm.scene()


def one_bit_changed(realm: SmallRealm, _: ExitStack) -> Scene:
    weights = folder(realm) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return realm.scene()


def with_a_nan(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.checkpoint(61, weights=(0.5, float("nan"), float("inf")))
    return realm.scene()


def folder(realm: SmallRealm) -> Path:
    newest = realm.keeper.ledger.newest(realm.key)
    assert newest is not None
    return realm.keeper.folder(newest)


class Wrong(BinarySkill):
    """A skill that grades its own answers as wrong."""

    def score(self, problem: Problem, response: str) -> Score:
        return Score(0.0, False, "never right")


def with_a_wrong_grader(realm: SmallRealm, _: ExitStack) -> Scene:
    registry: Registry[Any] = Registry("skill")
    registry.register("bin", Wrong)
    return realm.scene(skills=SkillEngine(registry))


def with_a_level_that_was_never_earned(realm: SmallRealm, _: ExitStack) -> Scene:
    state = {"mastered": [1, 2, 3], "passes": [], "below": {}, "seen": {}}
    with realm.db.write() as connection:
        connection.execute(skill_level_table.update().values(level=3, state=json.dumps(state)))
    return realm.scene()


def with_leaked_rows(realm: SmallRealm, _: ExitStack) -> Scene:
    problems = SkillEngine().generate_eval_batch("bin", 3, 20)
    content = [{"prompt": p.prompt, "completion": p.answer} for p in problems]
    quest = realm.quest(content, "leaked.jsonl")
    realm.train(60, 70, run="run-2", quest=quest.id)
    return realm.scene()


def with_a_checkpoint_that_was_not_examined(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.checkpoint(90)
    return realm.scene()


def with_three_problems(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.examine(61, "101")
    return realm.scene()


def without_metrics(realm: SmallRealm, _: ExitStack) -> Scene:
    Metrics(realm.db).truncate(realm.key, 20)
    return realm.scene()


def that_forgets(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.canaries(61, 5)
    return realm.scene()


def that_slips(realm: SmallRealm, _: ExitStack) -> Scene:
    for step in (61, 62, 63):
        realm.examine(step, "1" * 95 + "0" * 5)
    realm.examine(64, "1" * 50 + "0" * 50)
    return realm.scene()


def that_memorises(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.examine(61, "1" * 20 + "0" * 80, training_correct=50)
    return realm.scene()


def with_copies(realm: SmallRealm, _: ExitStack) -> Scene:
    quest = realm.quest([{**row, "id": i} for i, row in enumerate(rows(2) * 30)], "copies.jsonl")
    realm.train(60, 70, run="run-2", quest=quest.id)
    return realm.scene()


def with_jumps(realm: SmallRealm, _: ExitStack) -> Scene:
    realm.train(60, 160, run="run-2", losses=lambda step: 9.0 if step % 12 == 11 else 0.5 + 0.01 * (step % 3))
    return realm.scene()


BROKEN: dict[str, tuple[str, Make]] = {
    "quick.workspace": ("fail", no_low_queue),
    "quick.schema": ("fail", without_a_table),
    "quick.integrity": ("fail", with_a_damaged_page),
    "quick.disk": ("fail", lambda r, s: with_machine(r, disk_free_bytes=100_000_000)),
    "quick.queue": ("fail", two_in_training),
    "hardware.ram": ("fail", lambda r, s: with_machine(r, ram_used_bytes=999 * GB, ram_total_bytes=1000 * GB)),
    "hardware.memory-growth": ("warn", lambda r, s: grown(r, GB)),
    "hardware.disk": ("fail", on_a_full_disk),
    "hardware.device-memory": ("fail", lambda r, s: with_machine(r, gpus=(card(used=1.0),))),
    "hardware.temperature": ("fail", lambda r, s: with_machine(r, gpus=(card(celsius=99.0),))),
    "hardware.number-format": ("warn", lambda r, s: with_settings(r, "training.bf16=true")),
    "processes.supervised": ("fail", lambda r, s: started(r, os.getpid(), "gave-up", 5)),
    "processes.alive": ("fail", dead_process),
    "processes.heartbeat": ("fail", lambda r, s: awake(r, s, 4000)),
    "api.page": ("fail", lambda r, s: served_as(r, s, "tavern", {**PAGE, "/": (200, "It works!")})),
    "api.metrics": ("fail", lambda r, s: served_as(r, s, "watchtower", {**METRICS, "/metrics": (500, "")})),
    "api.skills": ("fail", lambda r, s: served_as(r, s, "skill-bin", {**SKILL, "/info": (200, '{"id":"sy"}')})),
    "inference.listed": ("fail", lambda r, s: served_as(r, s, "oracle", oracle(r, f"{r.key}@30"))),
    "inference.answers": ("fail", lambda r, s: served_as(r, s, "oracle", oracle(r, f"{r.key}@30"))),
    "checkpoint.complete": ("fail", truncated),
    "checkpoint.hashes": ("fail", one_bit_changed),
    "checkpoint.finite": ("fail", with_a_nan),
    "checkpoint.resumes": ("fail", lambda r, s: r.scene(reopen=reopening(CheckpointError("its optimizer is missing")))),
    "skills.fitness": ("fail", with_a_wrong_grader),
    "skills.levels": ("fail", with_a_level_that_was_never_earned),
    "skills.held-out": ("fail", with_leaked_rows),
    "evaluation.examined": ("fail", with_a_checkpoint_that_was_not_examined),
    "evaluation.problems": ("fail", with_three_problems),
    "evaluation.canaries": ("warn", with_a_checkpoint_that_was_not_examined),
    "evaluation.metrics": ("fail", without_metrics),
    "deep.forgetting": ("fail", that_forgets),
    "deep.regression": ("warn", that_slips),
    "deep.memorisation": ("fail", that_memorises),
    "deep.repeated": ("fail", with_copies),
    "deep.loss-spikes": ("fail", with_jumps),
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_no_check_is_without_a_broken_realm() -> None:
    assert sorted(BROKEN) == REGISTRY.names() and len(BROKEN) >= 35
    assert {REGISTRY.get(name).group for name in REGISTRY.names()} == set(GROUPS)


@pytest.mark.parametrize("name", BROKEN)
def test_it_passes_on_a_healthy_realm(name: str, healthy: SmallRealm, stack: ExitStack) -> None:
    found = look(REGISTRY.get(name), healthy_scene(name, healthy, stack))
    assert found.status == "ok", found
    assert found.measured


@pytest.mark.parametrize("name", BROKEN)
def test_it_finds_what_is_broken(name: str, healthy: SmallRealm, stack: ExitStack) -> None:
    status, breaking = BROKEN[name]
    scene = breaking(healthy, stack)
    found = look(REGISTRY.get(name), scene)
    assert found.status == status, found
    assert found.measured and found.limit and len(found.remedy) > 10


def test_an_empty_realm_has_nothing_to_look_at(realm: SmallRealm) -> None:
    found = {f"{f.group}.{f.check}": f.status for f in inspected(realm.scene())}
    assert not [name for name, status in found.items() if status == "fail"], found
    assert found["checkpoint.complete"] == found["skills.held-out"] == found["api.page"] == "skip"


def test_cheap_checks_leave_the_slow_ones_out() -> None:
    cheap = {check.id for check in wanted(REGISTRY, cheap=True)}
    assert "checkpoint.resumes" not in cheap and "api.page" not in cheap and "checkpoint.hashes" in cheap
    with pytest.raises(UsageError, match="group of checks named 'hardwar'") as error:
        wanted(REGISTRY, ["hardwar"])
    assert "hardware" in error.value.hint


def test_a_check_that_breaks_by_itself_is_said_and_others_go_on(healthy: SmallRealm) -> None:
    def breaks(_: Scene) -> Finding:
        raise ZeroDivisionError("of its own")

    found = look(Check("own", "deep", "a package's", breaks), healthy.scene())
    assert found.status == "skip" and "ZeroDivisionError" in found.measured and found.group == "deep"


def test_only_critical_groups_spoil_everything() -> None:
    found = [
        Finding("fail", "x", group="deep"),
        Finding("fail", "x", group="checkpoint"),
        Finding("ok", "x", group="deep"),
    ]
    assert [f.group for f in failed_critical(found)] == ["checkpoint"]
    assert states(found) == {"checkpoint": "fail", "deep": "fail"}


def test_what_going_on_needs_is_known() -> None:
    from realm.temple.checks.checkpoint import RESUME_FILES

    assert set(STATE_FILES) < set(RESUME_FILES)
