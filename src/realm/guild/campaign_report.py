"""Everything that a campaign has to show for itself, as plain values: what is exported, compared and drawn.

Knows the ledger; what other rooms know (steps, seconds, the lowest validation loss) is handed in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realm.errors import UsageError
from realm.guild.examiner import EXAM_SEED
from realm.guild.ledger import GuildLedger
from realm.guild.milestones import milestones
from realm.guild.progression import Examination
from realm.guild.tables import Campaign

FORMAT, VERSION = "realm campaign", 1
REST_SECONDS = 600.0
"""A longer time between two examinations is a rest, and no time of the campaign's."""
READ_AT_ONCE = 1_000_000


def report(ledger: GuildLedger, campaign: Campaign, totals: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign as JSON: settings and seeds to run it again, curves, costs, bests, level cap with evidence."""
    key, tables = campaign.key, campaign.settings.get("tables", {})
    skills = list(dict.fromkeys((*campaign.skills, *ledger.states(key))))
    cap = ledger.level_cap(key)
    bests = ledger.bests(key)
    return {
        "format": FORMAT,
        "version": VERSION,
        "hero": key.hero,
        "campaign": key.campaign,
        "state": campaign.state,
        "created": campaign.created,
        "skills": list(campaign.skills),
        "starting_checkpoint": campaign.starting_checkpoint,
        "seeds": _seeds(campaign, tables),
        "settings": tables,
        "versions": campaign.settings.get("versions", {}),
        "git_commit": campaign.settings.get("git_commit", ""),
        "totals": dict(totals),
        "levels": {skill: ledger.states(key)[skill].level for skill in skills if skill in ledger.states(key)},
        "bests": {
            "levels": dict(bests.levels),
            "examination": _point(bests.examination, 0.0) if bests.examination else None,
        },
        "costs": {skill: [attempt.as_json() for attempt in ledger.attempts(key, skill)] for skill in skills},
        "milestones": [asdict(each) for each in milestones(campaign, ledger.transitions(key), bests, cap)],
        "transitions": [asdict(change) for change in ledger.transitions(key)],
        "curves": {skill: curve(ledger.examinations(key, skill, limit=READ_AT_ONCE)) for skill in skills},
        "level_cap": None if cap is None else
        {"step": cap.step, "tokens": cap.tokens, "levels": dict(cap.levels), "evidence": list(cap.evidence),
         "time": cap.time},
    }  # fmt: skip


def curve(examinations: Sequence[Examination]) -> list[dict[str, Any]]:
    """Every examination of a skill, oldest first, with the seconds that the campaign had been at work."""
    ordered = sorted(examinations, key=lambda e: (e.step, e.level))
    seconds = at_work([e.time for e in ordered])
    return [_point(e, second) for e, second in zip(ordered, seconds, strict=True)]


def at_work(times: Sequence[float]) -> list[float]:
    """Seconds since the first of these moments, without rests."""
    total, found = 0.0, []
    for at, moment in enumerate(times):
        passed = moment - times[at - 1] if at else 0.0
        total += passed if 0 < passed <= REST_SECONDS else 0.0
        found.append(total)
    return found


def write(file: Path, found: Mapping[str, Any]) -> Path:
    """Write a report whole, by rename."""
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, file)
    return file


def read(file: Path) -> dict[str, Any]:
    """A report that was exported. Raises UsageError when the file is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON.", hint="Export a campaign: realm campaign export NAME") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UsageError(f"{file} is no exported campaign.", hint="Export one: realm campaign export NAME")
    if found.get("version") != VERSION:
        raise UsageError(
            f"{file} has version {found.get('version')!r}; this program reads version {VERSION}.",
            hint="Use the version of realm that wrote it, or a newer one.",
        )
    for name, kind in (("settings", dict), ("hero", str), ("campaign", str), ("starting_checkpoint", str)):
        if not isinstance(found.get(name), kind) or not (found[name] or name == "starting_checkpoint"):
            raise UsageError(f"{file} does not say its {name.replace('_', ' ')}.", hint="Export the campaign again.")
    return found


def _seeds(campaign: Campaign, tables: Mapping[str, Any]) -> dict[str, Any]:
    asked = tables.get("campaign", {})
    return {
        "weights": campaign.seed,
        "practice": asked.get("practice_seed", str(campaign.key)),
        "examinations": EXAM_SEED,
    }


def _point(e: Examination, seconds: float) -> dict[str, Any]:
    return {
        "skill": e.skill, "level": e.level, "role": e.role, "step": e.step, "tokens": e.tokens,
        "seconds": round(seconds, 1), "n": e.n, "correct": e.correct, "accuracy": e.accuracy, "time": e.time,
    }  # fmt: skip
