"""Every mistake of the combined settings, in words with its place. Reads no file and knows no layer's order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from realm.config import names
from realm.config.schema import PresetSettings, RealmSettings
from realm.config.sources import Given, KeyPath, nested
from realm.registry import nearest, unknown

NOT_USED = {
    "python_path": "Realm runs in the Python it was started with",
    "logs_dir": "logs stay in the workspace",
    "checkpoints_dir": "checkpoints stay in the workspace",
}
"""Keys that are accepted and have no use, with the reason."""
TABLES_WITH_UNUSED_KEYS = {"hardware", "output"}

KIND = re.compile(r"(?:constrained-)?(?:int|float|bool)|literal\[.*\]")
"""How pydantic names one of several kinds of value that a setting may have."""


class Checker:
    """The values that all layers gave, and what is wrong with them."""

    def __init__(self, given: Mapping[KeyPath, Given]) -> None:
        self.given = given
        self.tables = nested(given)

    def settings(self, problems: list[str]) -> RealmSettings | None:
        """The settings; None when they do not fit the schema. What is wrong is added to `problems`."""
        settings = None
        try:
            settings = RealmSettings.model_validate(self.tables)
        except ValidationError as error:
            problems += self._all_in_words((), error)
        problems += self._partial_problems()
        problems += self._dangling_names()
        return settings

    def notices(self) -> tuple[str, ...]:
        """Accepted and unused keys, each said once."""
        found = {p[-1]: g for p, g in self.given.items() if p[-1] in NOT_USED and p[0] in TABLES_WITH_UNUSED_KEYS}
        return tuple(f"{leaf.place()}: '{k}' is accepted and not used: {NOT_USED[k]}." for k, leaf in found.items())

    def _partial_problems(self) -> Iterator[str]:
        """Mistakes in tables that name only some keys of another schema."""
        for path, table in self._partial_tables():
            for model in names.models_at(path):
                if model is not PresetSettings:
                    yield from self._value_problems(model, path, table)
            for key in table:
                if names.annotation_at((*path, key)) is None:
                    yield self._unknown_key((*path, key))

    def _value_problems(self, model: Any, path: KeyPath, table: Mapping[str, Any]) -> Iterator[str]:
        try:
            model.model_validate({key: value for key, value in table.items() if key in model.model_fields})
        except ValidationError as error:
            yield from self._all_in_words(path, error)

    def _partial_tables(self) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
        yield ("training",), self._table("training")
        for section, inner in (("hyperparameters", ()), ("heroes", ("training_defaults",)), ("presets", ())):
            for name in self._table(section):
                yield (section, name, *inner), self._table(section, name, *inner)

    def _dangling_names(self) -> Iterator[str]:
        """Names that point to nothing: the campaign's hero, a hero's adapter, a preset's parts."""
        heroes = list(self._table("heroes"))
        adapters = ["none", *self._table("adapters")]
        yield from self._dangling(("campaign", "hero"), heroes)
        for name in heroes:
            yield from self._dangling(("heroes", name, "adapter"), adapters)
        for name in self._table("presets"):
            yield from self._dangling(("presets", name, "hero"), heroes)
            yield from self._dangling(("presets", name, "adapter"), adapters)
            for part, section in (("hardware", "hardware"), ("dataset", "datasets"), ("hyperparameters",) * 2):
                yield from self._dangling(("presets", name, part), list(self._table(section)))

    def _dangling(self, path: KeyPath, known: list[str]) -> Iterator[str]:
        value = self._table(*path[:-1]).get(path[-1])
        if not isinstance(value, str) or not value:
            return
        any_case = path[-1] == "hero"  # heroes are people: DIO answers to dio
        if value not in known and not (any_case and value.lower() in {name.lower() for name in known}):
            error = unknown(path[-1], value, known)
            yield f"{self.place(path)}: {'.'.join(path)}: {error.message} {error.hint}"

    def _table(self, *path: str) -> Mapping[str, Any]:
        table: Any = self.tables
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return table if isinstance(table, dict) else {}

    def _all_in_words(self, at: KeyPath, error: ValidationError) -> Iterator[str]:
        """The mistakes that the schema found; a value that may be of several kinds is one mistake."""
        for _, alike in groupby(error.errors(include_url=False), key=_place_of):
            first, *others = alike
            said = [str(one["msg"]).removeprefix("Input should be ") for one in others]
            yield self._in_words(at, {**first, "loc": _place_of(first), "msg": " or ".join([first["msg"], *said])})

    def _in_words(self, at: KeyPath, error: Any) -> str:
        """A mistake that the schema found."""
        path = (*at, *(part for part in error["loc"] if isinstance(part, str)))
        if error["type"] == "extra_forbidden":
            return self._unknown_key(path)
        if error["type"] == "missing":
            return f"{self.place(path)}: {'.'.join(path)} is missing."
        said = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
        return f"{self.place(path)}: {'.'.join(path)} = {error['input']!r}: {said}."

    def _unknown_key(self, path: KeyPath) -> str:
        known = names.known_keys(path[:-1], self.tables)
        written = self.given[path].written if path in self.given else path[-1]
        guess = nearest(written, known)
        hint = f"Did you mean '{guess}'?" if guess else f"Known: {', '.join(known)}."
        where = f"[{'.'.join(path[:-1])}] has no key" if len(path) > 1 else "There is no table"
        return f"{self.place(path)}: {where} '{written}'. {hint}"

    def place(self, path: KeyPath) -> str:
        """Where the value at `path` was written; for one that is missing, where its table was."""
        for length in range(len(path), 0, -1):
            for full in reversed(list(self.given)):
                if full[:length] == path[:length]:
                    return self.given[full].place()
        return "settings"


def _place_of(error: Any) -> tuple[Any, ...]:
    """Where a mistake is, without the kind of value that was tried there."""
    place: tuple[Any, ...] = error["loc"]
    is_kind = place and isinstance(place[-1], str) and KIND.fullmatch(place[-1])
    return place[:-1] if is_kind else place
