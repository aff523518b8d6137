"""Every setting that is accepted is read by the program, or says that it is not."""

from __future__ import annotations

import ast
from functools import cache

import pytest
from pydantic import BaseModel

from realm.config import schema
from realm.config.checks import NOT_USED
from tests.promises import SOURCE, module_name, room, source_files, tree

CHECKED_BY_THEIR_TYPE = {"schema_version"}
"""A file of another version is refused when it is loaded."""
FOR_READERS_OF_THE_FILE = {"updated"}
"""A remark that the older trainer's files carry."""
MODELS = [
    model
    for model in vars(schema).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__.startswith(schema.__name__)
]


RESOLVED_WITH_THE_PRESET = {"eval_strategy", "save_total_limit"}
"""Hyperparameters that become another setting (held-out share, retention) before a training sees them."""


@cache
def read_names(*rooms: str) -> frozenset[str]:
    """Every attribute that the program reads, or some rooms of it, outside the schema."""
    found: set[str] = set()
    for file in source_files():
        if file.is_relative_to(SOURCE / "config" / "schema") or (rooms and room(module_name(file)) not in rooms):
            continue
        for node in ast.walk(tree(file)):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()):
                    found.add(name)
                case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                    found.add(name)
    return frozenset(found)


def test_every_setting_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [(model.__name__, field) for model in MODELS for field in model.model_fields]
    excepted = {*NOT_USED, *CHECKED_BY_THEIR_TYPE, *FOR_READERS_OF_THE_FILE}
    unread = [f"{model}.{field}" for model, field in fields if field not in read_names() | excepted]
    with capsys.disabled():
        print(f"\n  settings: {len(fields)} fields of {len(MODELS)} tables, {len(excepted)} excepted", end="")
    assert not unread, "\n" + "\n".join(unread)


def test_every_hyperparameter_reaches_the_training() -> None:
    """Config shows and estimates with them, which is not yet using them.

    The arena trains; the hero loop records its steps, and so it is there that `logging_steps` has its use.
    """
    used = read_names("arena", "hero_loop")
    unread = sorted(set(schema.Hyperparameters.model_fields) - RESOLVED_WITH_THE_PRESET - used)
    assert not unread, "\n" + "\n".join(unread)


def test_exceptions_are_settings_and_are_not_read() -> None:
    fields = {field for model in MODELS for field in model.model_fields}
    assert {*NOT_USED, *CHECKED_BY_THEIR_TYPE, *FOR_READERS_OF_THE_FILE} <= fields
    assert not set(NOT_USED) & read_names()
