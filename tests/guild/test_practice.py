from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.practice import DRAWS, allocate, distinct, draw, weight, write
from realm.guild.skill import Problem, side_of
from tests.guild.tiny_skills import tiny_engine

ENGINE = tiny_engine()
MIX = Mix({("double", 1): 0.5, ("double", 2): 0.3, ("parity", 1): 0.2}, "because")


def test_rows_follow_the_mix_and_carry_their_problem(tmp_path: Path) -> None:
    path = write(MIX, ENGINE, tmp_path / "practice-1.jsonl", 200, "practice-1")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert Counter((r["skill"], r["level"]) for r in rows) == {("double", 1): 100, ("double", 2): 60, ("parity", 1): 40}
    assert set(rows[0]) == {"prompt", "completion", "skill", "level", "meta"}
    assert all(side_of(str(row["meta"]["number"])) == "train" for row in rows)
    assert all(row["meta"]["primitives"] for row in rows)
    assert len({row["skill"] for row in rows[:20]}) == 2, "rows are shuffled"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, two, three = (
        write(MIX, ENGINE, tmp_path / name, 100, seed).read_bytes()
        for name, seed in (("a.jsonl", "s"), ("b.jsonl", "s"), ("c.jsonl", "t"))
    )
    assert one == two != three


def test_the_sidecar_says_who_and_why(tmp_path: Path) -> None:
    path = write(MIX, ENGINE, tmp_path / "p.jsonl", 10, "s", priority="normal")
    about = json.loads((tmp_path / "p.jsonl.meta.json").read_text(encoding="utf-8"))
    assert (about["skill"], about["level"], about["priority"]) == ("double", 1, "normal")
    assert "method" not in about  # the campaign's own trains it
    assert about["reason"] == "because" and about["version"] and about["made_by"]
    assert about["parameters"]["mix"] == {"double/1": 0.5, "double/2": 0.3, "parity/1": 0.2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.jsonl", "p.jsonl.meta.json"], "no temporary file is left"
    assert path.read_bytes().endswith(b"\n")


def test_a_sidecar_stands_before_its_data(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").mkdir()
    with pytest.raises(OSError):
        write(MIX, ENGINE, tmp_path / "p.jsonl", 10, "s")
    assert (tmp_path / "p.jsonl.meta.json").is_file()


def test_what_fails_is_practised_more() -> None:
    shares = {("double", 2): 1.0}
    plain = draw(Mix(shares, ""), ENGINE, 400, "s")
    other = {name for p in plain for name in p.primitives} - {"parity"}
    errors = {"double": dict.fromkeys(other, 0.0) | {"parity": 1.0}}
    repair = draw(Mix(shares, "", errors, 0.1), ENGINE, 400, "s")
    count = [sum("parity" in p.primitives for p in problems) for problems in (plain, repair)]
    assert count[0] == pytest.approx(80, abs=30)
    assert count[1] == pytest.approx(2 * 80, abs=40), "nearly all of the pool's"
    assert len(repair) == 400
    assert repair == draw(Mix(shares, "", errors, 0.1), ENGINE, 400, "s"), "the same arguments, the same problems"


def test_a_high_floor_forgets_weakness() -> None:
    shares, errors = {("double", 2): 1.0}, {"double": {"parity": 1.0, "mul_single_digit": 0.0}}
    count = sum("parity" in p.primitives for p in draw(Mix(shares, "", errors, 1000.0), ENGINE, 400, "s"))
    assert count == pytest.approx(80, abs=30)


@given(rates=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0, 1), min_size=1), floor=st.floats(0.01, 2))
def test_a_problem_weighs_what_its_worst_primitive_fails(rates: dict[str, float], floor: float) -> None:
    def asks(*names: str) -> Problem:
        return Problem("s", 1, "?", "!", "c", names)

    assert weight(asks(*rates), rates, floor) == floor + max(rates.values())
    assert weight(asks(), rates, floor) == floor
    assert weight(asks("never asked"), rates, floor) == floor + max(rates.values())


def test_kinds_are_weighed_against_the_levels_own_mix() -> None:
    shares, engine = {("bin", 1): 1.0}, SkillEngine()
    own = engine.get("bin").mix(1)
    plain = Counter(p.meta["difficulty"] for p in draw(Mix(shares, ""), engine, 200, "s"))
    assert plain == {kind: share * 200 for kind, share in own.items()}
    weighed = Mix(shares, "", kind_weights={"easy": 2.0, "expert": 0.0})
    some = Counter(p.meta["difficulty"] for p in draw(weighed, engine, 200, "s"))
    assert some["expert"] == 0
    assert some["easy"] / some["medium"] == pytest.approx(2 * own["easy"] / own["medium"], rel=0.1)


def test_a_failing_primitive_that_a_level_lacks_is_no_trouble() -> None:
    assert len(draw(Mix({("double", 1): 1.0}, "", {"double": {"modulo": 0.5}}, 0.1), ENGINE, 50, "s")) == 50


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.integers(0, 500))
def test_whole_numbers_sum_to_the_count(weights: list[float], count: int) -> None:
    shares = {("bin", i): w / sum(weights) for i, w in enumerate(weights)}
    counts = allocate(shares, count)
    assert sum(counts.values()) == count
    assert all(abs(counts[cell] - shares[cell] * count) <= 1 for cell in shares)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 20))
def test_repeats_come_only_where_nothing_else_is_drawn(answers: list[int], count: int) -> None:
    def drawn(place: int) -> Problem:
        answer = str(answers[place % len(answers)])
        return Problem(skill="double", level=1, prompt=f"{answer}?", answer=answer, content=answer)

    got = [problem.prompt for problem in distinct(drawn, count)]
    reachable = {f"{answers[place % len(answers)]}?" for place in range(DRAWS * count)}
    assert len(got) == count
    assert len(set(got)) == min(count, len(reachable))


def test_a_level_of_few_short_problems_is_practised_evenly() -> None:
    rows = draw(Mix({("bin", 1): 1.0}, "a test"), SkillEngine(), 1000, "even")
    share = len({(row.prompt, row.answer) for row in rows}) / len(rows)
    natural = SkillEngine().generate_batch("bin", 1, 1000, "even")
    assert share > 0.8 > len({(row.prompt, row.answer) for row in natural}) / len(natural)
