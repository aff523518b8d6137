"""How the field's words are shown: the map T from ML words to the game's. Knows no page and no number."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realm.events import AchievementAwarded, Recorded
from realm.tavern.sentences import PLAIN

LORE_FILE = Path(__file__).parent / "lore.toml"


@dataclass(frozen=True, slots=True)
class Skin:
    """One way to show words. The lab skin is the one whose map is empty: every word stands for itself."""

    words: Mapping[str, Mapping[str, str]]
    facts: Mapping[str, str]
    achievements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "realm" if self.words else "lab"

    def word(self, key: str) -> str:
        """The shown word of an ML word; the ML word itself where the map is silent."""
        shown = self.words.get(key, {}).get("word")
        return shown if shown else key[:1].upper() + key[1:]

    def icon(self, key: str, plain: str) -> str:
        """Name of the icon of an ML word; `plain` where the map is silent."""
        return self.words.get(key, {}).get("icon", plain)

    def motto(self, key: str) -> str:
        return self.words.get(key, {}).get("motto", "")

    def sentence(self, recorded: Recorded) -> str:
        """What the log says about a fact. Plain text: whoever shows it escapes it."""
        template = self.facts.get(recorded.kind) or PLAIN.get(recorded.kind, recorded.kind.replace("_", " "))
        fields = asdict(recorded.fact)
        if isinstance(recorded.fact, AchievementAwarded):
            fact = recorded.fact
            fields["name"], fields["description"] = self.achievement(fact.achievement, fact.name, fact.description)
        return _Words().vformat(template, (), fields)

    def achievement(self, key: str, name: str, description: str) -> tuple[str, str]:
        """Name and motto of an achievement; the plain ones where the map is silent."""
        shown = self.achievements.get(key, {})
        return shown.get("name", name), shown.get("motto", description)


def read_skin(text: str) -> Skin:
    """A skin from the text of a lore file; an empty text gives the lab skin."""
    data = tomllib.loads(text)
    return Skin(data.get("words", {}), data.get("facts", {}), data.get("achievements", {}))


def skins(path: Path = LORE_FILE) -> dict[str, Skin]:
    """Both skins by name."""
    return {"realm": read_skin(path.read_text(encoding="utf-8")), "lab": Skin({}, {})}


class _Words(string.Formatter):
    """Formats fields of a fact: figures short, shares as percent (`{accuracy:pct}`), a skill's id as its short name
    (`{skill:short}`), a reason as a sentence (`{reason:stop}`), a problem or its
    absence (`{problem:done}`). Never looks into objects."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        return kwargs.get(field_name, "?"), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "pct" and isinstance(value, int | float):
            return f"{100 * value:.0f} %"
        if format_spec == "short":
            return str(value).upper()
        if format_spec == "done":
            return str(value).rstrip(".") + "." if value else "done."
        if format_spec == "stop":
            return str(value).rstrip(".") + "."
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.3g}"
