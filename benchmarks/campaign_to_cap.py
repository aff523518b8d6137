"""A full campaign of the hatchling on BIN, from nothing to its level cap, one life per seed.

    python benchmarks/campaign_to_cap.py [--seeds 0 1 2] [--minutes 90] [--out FOLDER] [--set KEY=VALUE ...]

The hero loop as it ships: it practises until the rule of the level cap archives the campaign (docs/progression.md).
A life that has not ended after --minutes is stopped, and the output says so. Prints, in the form that
docs/campaigns.md takes over: the cap with its evidence, minutes and tokens, what each level cost with M, and the curve
of the frontier. With --out each campaign's method (`realm campaign rerun FILE` repeats it) and a picture of the first
two lie in that folder. Give it a quiet machine.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realm.cli.context import open_workspace
from realm.cli.serve import spin_briefly
from realm.guild import campaign_report, cap_watch
from realm.hero_loop import HeroLoop
from realm.records import CheckpointRecord
from realm.workspace import Workspace

CURVE_POINTS = 24


class Life(HeroLoop):
    """A hero's life that ends when its campaign is maxed out, or its time is over."""

    def prepare(self, seconds: float) -> None:
        self.began, self.seconds = time.perf_counter(), seconds
        self.minutes, self.cpu_began = 0.0, time.process_time()

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        super().be_examined(checkpoint)
        passed = time.perf_counter() - self.began
        self.minutes = passed / 60
        taken = " ".join(f"{e.level}: {e.accuracy:.2f}" for e in self.guild.newest(self.key))
        print(f"  {self.minutes:6.2f} min {self.engine.progress.tokens:>11,} tokens  {taken}", flush=True)
        if self.guild.campaign_state(self.key) != "active" or passed > self.seconds:
            self.stopping.set()


def live(seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """One campaign from nothing. Returns its report, with the minutes and the verdicts at its end."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        lines = [f'campaign.name = "seed-{seed}"', f"campaign.seed = {seed}", *chosen.set]
        workspace.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        realm = open_workspace(workspace, checkpoints=True)
        life = Life(realm.workspace, realm.settings, realm.db, realm.events)
        life.prepare(chosen.minutes * 60)
        life.live(threading.Event())
        campaign = life.guild.campaign(life.key)
        assert campaign is not None
        found = campaign_report.report(life.guild, campaign, asdict(life.metrics.totals(life.key)))
        levels = {"bin": life.skills.get("bin").levels}
        verdicts = cap_watch.verdicts(life.guild, life.key, levels, life.settings.level_cap)
        realm.db.close()
        worked = (time.process_time() - life.cpu_began) / 60
        return found | {"minutes": life.minutes, "cpu_minutes": worked, "reason": " ".join(v.reason for v in verdicts)}


def told(found: dict[str, Any]) -> Iterator[str]:
    """One campaign, as docs/campaigns.md shows it."""
    cap, costs = found["level_cap"], found["costs"]["bin"]
    if cap is None:
        yield f"**{found['campaign']}**: not at its cap after {found['minutes']:.1f} min. {found['reason']}"
    else:
        why = " ".join(verdict["reason"] for verdict in cap["evidence"])
        yield (
            f"**{found['campaign']}**: level cap {cap['levels']['bin']} after {found['minutes']:.1f} min "
            f"({found['cpu_minutes']:.1f} min of processor time), "
            f"{cap['tokens']:,} trained tokens, {cap['step']:,} steps. {why}"
        )
    yield ""
    yield "| level | mastered at step | tokens of the campaign | tokens on the level | on mastered levels | M |"
    yield "|---|---|---|---|---|---|"
    for cost in costs:
        m = "-" if cost["multiplier"] is None else f"{cost['multiplier']:.2f}"
        when = "-" if cost["ended_step"] is None else f"{cost['ended_step']:,}"
        whole = "-" if cost["ended_step"] is None else f"{cost['tokens']:,}"
        spent = f"{cost['frontier_tokens']:,} | {cost['maintenance_tokens']:,}"
        yield f"| {cost['level']} | {when} | {whole} | {spent} | {m} |"
    yield ""
    yield "Accuracy at the frontier (minutes: level, accuracy): " + ", ".join(curve(found))
    yield ""


def curve(found: dict[str, Any]) -> Iterator[str]:
    """A few points of the frontier's examinations, evenly spread, the last one among them."""
    points = [p for p in found["curves"]["bin"] if p["role"] == "frontier"]
    every = max(1, -(-len(points) // CURVE_POINTS))
    for point in points[::-1][::every][::-1]:
        yield f"{point['seconds'] / 60:.1f}: L{point['level']} {point['accuracy']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument(
        "--set", nargs="*", default=[], help="lines of realm.toml, such as level_cap.minimum_tokens=100000"
    )
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    spin_briefly()
    reports = []
    for seed in chosen.seeds:
        print(f"seed {seed}", flush=True)
        found = live(seed, chosen)
        reports.append(found)
        if chosen.out is not None:
            chosen.out.mkdir(parents=True, exist_ok=True)
            campaign_report.write(chosen.out / f"seed-{seed}.json", found)
    print()
    for found in reports:
        print("\n".join(told(found)))
    if chosen.out is not None and len(reports) > 1:
        from realm.cli.campaign_compare import draw

        print(f"drawn: {draw(chosen.out / 'campaigns.svg', *reports[:2])}")


if __name__ == "__main__":
    main()
