"""The catalogue of primitives: complete, without a circle, and the only source of names for every skill's problems."""

from __future__ import annotations

import pytest

from realm.errors import SkillError
from realm.guild.engine import SkillEngine, skills
from realm.guild.primitives import CATALOGUE
from realm.guild.primitives.catalogue import FAMILIES, FILE, read_catalogue

ONE = """
[families]
logic = ["deduce"]
[a]
track = "logic"
family = "logic/deduce"
difficulty = 1
needs = []
about = "A."
"""


def test_prerequisites_come_before_and_are_not_harder() -> None:
    for primitive in CATALOGUE.values():
        assert all(CATALOGUE[need].difficulty <= primitive.difficulty for need in primitive.needs), primitive
        assert primitive.name not in _all_needs(primitive.name)


def _all_needs(name: str) -> set[str]:
    needs = set(CATALOGUE[name].needs)
    return needs.union(*map(_all_needs, needs))


def test_thirty_nine_and_seven() -> None:
    tracks = [primitive.track for primitive in CATALOGUE.values()]
    assert (len(tracks), tracks.count("word")) == (46, 7)
    assert set(FAMILIES) == {"sequence", "logic", "memory", "format", "attention", "transform"}
    assert {p.family for p in CATALOGUE.values()} == set(FAMILIES)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"logic"\n', '"magic"\n', "a: track must be one of"),
        ("logic/deduce", "logic/guess", "a: family must be one of logic/deduce"),
        ("difficulty = 1", "difficulty = 6", "a: difficulty must be a whole number from 1 to 5"),
        ("needs = []", 'needs = ["aa"]', "a: needs: there is no 'aa'; did you mean 'a'?"),
        ("needs = []", 'needs = ["a"]', "a.needs: goes in a circle: a -> a"),
        ('about = "A."', "", "a: must be a table with about, difficulty"),
        ("[a]", "[a", "is no TOML"),
    ],
)
def test_a_mistake_is_said_with_its_place(old: str, new: str, said: str) -> None:
    assert read_catalogue(ONE)[1]["a"].member == "deduce"
    with pytest.raises(SkillError, match=r"does not describe|is no TOML") as raised:
        read_catalogue(ONE.replace(old, new, 1))
    assert said in raised.value.message


def test_a_circle_through_several_is_found() -> None:
    text = FILE.read_text(encoding="utf-8").replace("needs = []", 'needs = ["modulo"]', 1)
    with pytest.raises(SkillError, match="goes in a circle"):
        read_catalogue(text)


@pytest.mark.parametrize("name", skills().names())
def test_problems_of_every_skill_name_only_the_catalogue(name: str) -> None:
    engine = SkillEngine()
    skill = engine.get(name)
    for level in range(1, skill.levels + 1):
        for problem in engine.generate_batch(name, level, 60, "names"):
            assert problem.primitives and set(problem.primitives) <= set(CATALOGUE), problem
            assert set(problem.primitives) <= set(skill.spec.primitives), problem
