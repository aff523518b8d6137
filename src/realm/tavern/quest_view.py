"""What the page says about quests: the queue by state, and a validation report as a preview. Moves nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from realm.errors import QuestError
from realm.quests.plan import plan_facts
from realm.quests.queue import Quest as QueuedQuest
from realm.quests.queue import QuestQueue
from realm.tavern.pages import count, percent, size
from realm.tavern.shown import Board, Example, Preview, Problem, Quest, Segment

STATES = ("active", "high", "normal", "low", "failed", "recently_completed")
SHOWN_PER_STATE = {"failed": 6, "recently_completed": 6}
SHOWN_OTHERWISE = 50


def board(queue: QuestQueue) -> Board:
    """The queue in the order in which quests are taken, then those that have ended, newest first."""
    counts = queue.counts()
    shelves = [(s, [quest(q) for q in queue.list(s, SHOWN_PER_STATE.get(s, SHOWN_OTHERWISE))]) for s in STATES]
    return Board(shelves, {s: counts[s] - len(quests) for s, quests in shelves if counts[s] > len(quests)})


def quest(found: QueuedQuest) -> Quest:
    return Quest(
        id=found.id, name=found.name, state=found.state, source=found.source, rows=found.rows,
        set_aside=found.set_aside, size_bytes=found.size_bytes, retries=found.retries, added=found.added,
        method=found.method, skill=found.skill, level=found.level, reason=found.reason, outcome=found.outcome,
        owner=f"{found.hero}:{found.campaign}" if found.campaign else "",
    )  # fmt: skip


def filed_preview(queue: QuestQueue, quest_id: str) -> Preview:
    """The report of a quest that is in the queue. Raises QuestError when there is none."""
    found = queue.get(quest_id)
    report = json.loads(queue.report(quest_id) or "{}")
    if not report:
        raise QuestError(f"{found.name} has not been checked yet.", hint="It is checked when its turn comes.")
    return preview(report, plan=plan_facts(queue.meta(quest_id)))


def preview(report: Mapping[str, Any], token: str = "", plan: Sequence[tuple[str, str]] = ()) -> Preview:
    """A validation report (quests.report.Report.as_json) in words and figures."""
    problems = [Problem(p["line"], p["message"], p["fix"]) for p in report["problems"]]
    findings = [Problem(p["line"], p["message"], p["fix"]) for p in report.get("findings", ())]
    return Preview(
        name=report["name"], size_bytes=report["size_bytes"], verdict=_verdict(report), summary=_summary(report),
        figures=list(_figures(report)), problems=problems, more_problems=report["bad"] - len(problems),
        findings=findings, more_findings=sum(report.get("finding_counts", {}).values()) - len(findings),
        notes=report["notes"], token=token, plan=plan,
        examples=[Example(i, [Segment(text, trained) for text, trained in pieces])
                  for i, pieces in enumerate(report["shown"], 1)],
    )  # fmt: skip


def _verdict(report: Mapping[str, Any]) -> str:
    if not report["ok"]:
        return "unfit"
    return "mended" if report["bad"] else "fit"


def _summary(report: Mapping[str, Any]) -> str:
    if not report["ok"]:
        return f"Cannot be trained. {report['reason']} {report['fix']}".strip()
    aside = f" {count(report['bad'])} bad rows are set aside and listed below." if report["bad"] else ""
    how = f" {report['conversion'].capitalize()}." if report["conversion"] else ""
    return f"Fit for training.{how}{aside}"


def _figures(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = [("Size", size(report["size_bytes"]))]
    if report["shape"]:
        figures.insert(0, ("Shape", report["shape"]))
        figures += [("Examples", count(report["examples"])), ("Bad rows", count(report["bad"])),
                    ("Exact duplicates", count(report["duplicates"]))]  # fmt: skip
    if report["mojibake"]:
        figures.append(("Broken accents", count(report["mojibake"])))
    for cause, rows in report.get("finding_counts", {}).items():
        figures.append((f"Rows, {cause.replace('_', ' ')}", count(rows)))
    tokens = report["tokens"]
    if tokens:
        figures += [
            ("Tokens, half up to", count(tokens["p50"])), ("Tokens, 95 % up to", count(tokens["p95"])),
            ("Longest", count(tokens["max"])), ("Cut", count(tokens["truncated"])),
            ("Trained share", percent(tokens["trained_share"])),
        ]  # fmt: skip
    return figures
