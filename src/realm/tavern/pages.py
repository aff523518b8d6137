"""Turns plain values into HTML: the templates, their filters and their words. Knows no room and no route."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from realm import __version__
from realm.tavern.lore import Skin

STATIC = Path(__file__).parent / "static"
PAGES = (
    ("overview", "/", "gauge"),
    ("training files", "/quests", "scroll"),
    ("skills", "/guild", "ladder"),
    ("campaigns", "/campaigns", "flag"),
    ("checkpoints", "/vault", "chest"),
    ("verdicts", "/temple", "target"),
    ("chat", "/oracle", "eye"),
)
"""The ML word, the address and the plain icon of each place."""
NAMES = ("home", "quests", "guild", "campaigns", "vault", "temple", "oracle")
BELOW = {"checkpoint": "vault"}
"""Pages below another one."""
EMPTY_WORDS = {
    "active": "Nothing is in training.", "high": "Empty.", "normal": "Empty.", "low": "Empty.",
    "failed": "No file has failed.", "recently_completed": "Nothing has been completed yet.",
}  # fmt: skip
OWN_SOURCES = {"practice": "practice data", "sparring": "own mistakes"}
"""What a quest is called that a hero made itself, by its source."""
NARROW_SPACE = "\u202f"
NONE = "–"


class Pages:
    """Renders pages and fragments in one skin or the other. Everything is escaped unless a template made it."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("realm.tavern"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters.update(FILTERS)

    def fragment(self, name: str, skin: Skin, values: Mapping[str, Any]) -> str:
        """One fragment of a page, e.g. `hero`."""
        return self._render(f"fragments/{name}.html", skin, values)

    def page(self, name: str, skin: Skin, theme: str, values: Mapping[str, Any]) -> str:
        """A whole page by its name."""
        key, path, _ = PAGES[NAMES.index(BELOW.get(name, name))]
        frame = {"page": name, "path": path, "page_word": key, "pages": PAGES, "theme": theme, "version": __version__}
        return self._render(f"{name}.html", skin, {"item": "", **values, **frame})

    def _render(self, template: str, skin: Skin, values: Mapping[str, Any]) -> str:
        return self._templates.get_template(template).render(
            values, skin=skin, t=skin.word, empty_words=EMPTY_WORDS, own_sources=OWN_SOURCES
        )


def figure(value: float | None) -> str:
    """A measured number with three digits that matter."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 1000:
        return count(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 1:
        return f"{value:.1f}" if size >= 10 else f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.01 or size == 0 else f"{value:.2g}"


def count(value: float | None) -> str:
    """A whole number in groups of three."""
    return NONE if value is None else f"{value:,.0f}".replace(",", NARROW_SPACE)


def percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f}{NARROW_SPACE}%"


def points(value: float | None) -> str:
    """A difference of two shares, in percentage points."""
    return NONE if value is None else f"{100 * value:+.0f} points".replace("-", "−")


def signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.4f}".replace("-", "−")


def size(value: float | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return NONE
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def seconds(value: float | None) -> str:
    """A short time."""
    if value is None:
        return NONE
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def duration(value: float | None) -> str:
    """A long time."""
    if value is None:
        return NONE
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d}"


def clock(moment: float) -> str:
    """Time of day on this machine."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def moment(value: float) -> str:
    """Time of day, with the date when it was not today."""
    now, then = time.localtime(), time.localtime(value)
    return time.strftime("%H:%M" if now[:3] == then[:3] else "%Y-%m-%d %H:%M", then)


def iso(value: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))


FILTERS = {
    "fig": figure, "count": count, "pct": percent, "points": points, "signed": signed, "bytes": size,
    "seconds": seconds, "duration": duration, "clock": clock, "moment": moment, "iso": iso,
    "plain": lambda state: state.replace("_", " "),
}  # fmt: skip
