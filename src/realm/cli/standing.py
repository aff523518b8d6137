"""`realm status`: what runs, where the hero stands, what waits; one reading for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realm.cli.context import Realm
from realm.clients import is_up
from realm.events import standing_blockers
from realm.guild.achievements import Achievement
from realm.guild.awards import Standing
from realm.guild.campaign_state import WORDS
from realm.guild.engine import skills
from realm.guild.ledger import GuildLedger
from realm.guild.own_practice import RESUME, paused
from realm.guild.progression import Examination
from realm.quests.queue import QuestQueue
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.weaver.ledger import ServiceLedger

PROBE_SECONDS = 1.0


def standing(realm: Realm) -> dict[str, Any]:
    """Everything `realm status --json` prints."""
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
    metrics, checkpoints = Metrics(realm.db), CheckpointLedger(realm.db, realm.events)
    latest, champion = metrics.latest(realm.key), checkpoints.champion(realm.key)
    return {
        "workspace": str(realm.workspace.root),
        "running": realm.workspace.holder() is not None,
        "services": [
            {"name": s.name, "state": s.state, "pid": s.pid, "port": s.port, "restarts": s.restarts}
            for s in ServiceLedger(realm.db).all()
        ],
        "skill_services": skill_services(realm),
        "requests": sorted(realm.workspace.requests() - {RESUME}),
        "practice": practice_row(realm),
        "campaign": str(realm.key),
        "campaign_state": guild.campaign_state(realm.key),
        "step": latest.step if latest else 0,
        "loss": latest.loss if latest else None,
        "tokens_per_second": metrics.throughput(realm.key).input_tokens,
        "levels": {skill: guild.levels(realm.key).get(skill, 0) for skill in realm.settings.campaign.skills},
        "examinations": [examination_row(e) for e in guild.newest(realm.key)],
        "blockers": [
            {"blocker": b.blocker, "trying": b.trying, "why": b.why, "fix": b.fix}
            for b in standing_blockers(realm.events, realm.key)
        ],
        "champion": champion.id if champion else None,
        "queue": QuestQueue(realm.workspace, realm.db, realm.events, realm.settings.quests).counts(),
    }


def skill_services(realm: Realm) -> list[dict[str, Any]]:
    """The skills that have a port, and whether each answers there."""
    services = realm.settings.services
    running = realm.workspace.holder() is not None
    rows = []
    for skill, port in sorted(services.skill_ports.items()):
        if port and skill in skills().names():
            up = running and services.serve_skills and is_up(f"skill-{skill}", services, timeout=PROBE_SECONDS)
            state = "up" if up else "down" if services.serve_skills else "off (services.serve_skills)"
            rows.append({"skill": skill, "port": port, "state": state})
    return rows


def examination_row(e: Examination) -> dict[str, Any]:
    """An examination as `--json` prints it."""
    return {
        "skill": e.skill, "level": e.level, "role": e.role, "step": e.step, "n": e.n, "correct": e.correct,
        "accuracy": e.accuracy, "low": e.interval.low, "high": e.interval.high,
    }  # fmt: skip


def practice_row(realm: Realm) -> dict[str, Any]:
    """By which strategy the hero practises, and what keeps it from practising, if anything does."""
    blocker = paused(realm.events, realm.key)
    return {
        "strategy": realm.settings.curriculum.strategy,
        "paused": {"why": blocker.why, "fix": blocker.fix} if blocker else None,
        "unwatched": RESUME in realm.workspace.requests(),
    }


def achievements_row(catalogue: Sequence[Achievement], standing: Standing, now: float) -> dict[str, Any]:
    """Everything `realm hero achievements --json` prints; `earned` is Unix seconds or null."""
    tally = standing.tally
    return {
        "gold": tally.gold, "days": tally.days_in_a_row(now), "best_days": tally.best_days, "passes": tally.passes,
        "best_passes": tally.best_passes,
        "achievements": [
            {"id": a.id, "name": a.name, "description": a.description, "earned": standing.earned.get(a.id)}
            for a in catalogue
        ],
    }  # fmt: skip


def words(found: dict[str, Any]) -> str:
    """The same for a person."""
    running = "running" if found["running"] else "not running (start it: realm start-all)"
    lines = [f"{found['workspace']}: {running}"]
    lines += [f"  {s['name']:<8} {s['state']:<12} pid {s['pid'] or '-'}" for s in found["services"] if found["running"]]
    lines += [
        f"  skill {s['skill']} on port {s['port']}: {s['state']}" for s in found["skill_services"] if found["running"]
    ]
    if found["requests"]:
        lines.append(f"  asked for: {', '.join(found['requests'])} (go on: realm resume)")
    lines += [f"  blocked: {b['why']} {b['fix']}" for b in found["blockers"]]
    loss = "no training yet" if found["loss"] is None else f"loss {found['loss']:.3f}"
    lines.append(f"{found['campaign']}: step {found['step']}, {loss}, {found['tokens_per_second']:.0f} tokens/s")
    if (state := found["campaign_state"]) != "active":
        lines.append(f"  {WORDS[state]} (go on: realm campaign continue {found['campaign']})")
    lines += [f"  {skill.upper()} level {level}" for skill, level in found["levels"].items()]
    for e in found["examinations"]:
        share = f"{e['correct']}/{e['n']} = {e['accuracy']:.0%} [{e['low']:.0%}, {e['high']:.0%}]"
        lines.append(f"  examined at step {e['step']}: {e['skill'].upper()} level {e['level']} ({e['role']}): {share}")
    if paused_by := found["practice"]["paused"]:
        lines.append(f"practice is paused: {paused_by['why']} {paused_by['fix']}")
    waiting = {state: n for state, n in found["queue"].items() if n}
    lines.append("queue: " + (", ".join(f"{n} {state.replace('_', ' ')}" for state, n in waiting.items()) or "empty"))
    return "\n".join(lines)
