"""How a teacher is named, and what is said of a name that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from realm.config.layers import load
from realm.config.presets import preset_spec
from realm.config.teacher import parse, problem
from realm.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("self", {"kind": "start"}),
        ("self:mean", {"kind": "mean"}),
        ("DIO", {"kind": "hero", "hero": "DIO"}),
        ("dio:first", {"kind": "checkpoint", "hero": "dio", "campaign": "first", "which": ""}),
        ("dio:first@latest", {"kind": "checkpoint", "campaign": "first", "which": "latest"}),
        ("dio:first@120", {"kind": "checkpoint", "which": "120"}),
        ("dio:latest", {"kind": "checkpoint", "campaign": "", "which": "latest"}),
        ("~/models/big", {"kind": "folder", "text": "~/models/big"}),
        ("Qwen/Qwen3-0.6B", {"kind": "folder"}),
        ("http://127.0.0.1:8000/v1/#qwen", {"kind": "endpoint", "url": "http://127.0.0.1:8000/v1", "model": "qwen"}),
        ("https://host/v1", {"kind": "endpoint", "model": ""}),
    ],
)
def test_a_name_taken_apart(text: str, expected: dict[str, Any]) -> None:
    found = parse(text)
    assert {key: getattr(found, key) for key in expected} == expected
    assert ("scores every token" in found.words()) == (found.kind != "endpoint")
    assert ("sequence-level" in found.words()) == (found.kind == "endpoint")


@pytest.mark.parametrize("text", ["", "dio:", ":x", "dio:x@best", "dio:x@", "https:///v1", "https://me:secret@host/v1"])
def test_what_names_nobody(text: str) -> None:
    with pytest.raises(UsageError) as wrong:
        parse(text)
    assert wrong.value.hint and "secret" not in wrong.value.message + wrong.value.hint


def asked(*overrides: str) -> str:
    settings = load(overrides=["training.method=distill", *overrides], env={})
    from realm.config.layers import hyperparameters_for

    return problem(settings, hyperparameters_for(settings, "smol"))


def test_the_problem_of_a_training() -> None:
    assert "needs a teacher" in asked()
    assert "hatchlin" in asked("training.teacher=hatchlin:first") and "'hatchling'" in asked(
        "training.teacher=hatchlin"
    )
    assert "ema_decay" in asked("training.teacher=self:mean")
    assert not asked("training.teacher=self:mean", "training.ema_decay=0.9")
    assert not asked("training.teacher=Hatchling:first@3")


def test_a_preset_names_its_teacher() -> None:
    preset = ["presets.taught.hero=smol", "presets.taught.method=distill"]
    spec = preset_spec(load(overrides=[*preset, "presets.taught.teacher=self"], env={}), "taught")
    assert (spec.hyperparameters.method, spec.hyperparameters.teacher) == ("distill", "self")
    with pytest.raises(ConfigError, match="taught: teacher: There is no hero"):
        preset_spec(load(overrides=[*preset, "presets.taught.teacher=smoll"], env={}), "taught")
