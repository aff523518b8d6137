"""The page of settings and the JSON Schema tell every field."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from realm.config import schema
from realm.config.reference import docstrings, in_page, json_schema, markdown

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
MODELS = [
    value
    for value in vars(schema).values()
    if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == schema.__name__
]


def test_every_field_says_what_it_means() -> None:
    silent = [f"{m.__name__}.{f}" for m in MODELS for f in m.model_fields if not docstrings()[m.__name__].get(f)]
    assert silent == []


def test_the_schema_describes_every_field() -> None:
    made = json_schema()
    assert made["properties"]["campaign"]["description"]
    assert made["$defs"]["CampaignSettings"]["properties"]["hero"]["description"].startswith("Name of a hero")


def test_the_page_is_as_the_schema_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert in_page(page) == page, "make it anew: python -m realm.config.reference docs/configuration.md"
    assert "`learning_rate`" in markdown()
