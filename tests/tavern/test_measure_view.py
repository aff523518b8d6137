"""What a method measures beside the loss: on the battle panel while its quest trains, with the line of its steps."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import RealmSettings
from realm.records import StepMetrics
from realm.tavern import app as tavern
from realm.tavern.measure_view import HEIGHT, LINE_STEPS, MOST, WIDTH, measures
from realm.watchtower.metrics import MetricsWriter

from .demo import Demo
from .test_hero_view import step


def steps(name: str, values: list[float], **more: Any) -> list[StepMetrics]:
    return [step(number, measures={name: value}, **more) for number, value in enumerate(values, start=1)]


def test_a_method_without_measures_shows_none() -> None:
    assert measures([]) == [] and measures([step(1), step(2)]) == []


def test_the_newest_value_stands_with_the_line_of_its_quest() -> None:
    before = [replace(row, quest_step=500 + row.step) for row in steps("reward", [0.9, 0.8])]
    quest = [replace(row, quest_step=row.step, step=row.step + 2) for row in steps("reward", [0.2, 0.4, 0.3])]
    (shown,) = measures([*before, *quest])
    assert (shown.label, shown.value, shown.points) == ("Reward", 0.3, "0.0,22.0 50.0,2.0 100.0,12.0")


def test_known_measures_come_first_and_a_plugins_under_its_own_name() -> None:
    last = step(1, measures={"zeal_of_it": 1.0, "kl": 0.1, "reward": 0.5, "val_margin": 2.0, "weight_mean": 1.0})
    assert [shown.label for shown in measures([last])] == ["Reward", "KL", "Zeal of it"]
    assert all(shown.points == "" for shown in measures([last]))  # one step is no line
    many = step(1, measures={f"m{i}": 1.0 for i in range(30)})
    assert len(measures([many])) == MOST


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2 * LINE_STEPS))
def test_a_line_stays_in_its_box(values: list[float]) -> None:
    (shown,) = measures(steps("margin", values))
    points = [tuple(map(float, point.split(","))) for point in shown.points.split()]
    assert len(points) == min(len(values), LINE_STEPS)
    assert points[0][0] == 0 and points[-1][0] == WIDTH
    assert all(0 <= y <= HEIGHT for _, y in points)


def test_the_page_shows_them_while_the_method_measures(demo: Demo, settings: RealmSettings) -> None:
    demo.train(3)
    app = tavern.create(demo.workspace, settings, demo.db, demo.events)
    with TestClient(app, base_url="http://localhost") as page:
        assert 'class="measures"' not in page.get("/").text
        with MetricsWriter(demo.db, demo.key, "run-2") as writer:
            for number, reward in enumerate((0.25, 0.5), start=1):
                writer.add(step(3 + number, quest_step=number, measures={"reward": reward}, time=time.time()))
        html = page.get("/").text
    assert 'data-measure="reward"' in html and ">0.500<svg" in html
    assert 'points="0.0,22.0 100.0,2.0"' in html
