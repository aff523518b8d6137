"""How long the vault's listing takes with many checkpoints: the page, the API, and the plan of retention.

    python benchmarks/vault_listing.py [--checkpoints 10000] [--repeats 20]

Enters rows as saving does, without folders, and asks the real apps. Prints median and slowest in milliseconds.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from realm.config.layers import load
from realm.db import Database, open_database
from realm.events import Events
from realm.records import CampaignKey
from realm.tavern import app as tavern
from realm.vault import api
from realm.vault.catalogue import asset_location_table
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger, checkpoint_table
from realm.workspace import Workspace

CAMPAIGNS = ("first-light", "second-light", "third-light")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "realm")
        workspace.create()
        db = open_database(workspace.database, checkpoints=True)
        db.upgrade()
        fill(db, arguments.checkpoints)
        report(workspace, db, arguments.checkpoints, arguments.repeats)
        db.close()


def fill(db: Database, count: int) -> None:
    """Rows as `CheckpointLedger.register` writes them."""
    chance = random.Random("listing")
    rows, places = [], []
    for number in range(count):
        campaign = CAMPAIGNS[number % len(CAMPAIGNS)]
        step = 50 * (number // len(CAMPAIGNS) + 1)
        name = f"hatchling:{campaign}@{step}"
        rows.append({
            "id": name, "hero": "hatchling", "campaign": campaign, "step": step, "path": f"/x/checkpoint-{step}",
            "created": 1.7e9 + 60 * number, "size_bytes": 9_000_000, "run": f"run-{step}", "state": "present",
            "parent": f"hatchling:{campaign}@{step - 50}" if step > 50 else "", "metrics": '{"loss": 0.31}',
            "levels": f'{{"bin": {number // 500}}}', "mastered": number // 500, "accuracy": chance.random(),
            "problems": 100, "examination": '{"n": 100, "skills": {"bin": [80, 100]}}', "reason": "",
            "champion": False,
        })  # fmt: skip
        places.append({"asset": name, "zone": "hot", "path": f"/x/checkpoint-{step}", "state": "verified",
                       "checked": 1.7e9, "reason": ""})  # fmt: skip
    with db.write() as connection:
        connection.execute(checkpoint_table.insert(), rows)
        connection.execute(asset_location_table.insert(), places)


def report(workspace: Workspace, db: Database, count: int, repeats: int) -> None:
    settings, events = load(), Events(db)
    keeper = Keeper(workspace, CheckpointLedger(db, events), events, settings.retention, settings.storage)
    key = CampaignKey("hatchling", CAMPAIGNS[0])
    service = TestClient(api.create(keeper, key, settings.services), base_url="http://localhost")
    page = TestClient(tavern.create(workspace, settings, db, events), base_url="http://localhost")
    print(f"{count} checkpoints, median of {repeats} (slowest):")
    for words, client, path in (
        ("page /vault, first 50", page, "/vault"),
        ("page /vault, last 50", page, f"/vault?offset={count - 50}"),
        ("page of one checkpoint", page, f"/checkpoint/hatchling:{CAMPAIGNS[0]}@5000"),
        ("API, first 100", service, "/api/checkpoints"),
        ("API, last 100", service, f"/api/checkpoints?offset={count - 100}"),
        ("API, 1000 at once", service, "/api/checkpoints?limit=1000"),
        ("API, search", service, "/api/search?q=@4990"),
        ("API, zones", service, "/api/zones"),
    ):
        show(words, repeats, lambda client=client, path=path: _get(client, path))  # type: ignore[misc]
    show("plan of retention, all", min(repeats, 5), lambda: keeper.plan())


def _get(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text


def show(words: str, repeats: int, task: Callable[[], object]) -> None:
    task()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        task()
        taken.append((time.perf_counter() - began) * 1000)
    print(f"  {words:<24} {statistics.median(taken):8.1f} ms ({max(taken):.1f})")


if __name__ == "__main__":
    main()
