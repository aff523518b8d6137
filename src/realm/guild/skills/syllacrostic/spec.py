"""SY's description as its YAML gives it: each row whole, though the file tells only changes. Knows no problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from realm.guild.skill import LevelRow, SkillSpec

Channel = Literal[
    "definition", "synonym", "category", "example", "hypernym", "hyponym", "antonym", "domain", "morphology",
    "first_letter", "part_of_speech", "whole", "part", "similar", "last_letter",
]  # fmt: skip
Order = Literal["alphabetical", "by_length", "shuffled"]
Layout = Literal["list", "by_letter", "table", "inline", "per_clue"]
Label = Literal["number", "letter", "roman", "bullet"]
Format = Literal["json_words", "json_list", "json_map", "table", "numbered", "lines", "comma", "counts"]


def _span(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] > pair[1]:
        raise ValueError(f"the least, {pair[0]}, is more than the most, {pair[1]}")
    return pair


Span = Annotated[tuple[int, int], AfterValidator(_span)]
"""Least and most, both included."""
Share = Annotated[float, Field(ge=0, le=1)]


ADDING = {"add_hints": "channels", "add_layouts": "layouts", "add_labels": "labels", "add_formats": "formats"}
"""What a row adds to, by the word that adds."""


def _as_written(schema: dict[str, Any]) -> None:
    """The schema of a row as the file has it: only what changes, and words that add instead of whole lists."""
    schema["required"] = ["level"]
    for adding, field in ADDING.items():
        whole = schema["properties"].pop(field)
        about = f"What is added to the {field} of the level before; all are equally likely."
        schema["properties"][adding] = {"type": "array", "items": whole["items"], "description": about}


class SyLevel(LevelRow):
    """A level of SY with all that holds there. In the file a row states only what changes."""

    model_config = ConfigDict(json_schema_extra=_as_written)

    words: Span
    """Least and most words."""
    syllables: Span
    """Least and most syllables of a word."""
    zipf: float
    """Least Zipf frequency of a word (3: once in a million words, 6: once in a thousand)."""
    overlap: Share
    """Least share of the tiles whose syllable another word of the puzzle has as well; 0: none has."""
    herrings: Span
    """Least and most tiles that belong to no word."""
    channels: tuple[Channel, ...] = Field(min_length=1)
    """What a clue may hold."""
    hints: Span
    """Least and most hints of a clue."""
    definitions: Share
    """Share of the clues that hold a definition; the others are weak: something akin, letters, an affix."""
    truncated: Share
    """Share of the definitions that are cut."""
    kept_words: int = Field(ge=5, le=7)
    """Words that a cut definition keeps. The table of words knows what else begins like a definition for these only."""
    order: Order
    """Of the tiles."""
    single_blanks: Share
    """Share of the clues that do not tell how many syllables the word has."""
    layouts: tuple[Layout, ...] = Field(min_length=1)
    """How the bank may be written; all known ones are equally likely."""
    labels: tuple[Label, ...] = Field(min_length=1)
    """How the clues may be labelled; all known ones are equally likely."""
    formats: tuple[Format, ...] = Field(min_length=1)
    """How the answer may be wanted; all known ones are equally likely."""


class HeldOut(BaseModel):
    """The words that no training problem asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one_word_in: int = Field(ge=2)
    """One word in so many is held out."""
    share: float = Field(gt=0, le=1)
    """Least share of these words in an examination problem; one word at least."""


class SySpec(SkillSpec):
    """The description of SY."""

    levels: tuple[SyLevel, ...]
    """The level table."""
    held_out: HeldOut
    """What keeps examinations apart from training."""

    @model_validator(mode="before")
    @classmethod
    def _carry(cls, given: Any) -> Any:
        """Each row inherits from the one before it."""
        if not isinstance(given, Mapping) or not isinstance(given.get("levels"), list):
            return given
        whole: dict[str, Any] = {}
        rows = []
        for row in given["levels"]:
            if not isinstance(row, Mapping):
                return given
            whole = _after(whole, row)
            rows.append(whole)
        return {**given, "levels": rows}

    def level(self, number: int) -> SyLevel:
        """The row of a level. Raises SkillError where there is none."""
        self.check_level(number)
        return self.levels[number - 1]


def _after(before: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    new = {**before, **{key: value for key, value in row.items() if key not in ADDING}}
    for key, field in ADDING.items():
        if key in row:
            new[field] = [*before.get(field, ()), *(row[key] if isinstance(row[key], list) else [row[key]])]
    return new
