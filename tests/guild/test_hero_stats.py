from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.guild.hero_stats import Numbers, hero_stats, smoothed


def test_the_card_of_a_hero() -> None:
    card = hero_stats(
        Numbers(
            steps=2500,
            losses=[0.25] * 50,
            val_loss=0.5,
            correct=63,
            asked=90,
            quests_completed=4,
            effort=12.5,
            lowest_val_loss=0.4,
            highest_levels={"bin": 3, "sy": 1},
            best_accuracy=0.9,
            title="Climber",
        )
    )
    assert {key: stat.value for key, stat in card.items()} == {
        "xp": 2500,
        "level": 2,
        "attack": 4.0,
        "defence": 2.0,
        "accuracy": 0.7,
        "gold": 400,
        "effort": 12.5,
        "experience": None,
        "best_val_loss": 0.4,
        "best_level": 3,
        "best_accuracy": 0.9,
        "title": "Climber",
    }


def test_a_new_hero_has_no_number_that_means_nothing() -> None:
    values = {key: stat.value for key, stat in hero_stats(Numbers()).items()}
    assert {key for key, value in values.items() if value is not None} == {"xp", "level", "gold", "effort"}


def test_every_number_opens_its_definition() -> None:
    assert all(stat.name and stat.formula and stat.definition.endswith(".") for stat in hero_stats(Numbers()).values())


@given(st.lists(st.floats(1e-3, 20), min_size=1, max_size=100))
def test_the_average_lies_between_the_losses(losses: list[float]) -> None:
    average = smoothed(losses)
    assert average is not None and min(losses) - 1e-9 <= average <= max(losses) + 1e-9


def test_the_average_forgets_in_about_fifty_steps() -> None:
    assert smoothed([1.0] + [0.0] * 50) == pytest.approx((49 / 51) ** 50)
    assert smoothed([]) is None
