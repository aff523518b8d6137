"""A skill's description: mistakes are named with file, field and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from realm.errors import SkillError
from realm.guild.engine import SkillEngine
from realm.guild.primitives import CATALOGUE
from realm.guild.primitives.catalogue import FAMILIES
from realm.guild.skill import SkillSpec, load_spec, spec_schema
from realm.guild.skills.binary.skill import DESCRIPTION
from realm.guild.skills.binary.spec import BinSpec

SHIPPED = DESCRIPTION.parent


def broken(tmp_path: Path, **changes: Any) -> str:
    """The message for a description with some fields replaced."""
    content = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8")) | changes
    file = tmp_path / "bin.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SkillError) as caught:
        load_spec(file, BinSpec)
    assert str(file) in caught.value.message and caught.value.hint
    return caught.value.message


def test_the_table_is_that_of_the_design() -> None:
    spec = load_spec(DESCRIPTION, BinSpec)
    table = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 15: 16, 20: 21, 25: 26, 30: 32}
    assert {level: spec.level(level).bits for level in table} == table
    assert spec.shares(1) == [50, 35, 12, 3] and spec.shares(30) == [15, 25, 35, 25]
    assert spec.symbols.from_level == 8 and spec.symbols.share == 0.75


def test_all_mistakes_are_said_at_once_with_their_fields(tmp_path: Path) -> None:
    message = broken(tmp_path, name=None, auxiliary_share=3, colour="red")
    assert "name:" in message and "auxiliary_share:" in message and "colour:" in message


def test_a_gap_in_the_levels_is_named(tmp_path: Path) -> None:
    assert "without a gap" in broken(tmp_path, levels=[{"level": 1, "bits": 2}, {"level": 3, "bits": 4}])


def test_an_unknown_primitive_names_the_nearest(tmp_path: Path) -> None:
    assert "binary_compare" in broken(tmp_path, primitives=["binary_compere"])


def test_an_unknown_operation_names_the_known_ones(tmp_path: Path) -> None:
    assert "'ad'" in broken(tmp_path, operations={"unsigned": ["ad"]})


def test_shares_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    mix = [{"levels": [1, 30], "easy": 50, "medium": 50, "hard": 12, "expert": 3}]
    assert "add up to 100" in broken(tmp_path, mix=mix)


def test_a_level_without_a_mix_is_refused(tmp_path: Path) -> None:
    mix = [{"levels": [1, 29], "easy": 50, "medium": 35, "hard": 12, "expert": 3}]
    assert "no band holds level 30" in broken(tmp_path, mix=mix)


def test_one_symbol_for_two_things_is_refused(tmp_path: Path) -> None:
    symbols = {"from_level": 8, "share": 0.5, "digits": [["a", "b"]], "operations": list("acdefghijklmnopqrstuvwxyz")}
    assert "stands twice" in broken(tmp_path, symbols=symbols)


def test_no_yaml_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: [", encoding="utf-8")
    with pytest.raises(SkillError, match="no YAML"):
        load_spec(file, BinSpec)
    with pytest.raises(SkillError, match="cannot be read"):
        load_spec(tmp_path / "absent.yaml", BinSpec)


def test_the_catalogue_has_its_tracks_and_families() -> None:
    tracks = [primitive.track for primitive in CATALOGUE.values()]
    assert {track: tracks.count(track) for track in tracks} == {
        "arithmetic": 11,
        "binary": 10,
        "logic": 7,
        "string": 6,
        "code": 5,
        "word": 7,
    }
    members = {f"{family}/{member}" for family, names in FAMILIES.items() for member in names}
    assert all(
        f"{primitive.family}/{primitive.member}" in members and primitive.about.endswith(".")
        for primitive in CATALOGUE.values()
    )


def specs() -> list[SkillSpec]:
    engine = SkillEngine()
    return [engine.get(name).spec for name in engine.names()]


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_descriptions_fit_their_json_schema(file: Path) -> None:
    kind = next(type(spec) for spec in specs() if spec.id == file.stem)
    schema = spec_schema(kind)
    validator = jsonschema_rs.validator_for(schema)
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(content)] == []
    for change in ({"colour": "red"}, {"primitives": ["binary_compere"]}, {"levels": 3}, {"id": "Not An Id"}):
        assert not validator.is_valid(content | change), change


def test_the_schema_says_what_every_field_means() -> None:
    for spec in specs():
        schema = spec_schema(type(spec))
        for table in (schema, *schema["$defs"].values()):
            unsaid = [name for name, told in table["properties"].items() if not told.get("description")]
            assert set(unsaid) <= {"easy", "medium", "hard", "expert"}, (spec.id, table["title"], unsaid)


def test_a_wrong_field_is_named_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    text = DESCRIPTION.read_text(encoding="utf-8").replace("{level: 2, bits: 3}", "{level: 2, bitz: 3}")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "bitz" in row)
    (tmp_path / "bin.yaml").write_text(text.replace("name: Binary", "nam: Binary"), encoding="utf-8")
    with pytest.raises(SkillError) as caught:
        load_spec(tmp_path / "bin.yaml", BinSpec)
    message = caught.value.message
    assert f"line {line}, levels.1.bitz: there is no such field; did you mean 'bits'? There are: bits, level" in message
    assert f"line {line}, levels.1.bits: is missing" in message
    assert "line 3, nam: there is no such field; did you mean 'name'?" in message


def test_a_skill_without_levels_is_refused(tmp_path: Path) -> None:
    assert "at least one" in broken(tmp_path, levels=[])


def test_allowed_values_are_named(tmp_path: Path) -> None:
    assert "must be 'unsigned', 'signed', 'comparison', 'shift' or 'conversion'" in broken(
        tmp_path, operations={"unsigend": ["add"]}
    )
    assert "must be less than or equal to 1" in broken(tmp_path, thresholds={"level_up": 80})


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = DESCRIPTION.read_text(encoding="utf-8")
    (tmp_path / "bin.yaml").write_text(text + "\nauxiliary_share: 0.9\n", encoding="utf-8")
    with pytest.raises(SkillError, match="'auxiliary_share' stands twice"):
        load_spec(tmp_path / "bin.yaml", BinSpec)


def test_a_list_is_no_description(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("- 1\n", encoding="utf-8")
    with pytest.raises(SkillError, match="line 1, the whole"):
        load_spec(tmp_path / "x.yaml", SkillSpec)
