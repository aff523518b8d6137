"""docs/storage.md is a contract: tables, facts, the manifest and the metrics of the page are those of the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table, Text

from realm.db import Database, metadata
from realm.events import KINDS
from realm.records import CampaignKey, Progress
from realm.vault.manifest import Lineage, Manifest
from realm.watchtower import prometheus
from realm.watchtower.gpu import Gpu
from realm.watchtower.machine import Machine
from realm.watchtower.metrics import SERIES, Metrics, MetricsWriter
from tests.promises import ROOT, module_name, source_files

PAGE = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")
TYPES = {Text: "text", String: "text", BigInteger: "integer", Integer: "integer", Float: "real", Boolean: "boolean"}


def declaring_modules() -> list[str]:
    """Every module that declares a table, found by its text: a forgotten one cannot hide."""
    return [module_name(f) for f in source_files() if re.search(r"=\s*Table\(", f.read_text("utf-8"))]


for module in declaring_modules():
    import_module(module)


def section(title: str, level: str = "##") -> str:
    found = re.search(rf"^{level} {re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.M | re.S)
    assert found, f"docs/storage.md has no section {title}"
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    yield from ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def described(column: Column[object]) -> str:
    kind = next(word for base, word in TYPES.items() if isinstance(column.type, base))
    return kind + (", null" if column.nullable else "")


def test_every_table_is_on_the_page_and_no_other() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", section("Tables"), re.M)) == sorted(metadata.tables)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_columns(table: Table) -> None:
    text = section(f"`{table.name}`", "###")
    on_page = []
    for cell, kind, meaning in rows(text):
        assert meaning, f"{cell} says nothing"
        name = names(cell)[0]
        on_page += [(name.replace("*", s), kind) for s in SERIES] if "*" in name else [(name, kind)]
    assert sorted(on_page) == sorted((c.name, described(c)) for c in table.columns)
    key = re.search(r"Key: (.*)\.$", text, re.M)
    assert key and names(key[1]) == [c.name for c in table.primary_key.columns]
    owner = re.search(r"Written by `([\w/]+\.py)`", text)
    assert owner and (ROOT / "src" / "realm" / owner[1]).is_file()


def test_facts() -> None:
    on_page = {names(kind)[0]: (names(own), words) for kind, own, words in rows(section("Facts"))}
    in_code = {
        kind: ([f.name for f in fields(fact) if f.name not in {"hero", "campaign"}],
               " ".join((inspect.getdoc(fact) or "").split()))
        for kind, fact in KINDS.items()
    }  # fmt: skip
    assert on_page == in_code


def test_manifest() -> None:
    on_page = {names(key)[0]: names(meaning) for key, meaning in rows(section("Checkpoints"))}
    assert [*Manifest.model_fields, "seal"] == list(on_page)
    assert on_page["lineage"] == list(Lineage.model_fields)
    assert on_page["progress"] == [f.name for f in fields(Progress)]


def test_prometheus_names(db: Database) -> None:
    from tests.watchtower.test_metrics import step

    key = CampaignKey("h", "c")
    with db.write() as connection:
        metadata.create_all(connection)
    with MetricsWriter(db, key, "r") as writer:
        writer.add(step(1))
    machine = Machine(0.5, 2, 1, 2, 3, 4, (Gpu(0, "x", 0.5, 1, 2, None, None),))
    sources = prometheus.Sources(
        key, Metrics(db), lambda: machine, queue=lambda: {"high": 1}, levels=lambda: {"bin": 1}
    )
    text = prometheus.text(prometheus.registry(sources)).decode()
    samples = {(s.name, ", ".join(sorted(s.labels))) for f in text_string_to_metric_families(text) for s in f.samples}
    on_page = {(names(name)[0], ", ".join(sorted(filter(None, labels.split(", ")))))
               for name, labels, _ in rows(section("Prometheus"))}  # fmt: skip
    assert {s for s in samples if not s[0].endswith("_created")} == on_page
