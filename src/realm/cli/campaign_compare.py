"""Two campaigns side by side: as a table for the terminal, as values, and drawn. Reads reports, no database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from realm.errors import MissingExtra, UsageError

Report = dict[str, Any]
ENDINGS = (".png", ".svg")


def name_of(report: Report) -> str:
    return f"{report['hero']}:{report['campaign']}"


def skills_of(*reports: Report) -> list[str]:
    """The skills of either, in the order in which they are first named."""
    return list(dict.fromkeys(skill for report in reports for skill in report["costs"]))


def compared(one: Report, other: Report) -> dict[str, Any]:
    """The same as values: for each campaign its cap, its levels and what each cost."""
    return {
        "campaigns": [
            {
                "name": name_of(report), "state": report["state"], "totals": report["totals"],
                "level_cap": (report["level_cap"] or {}).get("levels"), "levels": report["levels"],
                "bests": report["bests"], "costs": report["costs"],
                "level_curves": {skill: level_curve(report, skill) for skill in skills_of(report)},
            }
            for report in (one, other)
        ]
    }  # fmt: skip


def level_curve(report: Report, skill: str) -> list[dict[str, float]]:
    """The skill's level over tokens and seconds at work: one point for each change, and where it stands now."""
    curve = report["curves"].get(skill, [])
    seconds = {point["step"]: point["seconds"] for point in curve}
    mastered: set[int] = set()
    points: list[dict[str, float]] = [{"tokens": 0, "seconds": 0.0, "level": 0}]
    for change in (t for t in report["transitions"] if t["skill"] == skill):
        (mastered.add if change["kind"] == "gained" else mastered.discard)(change["level"])
        points.append(
            {"tokens": change["tokens"], "seconds": seconds.get(change["step"], 0.0), "level": _level(mastered)}
        )
    if curve:
        points.append({"tokens": curve[-1]["tokens"], "seconds": curve[-1]["seconds"], "level": _level(mastered)})
    return points


def table(one: Report, other: Report) -> None:
    """Print both side by side."""
    console = Console(soft_wrap=True)
    shown = Table(box=None, pad_edge=False)
    for head in ("", name_of(one), name_of(other)):
        shown.add_column(head, justify="left" if not head else "right", no_wrap=True)
    for row in rows(one, other):
        shown.add_row(*row)
    console.print(shown)


def rows(one: Report, other: Report) -> Iterator[tuple[str, str, str]]:
    """The lines of the table."""
    both = (one, other)
    yield "state", *_each(both, lambda r: r["state"].replace("_", " "))
    yield "steps", *_each(both, lambda r: f"{r['totals'].get('steps', 0):,}")
    yield "trained tokens", *_each(both, lambda r: f"{r['totals'].get('tokens', 0):,}")
    yield "training", *_each(both, lambda r: _minutes(r["totals"].get("seconds", 0.0)))
    yield "lowest validation loss", *_each(both, lambda r: _loss(r["totals"].get("lowest_val_loss")))
    for skill in skills_of(*both):
        yield f"{skill}: level cap", *_each(both, lambda r, s=skill: _cap(r, s))
        yield f"{skill}: level, highest", *_each(both, lambda r, s=skill: _levels(r, s))
        for left, right in zip_longest(*(level_costs(report, skill) for report in both)):
            level = (left or right)["level"]
            yield f"{skill} level {level}: tokens then", _tokens(left, "tokens"), _tokens(right, "tokens")
            yield "  minutes then", _then(left), _then(right)
            yield "  on the level itself", _tokens(left, "frontier_tokens"), _tokens(right, "frontier_tokens")
            yield "  M", _multiplier(left), _multiplier(right)


def level_costs(report: Report, skill: str) -> list[dict[str, Any]]:
    """The first mastering of each level and the attempt in hand, by level, with the seconds at work until then."""
    seconds = {point["step"]: point["seconds"] for point in report["curves"].get(skill, [])}
    found: dict[int, dict[str, Any]] = {}
    for cost in report["costs"].get(skill, []):
        found.setdefault(cost["level"], {**cost, "seconds": seconds.get(cost["ended_step"])})
    top = max(found, default=0)
    return [found.get(level, {"level": level}) for level in range(1, top + 1)]


def draw(file: Path, one: Report, other: Report) -> Path:
    """Level and accuracy of the frontier against tokens, and level against time.

    Raises UsageError for an ending that is no picture, MissingExtra without matplotlib.
    """
    if file.suffix.lower() not in ENDINGS:
        raise UsageError(f"{file.name} is no picture's name.", hint=f"Let it end in {' or '.join(ENDINGS)}.")
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra(
            "Drawing needs the package 'matplotlib', which is not installed.",
            hint="Install it: pip install 'realm[plot]'",
        ) from error
    skills = skills_of(one, other)
    figure = Figure(figsize=(12, 4 * max(1, len(skills))), layout="constrained")
    axes = figure.subplots(max(1, len(skills)), 3, squeeze=False)
    for line, skill in zip(axes, skills, strict=False):
        for report, style in ((one, "-"), (other, "--")):
            _draw_skill(line, report, skill, style)
        for axis, (title, across) in zip(line, AXES, strict=True):
            axis.set_title(f"{skill}: {title}")
            axis.set_xlabel(across)
            axis.grid(alpha=0.3)
        line[0].legend()
    try:
        figure.savefig(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.", hint="Choose another: --plot FILE") from error
    return file


AXES = (
    ("level against tokens", "million tokens"),
    ("level against time", "minutes at work"),
    ("accuracy at the frontier", "million tokens"),
)


def _draw_skill(line: Sequence[Any], report: Report, skill: str, style: str) -> None:
    points = level_curve(report, skill)
    tokens, level = [p["tokens"] / 1e6 for p in points], [p["level"] for p in points]
    line[0].step(tokens, level, style, where="post", label=name_of(report))
    line[1].step([p["seconds"] / 60 for p in points], level, style, where="post")
    frontier = [p for p in report["curves"].get(skill, []) if p["role"] == "frontier"]
    line[2].plot([p["tokens"] / 1e6 for p in frontier], [p["accuracy"] for p in frontier], style)
    line[2].set_ylim(0, 1)


def _level(mastered: set[int]) -> int:
    level = 0
    while level + 1 in mastered:
        level += 1
    return level


def _each(reports: Sequence[Report], value: Any) -> tuple[str, str]:
    return value(reports[0]), value(reports[1])


def _cap(report: Report, skill: str) -> str:
    cap = (report["level_cap"] or {}).get("levels", {})
    return str(cap[skill]) if skill in cap else "not reached"


def _levels(report: Report, skill: str) -> str:
    return f"{report['levels'].get(skill, 0)}, {report['bests']['levels'].get(skill, 0)}"


def _tokens(cost: dict[str, Any] | None, field: str) -> str:
    if not cost or field not in cost:
        return "-"
    return f"{cost[field]:,}" if cost[field] or field != "tokens" else "in hand"


def _then(cost: dict[str, Any] | None) -> str:
    return _minutes(cost["seconds"]) if cost and cost.get("seconds") is not None else "-"


def _multiplier(cost: dict[str, Any] | None) -> str:
    return f"{cost['multiplier']:.2f}" if cost and cost.get("multiplier") is not None else "-"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
