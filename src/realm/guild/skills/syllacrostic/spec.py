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


class SyLevel(LevelRow):
    """A level of SY with all that holds there; the YAML's comment says what each field means."""

    words: Span
    syllables: Span
    zipf: float
    overlap: Share
    herrings: Span
    channels: tuple[Channel, ...] = Field(min_length=1)
    hints: Span
    definitions: Share
    truncated: Share
    kept_words: int = Field(ge=5, le=7)
    """The table of words knows what else begins like a definition for these lengths only."""
    order: Order
    single_blanks: Share
    layouts: tuple[Layout, ...] = Field(min_length=1)
    labels: tuple[Label, ...] = Field(min_length=1)
    formats: tuple[Format, ...] = Field(min_length=1)


class HeldOut(BaseModel):
    """The words that no training problem asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one_word_in: int = Field(ge=2)
    share: float = Field(gt=0, le=1)
    """Least share of these words in an examination problem; one word at least."""


class SySpec(SkillSpec):
    """The description of SY."""

    levels: tuple[SyLevel, ...]
    held_out: HeldOut

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


ADDING = {"add_hints": "channels", "add_layouts": "layouts", "add_labels": "labels", "add_formats": "formats"}
"""What a row adds to, by the word that adds."""
