"""What validation found, as words for a person and as JSON for the page. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from realm.quests.lines import Problem

LINES_SHOWN = 20
Segments = tuple[tuple[str, bool], ...]
"""An example as pieces of text, each with whether the loss falls on it."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens per example over `sampled` examples of the file, by the hero's own tokenizer."""

    sampled: int
    p50: int
    p95: int
    max: int
    truncated: int
    """Sampled examples longer than the hero's rows."""
    trained_share: float
    """Share of the sampled tokens that the loss falls on."""
    total_estimate: int
    """Tokens of the whole file."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of validation. `reason` is one sentence, empty when the file can be trained."""

    name: str
    size_bytes: int
    level: str
    ok: bool
    reason: str
    fix: str
    shape: str
    conversion: str
    method: str
    lines: int
    examples: int
    bad: int
    causes: Mapping[str, int]
    problems: tuple[Problem, ...]
    duplicates: int
    duplicates_complete: bool
    mojibake: int
    ignored_fields: tuple[str, ...]
    findings: tuple[Problem, ...]
    """The first of each cause that deep validation found."""
    finding_counts: Mapping[str, int]
    """Rows by cause."""
    finding_lines: Mapping[str, tuple[int, ...]]
    """The first lines of each cause."""
    tokens: TokenCounts | None
    shown: tuple[Segments, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def empty(self) -> int:
        return self.causes.get("empty", 0)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: `problems` as objects, `shown` as lists of [text, trained]."""
        return asdict(self) | {
            "empty": self.empty, "causes": dict(self.causes), "finding_counts": dict(self.finding_counts),
            "finding_lines": {cause: list(lines) for cause, lines in self.finding_lines.items()}, "words": self.words(),
        }  # fmt: skip

    def words(self) -> str:
        return "\n".join(_words(self)) + "\n"


def _words(report: Report) -> list[str]:
    lines = [_verdict(report), ""]
    if report.shape:
        lines.append(f"Shape: {report.shape}{': ' + report.conversion if report.conversion else ', kept as it is'}.")
    lines.append(_counts(report))
    lines += _tokens(report) + [f"Note: {note}" for note in report.notes]
    lines += _findings(report) + _problems(report) + _examples(report)
    return lines


def _verdict(report: Report) -> str:
    if not report.ok:
        return f"{report.name}: cannot be trained. {report.reason}" + (f" {report.fix}" if report.fix else "")
    aside = f", {_n(report.bad, 'bad row')} set aside" if report.bad else ""
    return f"{report.name}: fit for training ({_n(report.examples, 'example')}{aside})."


def _counts(report: Report) -> str:
    parts = [_n(report.lines, "line"), _n(report.examples, "example"), _n(report.bad, "bad row")]
    if report.level != "quick":
        limit = "" if report.duplicates_complete else " at least"
        parts.append(f"{limit}{_n(report.duplicates, 'exact duplicate')}".strip())
    if report.mojibake:
        parts.append(f"{_n(report.mojibake, 'row')} with what looks like broken accents")
    return f"Counted: {', '.join(parts)}; {report.size_bytes:,} bytes."


def _tokens(report: Report) -> list[str]:
    tokens = report.tokens
    if tokens is None:
        return []
    return [
        f"Tokens in {_n(tokens.sampled, 'sampled example')}: half have up to {tokens.p50:,}, "
        f"95 % up to {tokens.p95:,}, the longest {tokens.max:,}; about {tokens.total_estimate:,} in all; "
        f"{tokens.trained_share:.0%} are trained; {_n(tokens.truncated, 'example')} would be cut."
    ]


def _findings(report: Report) -> list[str]:
    """What deep validation found in rows that can be trained."""
    if not report.finding_counts:
        return []
    lines = ["", f"Found in rows{' (they are trained all the same)' if report.ok else ''}:"]
    for cause, count in report.finding_counts.items():
        lines.append(f"  {cause}: {_n(count, 'row')}; {_places(report.finding_lines[cause], count)}")
        lines += [f"    {finding.words()}" for finding in report.findings if finding.cause == cause]
    return lines


def _places(lines: Sequence[int], count: int) -> str:
    shown = ", ".join(f"{line}" for line in lines[:LINES_SHOWN])
    more = f" and {count - LINES_SHOWN:,} more" if count > LINES_SHOWN else ""
    return f"line{'' if count == 1 else 's'} {shown}{more}"


def _problems(report: Report) -> list[str]:
    if not report.problems:
        return []
    causes = ", ".join(f"{cause} {count:,}" for cause, count in report.causes.items())
    lines = ["", f"Bad rows by cause: {causes}."] + [f"  {problem.words()}" for problem in report.problems]
    hidden = report.bad - len(report.problems)
    return [*lines, f"  ... and {hidden:,} more."] if hidden > 0 else lines


def _examples(report: Report) -> list[str]:
    if not report.shown:
        return []
    lines = ["", "The first examples as trained; the loss falls on what stands between ⟦ and ⟧."]
    for number, segments in enumerate(report.shown, 1):
        text = "".join(f"⟦{text}⟧" if trained else text for text, trained in segments)
        lines += [f"--- example {number}", text]
    return lines


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
