from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realm.vault.champion import Standing, best, lower_bound, rank

standings = st.lists(
    st.builds(
        Standing,
        id=st.uuids().map(str),
        step=st.integers(0, 10**6),
        mastered=st.integers(0, 30),
        accuracy=st.floats(0, 1),
        n=st.integers(0, 3000),
    ),
    unique_by=lambda s: s.step,
)


def standing(step: int, mastered: int, accuracy: float, n: int = 200) -> Standing:
    return Standing(f"h:c@{step}", step, mastered, accuracy, n)


def test_levels_come_before_accuracy() -> None:
    easy, hard = standing(10, 1, 0.99), standing(20, 2, 0.70)
    assert best([hard, easy]) == hard


def test_accuracy_decides_between_equal_levels() -> None:
    assert best([standing(10, 1, 0.9), standing(20, 1, 0.8)]) == standing(10, 1, 0.9)


def test_luck_on_few_problems_does_not_win() -> None:
    assert best([standing(10, 1, 1.0, n=5), standing(20, 1, 0.97, n=100)]) == standing(20, 1, 0.97, n=100)


def test_a_champion_has_to_be_beaten() -> None:
    assert best([standing(20, 1, 0.9), standing(10, 1, 0.9)]) == standing(10, 1, 0.9)


def test_nothing_right_and_nothing_mastered_is_no_champion() -> None:
    assert best([standing(10, 0, 0.0), standing(20, 0, 0.0)]) is None
    assert best([standing(10, 0, 0.0), standing(20, 0, 0.01)]) == standing(20, 0, 0.01)
    assert best([standing(10, 1, 0.0), standing(20, 0, 0.9)]) == standing(10, 1, 0.0)


def test_nobody_examined_no_champion() -> None:
    assert best([]) is None


def test_lower_bound_is_wilsons() -> None:
    assert abs(lower_bound(0.8, 100) - 0.7112) < 1e-4
    assert lower_bound(1.0, 0) == 0.0


@given(standings)
def test_no_one_outranks_the_champion(candidates: list[Standing]) -> None:
    champion = best(candidates)
    assert (champion is None) == (not any(s.mastered or s.accuracy for s in candidates))
    assert champion is None or all(rank(s) <= rank(champion) for s in candidates)


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_lower_bound_stays_below_the_accuracy(accuracy: float, n: int) -> None:
    assert 0 <= lower_bound(accuracy, n) <= accuracy + 1e-9
    assert lower_bound(accuracy, n) <= lower_bound(accuracy, n * 2) + 1e-9
