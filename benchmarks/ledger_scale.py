"""How fast the page reads the ledger of a month: 1,000,000 facts and 100,000 examinations in one database.

    python benchmarks/ledger_scale.py [--facts 1000000] [--examinations 100000] [--campaigns 3]

Fills a fresh database through the tables of the rooms, then asks what the pages ask. Prints the median and the slowest
of seven readings in milliseconds; every one should stay under 50 ms. Exits with 1 when one does not.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from realm.config.layers import load
from realm.db import Database, open_database
from realm.events import Events, fact_table
from realm.guild import cap_watch
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.progression import Examination, SkillState
from realm.guild.tables import as_row, examination_table, level_tokens_table, level_transition_table, skill_level_table
from realm.records import CampaignKey
from realm.tavern.lore import skins
from realm.tavern.view import View
from realm.workspace import Workspace

LIMIT_MS = 50.0
AT_ONCE = 50_000
LEVELS = 12
KINDS = ("run_started", "quest_started", "run_finished", "quest_completed", "checkpoint_saved", "examination_taken",
         "checkpoint_dropped", "practice_planned", "quest_received", "quest_queued")  # fmt: skip
PRIMITIVES = [f"primitive_{n}" for n in range(15)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--examinations", type=int, default=100_000)
    parser.add_argument("--campaigns", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        db = open_database(workspace.database, checkpoints=True)
        db.upgrade()
        keys = [CampaignKey("hatchling", "first-light" if n == 0 else f"c{n}") for n in range(chosen.campaigns)]
        began = time.perf_counter()
        fill_facts(db, keys, chosen.facts)
        fill_examinations(db, keys[0], chosen.examinations)
        size = workspace.database.stat().st_size / 1e6
        print(
            f"{chosen.facts:,} facts of {len(keys)} campaigns and {chosen.examinations:,} examinations of one "
            f"written in {time.perf_counter() - began:.0f} s, {size:.0f} MB"
        )
        slow = report(workspace, db, keys[0])
        db.close()
    sys.exit(1 if slow else 0)


def fill_facts(db: Database, keys: list[CampaignKey], count: int) -> None:
    """Facts as a month of practice leaves them; a blocker and an alert lie at the very beginning."""
    draw = random.Random("facts")
    rows: Iterator[dict[str, Any]] = (_fact(draw, n, keys[draw.randrange(len(keys))]) for n in range(count))
    for batch in _batches(rows):
        with db.write() as connection:
            connection.execute(fact_table.insert(), batch)


def _fact(draw: random.Random, n: int, key: CampaignKey) -> dict[str, Any]:
    kind = "blocker_raised" if n == 3 else "alert_raised" if n == 4 else KINDS[n % len(KINDS)]
    bodies: dict[str, dict[str, Any]] = {
        "blocker_raised": {"blocker": "no-data", "trying": "x", "why": "w", "fix": "f"},
        "alert_raised": {"alert": "disk", "severity": "warn", "what": "w", "why": "w", "todo": "t"},
        "run_started": {"run": f"run-{n}", "quest": f"{n:012x}", "method": "sft", "step": n},
        "quest_started": {"quest": f"{n:012x}", "name": f"practice-{n}.jsonl", "run": f"run-{n}", "rows": 4000},
        "quest_completed": {"quest": f"{n:012x}", "name": f"practice-{n}.jsonl", "run": f"run-{n}", "steps": 120},
        "checkpoint_saved": {"checkpoint": f"{key}@{n}", "step": n, "size_bytes": 9_000_000, "seconds": 0.2},
        "checkpoint_dropped": {"checkpoint": f"{key}@{n}", "step": n, "reason": "older than the three newest"},
        "practice_planned": {"quest": f"{n:012x}", "mix": {"bin/1": 0.4, "bin/2": 0.6}, "reason": "r" * 99, "rows": 9},
        "quest_received": {"quest": f"{n:012x}", "name": "p.jsonl", "sha256": f"{n:064x}", "size_bytes": 9,
                           "source": "practice"},
        "quest_queued": {"quest": f"{n:012x}", "name": "p.jsonl", "priority": "low", "rows": 4000, "set_aside": 0},
        "run_finished": {"run": f"run-{n}", "quest": f"{n:012x}", "outcome": "completed", "step": n, "steps": 120,
                         "tokens": 90_000, "seconds": 20.0, "loss_first": 0.4, "loss_last": 0.3, "effort": float(n)},
        "examination_taken": {"skill": "bin", "level": 1 + n % LEVELS, "step": n, "n": 100, "role": "frontier",
                              "correct": draw.randrange(101), "accuracy": 0.5, "low": 0.4, "high": 0.6,
                              "training_accuracy": None},
    }  # fmt: skip
    return {"time": 1e9 + n, "kind": kind, "hero": key.hero, "campaign": key.campaign, "body": json.dumps(bodies[kind])}


def fill_examinations(db: Database, key: CampaignKey, count: int) -> None:
    """A campaign that mastered LEVELS levels: at each checkpoint the frontier, four mastered ones, tokens of six."""
    draw = random.Random("examinations")
    checkpoints = count // 5
    every = checkpoints // LEVELS
    exams = (e for step in range(1, checkpoints + 1) for e in _sitting(draw, key, step * 100, step // max(1, every)))
    for batch in _batches(as_row(e) for e in exams):
        with db.write() as connection:
            connection.execute(examination_table.insert(), batch)
    names = {"hero": key.hero, "campaign": key.campaign, "skill": "bin"}
    tokens = (
        {**names, "step": step * 100, "level": level, "tokens": draw.randrange(1000, 40_000)}
        for step in range(1, checkpoints + 1)
        for level in range(1, 7)
    )
    for batch in _batches(tokens):
        with db.write() as connection:
            connection.execute(level_tokens_table.insert(), batch)
    gained = {**names, "kind": "gained", "val_loss": 0.1}
    changes = [
        {**gained, "level": n, "step": n * every * 100, "tokens": n * 1_000_000, "time": n} for n in range(1, LEVELS)
    ]
    state = SkillState(frozenset(range(1, LEVELS)), (), {}, {LEVELS: checkpoints * 100})
    with db.write() as connection:
        connection.execute(level_transition_table.insert(), changes)
        connection.execute(
            skill_level_table.insert(),
            {**names, "level": LEVELS - 1, "state": json.dumps(state.as_json()), "step_at_last_level": 1,
             "tokens_at_last_level": 1},
        )  # fmt: skip


def _sitting(draw: random.Random, key: CampaignKey, step: int, mastered: int) -> Iterator[Examination]:
    frontier = min(LEVELS, mastered + 1)
    for level in range(max(1, frontier - 4), frontier + 1 if frontier > 4 else 6):
        yield Examination(
            key=key, step=step, skill="bin", level=level, role="frontier" if level == frontier else "panel", n=100,
            correct=draw.randrange(60, 100), primitives={name: (draw.randrange(9), 9) for name in PRIMITIVES},
            training_n=50, training_correct=40, seed="exam", template_hash="t", tokens=step * 700, val_loss=0.1,
            time=1e9 + step,
        )  # fmt: skip


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def report(workspace: Workspace, db: Database, key: CampaignKey) -> list[str]:
    """What the pages ask, one question a line. Returns those that are too slow."""
    settings, events = load(env={}), Events(db)
    ledger, engine = GuildLedger(db, events, settings.curriculum), SkillEngine()
    ledger.begin(key, settings.campaign)
    ledger.record(list(_sitting(random.Random(1), key, 10**9, LEVELS))[-1:])  # as any examination: bests are kept
    view, skin = View(workspace, settings, db, events), skins()["realm"]
    levels = {"bin": engine.get("bin").levels}

    def fresh(page: str) -> Callable[[], object]:
        """The page with nothing remembered from before: what the first look after an examination costs."""

        def ask() -> object:
            view._skills_read = (-1, *view._skills_read[1:])
            view._campaigns._read = (-1, [])
            return view.values(page, skin)

        return ask

    queries: dict[str, Callable[[], object]] = {
        "newest 40 facts (log)": lambda: events.newest(40),
        "last fact": events.last_id,
        "facts since one (stream)": lambda: events.since(events.last_id() - 200, limit=200),
        "states of training": lambda: view._state_and_steps(),
        "blockers": lambda: list(view._blockers("training")),
        "page home, warm": lambda: view.values("home", skin),
        "page home, after a change": fresh("home"),
        "page guild, after a change": fresh("guild"),
        "page campaigns, after a change": fresh("campaigns"),
        "page quests": lambda: view.values("quests", skin),
        "history (accuracy chart)": view.history,
        "newest examinations": lambda: ledger.newest(key),
        "a page of 100 examinations": lambda: ledger.examinations(key, "bin"),
        "primitives": lambda: ledger.primitives(key, "bin"),
        "personal bests": lambda: ledger.bests(key),
        "what each level cost": lambda: ledger.attempts(key, "bin"),
        "the level cap's verdict": lambda: cap_watch.verdicts(ledger, key, levels, settings.level_cap),
    }
    slow = []
    for name, query in queries.items():
        taken = milliseconds(query)
        late = statistics.median(taken) > LIMIT_MS
        slow += [name] if late else []
        print(
            f"  {name:<32} {statistics.median(taken):7.1f} ms, slowest {max(taken):7.1f}{'  TOO SLOW' if late else ''}"
        )
    return slow


def milliseconds(query: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        query()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


if __name__ == "__main__":
    main()
