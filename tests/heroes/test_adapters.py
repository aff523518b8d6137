from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from realm.config.schema import HeroProfile
from realm.errors import CheckpointError, HeroError, UsageError, WeightsMissing
from realm.heroes import adapters, bases, quantised
from realm.heroes.families import families
from realm.heroes.hero import LoadedHero, load
from realm.heroes.to_train import load_to_train
from realm.heroes.weights import Weights

from .adapter_support import answers, profile, small_adapter, taught, write, write_base


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def opened(
    base: Path, models: Path, checkpoint: Path | None = None, start: Path | None = None, **changes: Any
) -> LoadedHero:
    return load_to_train(profile(base), small_adapter(**changes), models=models, checkpoint=checkpoint, start=start)


def trained_names(hero: LoadedHero) -> set[str]:
    return {name for name, p in hero.model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("changes", [{}, {"use_rslora": True}, {"use_dora": True}, {"target_modules": ["all"]}])
def test_a_new_adapter_changes_nothing_and_alone_trains(base: Path, models: Path, changes: dict[str, Any]) -> None:
    state = torch.get_rng_state()
    hero = opened(base, models, **changes)
    assert torch.equal(torch.get_rng_state(), state)
    assert answers(hero) == answers(load(profile(base)))
    assert trained_names(hero) and all("lora_" in name for name in trained_names(hero))
    assert any("lora_magnitude" in name for name in trained_names(hero)) == bool(changes.get("use_dora"))
    assert any("down_proj" in name for name in trained_names(hero)) == ("target_modules" in changes)
    again = opened(base, models, **changes)
    for name, parameter in again.model.named_parameters():
        assert torch.equal(parameter, dict(hero.model.named_parameters())[name])


def test_the_seed_names_the_first_weights(base: Path, models: Path) -> None:
    one, other = (
        load_to_train(profile(base), small_adapter(), models=models, seed=seed).model.state_dict() for seed in (0, 1)
    )
    name = next(name for name in one if "lora_A" in name)
    assert not torch.equal(one[name], other[name])


def test_modules_that_the_model_does_not_have_are_named_with_those_it_has(base: Path, models: Path) -> None:
    with pytest.raises(UsageError, match="no module query_key_value") as refused:
        opened(base, models, target_modules=["q_proj", "query_key_value"])
    assert "k_proj" in refused.value.hint and "attention" in refused.value.hint
    words = opened(base, models, target_modules=["attention"])
    assert set(words.model.peft_config["default"].target_modules) == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_an_adapter_is_written_alone_and_read_with_its_base(base: Path, models: Path, tmp_path: Path) -> None:
    hero = taught(opened(base, models))
    made = write(hero, tmp_path / "made")
    assert bases.is_adapter(made) and not bases.is_adapter(base)
    assert {"adapter_config.json", "adapter_model.safetensors", "base.json"} <= {f.name for f in made.iterdir()}
    assert not (made / "model.safetensors").exists()
    told = json.loads((made / "base.json").read_text())
    assert told == {"base_model": str(base), "sha256": bases.fingerprint(Weights(base))}
    config = json.loads((made / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["inference_mode"]) == (str(base), 4, True)
    read = load(profile(base), checkpoint=made, models=models)
    assert read.base == hero.base and not trained_names(read)
    assert answers(read) == answers(hero) != answers(load(profile(base)))
    going_on = opened(base, models, checkpoint=made, lora_dropout=0.5)
    assert answers(going_on) == answers(hero) and trained_names(going_on) == trained_names(hero)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own, see adapters.attach
def test_peft_alone_reads_what_was_written(base: Path, models: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    hero = taught(opened(base, models))
    theirs = PeftModel.from_pretrained(load(profile(base)).model, str(write(hero, tmp_path / "made")))
    assert answers(LoadedHero(theirs, hero.tokenizer, hero.family, "theirs")) == answers(hero)


def test_an_adapter_for_another_base_is_refused(base: Path, models: Path, tmp_path: Path) -> None:
    made = write(taught(opened(base, models)), tmp_path / "made")
    other = write_base(tmp_path / "other", seed="other")
    with pytest.raises(UsageError, match=r"was trained on '.*base'; this hero is built on '.*other'"):
        load(profile(other), checkpoint=made)
    write_base(base, seed="other")  # other weights under the same name
    with pytest.raises(UsageError, match="is for other weights") as refused:
        load(profile(base), checkpoint=made)
    assert refused.value.exit_code == 2 and "sha256" in refused.value.hint
    with pytest.raises(UsageError, match="is for other weights"):
        opened(base, models, checkpoint=made)


def test_an_adapter_that_does_not_tell_its_base_is_refused(base: Path, models: Path, tmp_path: Path) -> None:
    made = write(opened(base, models), tmp_path / "made")
    (made / "base.json").write_text("[]")
    with pytest.raises(CheckpointError, match="does not tell its base"):
        load(profile(base), checkpoint=made)


def test_a_built_base_is_found_again_by_its_seed(models: Path, tmp_path: Path) -> None:
    hatchling = HeroProfile(base_model="hatchling")
    hero = load_to_train(hatchling, small_adapter(), models=models, seed=7)
    made = write(hero, tmp_path / "made")
    assert bases.read(made).seed == "7"
    assert load(hatchling, checkpoint=made).base == hero.base
    (made / "base.json").write_text((made / "base.json").read_text().replace('"7"', '"8"'))
    with pytest.raises(UsageError, match="is for other weights"):
        load(hatchling, checkpoint=made)


def test_several_files_of_weights_have_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"model-{name}.safetensors").write_bytes(name.encode())
    one = bases.fingerprint(Weights(tmp_path))
    (tmp_path / "model-b.safetensors").write_bytes(b"c")
    assert len(one) == 64 and bases.fingerprint(Weights(tmp_path)) != one


@pytest.mark.parametrize(
    "changes", [{"r": 8}, {"lora_alpha": 16}, {"target_modules": ["q_proj"]}, {"use_rslora": True}, {"use_dora": True}]
)
def test_the_shape_of_an_adapter_stays_within_a_campaign(
    base: Path, models: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    made = write(opened(base, models), tmp_path / "made")
    with pytest.raises(UsageError, match=f"has another shape: {next(iter(changes))} is") as refused:
        opened(base, models, checkpoint=made, **changes)
    assert "realm campaign create" in refused.value.hint


def test_a_campaign_keeps_to_an_adapter_or_to_all_weights(base: Path, models: Path, tmp_path: Path) -> None:
    made = write(opened(base, models), tmp_path / "made")
    with pytest.raises(UsageError, match="trained an adapter so far, and its settings ask for all weights"):
        load_to_train(profile(base), None, models=models, checkpoint=made)
    with pytest.raises(UsageError, match="trained all weights so far, and its settings ask for an adapter"):
        opened(base, models, checkpoint=base)


@pytest.mark.parametrize("changes", [{}, {"use_rslora": True}, {"use_dora": True}, {"target_modules": ["all"]}])
def test_merged_it_answers_the_same(base: Path, models: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    hero = taught(opened(base, models, **changes))
    before = answers(hero)
    made = write(hero, tmp_path / "made")
    model = adapters.merged(hero.model)
    model.save_pretrained(tmp_path / "merged")
    whole = LoadedHero(
        hero.family.load_model(Weights(tmp_path / "merged"), None, seed=""), hero.tokenizer, hero.family, ""
    )
    assert not any("lora" in name for name in load_file(tmp_path / "merged" / "model.safetensors"))
    assert answers(whole) == before != answers(load(profile(base)))
    if changes.get("use_dora"):
        with pytest.raises(UsageError, match="DoRA"):
            adapters.unmerged(whole.model, made)
        return
    again = dict(adapters.unmerged(whole.model, made).named_parameters())
    for name, parameter in load(profile(base)).model.named_parameters():
        torch.testing.assert_close(again[name], parameter, rtol=0, atol=1e-6)


def test_a_part_of_an_adapter_is_missed(base: Path, models: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    made = write(opened(base, models), tmp_path / "made")
    weights = load_file(made / "adapter_model.safetensors")
    gone = sorted(weights)[0]
    save_file({name: value for name, value in weights.items() if name != gone}, made / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="first difference"):
        load(profile(base), checkpoint=made)
    (made / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load(profile(base), checkpoint=made)


def test_an_adapter_is_no_base_model(base: Path, models: Path, tmp_path: Path) -> None:
    made = write(opened(base, models), tmp_path / "made")
    with pytest.raises(WeightsMissing, match="an adapter alone") as refused:
        load(profile(made))
    assert "realm adapter merge" in refused.value.hint


def test_a_new_game_goes_on_with_an_adapter_of_the_same_shape(base: Path, models: Path, tmp_path: Path) -> None:
    hero = taught(opened(base, models))
    again = opened(base, models, start=write(hero, tmp_path / "start"))
    assert answers(again) == answers(hero) and again.base == hero.base and trained_names(again)
    assert not list(models.iterdir())


@pytest.mark.parametrize("start_is_an_adapter", [True, False])
def test_a_new_game_on_learned_weights_keeps_them_as_its_base(
    base: Path, models: Path, tmp_path: Path, start_is_an_adapter: bool
) -> None:
    if start_is_an_adapter:
        learned = taught(opened(base, models))
        start = write(learned, tmp_path / "start")
    else:
        start = write_base(tmp_path / "start", seed="learned")
        learned = load(profile(base), checkpoint=start)
    hero = opened(base, models, start=start, r=2)
    assert answers(hero) == answers(learned) != answers(load(profile(base)))
    assert hero.base is not None and hero.base.origin == str(base)
    assert [folder.name for folder in models.iterdir()] == [hero.base.base_model] == [f"base-{hero.base.sha256[:12]}"]
    made = write(taught(hero), tmp_path / "made")
    assert answers(load(profile(base), checkpoint=made, models=models)) == answers(hero)
    again = opened(base, models, start=start, r=2)  # a second such campaign shares the base
    assert again.base == hero.base and len(list(models.iterdir())) == 1


def test_a_new_game_may_train_all_weights_of_what_an_adapter_learned(base: Path, models: Path, tmp_path: Path) -> None:
    learned = taught(opened(base, models))
    hero = load_to_train(profile(base), None, models=models, start=write(learned, tmp_path / "start"))
    assert hero.base is None and answers(hero) == answers(learned)
    assert all(p.requires_grad for p in hero.model.parameters())


def test_a_base_in_bfloat16_carries_an_adapter_in_float32(base: Path, models: Path) -> None:
    hero = load_to_train(profile(base), small_adapter(quantize="bf16"), models=models)
    trained = {p.requires_grad: p.dtype for p in hero.model.parameters()}
    assert trained == {False: torch.bfloat16, True: torch.float32}
    whole = load_to_train(profile(base), small_adapter(), models=models)
    assert hero.base == whole.base  # the same files on the disk
    assert all(answers(hero))
    with pytest.raises(HeroError, match="safetensors"):
        families.get("transformers").load_quantized(Weights(None), "bf16")


def test_four_bits_are_refused_in_words_without_a_card(base: Path) -> None:
    family = families.get("transformers")
    with pytest.raises(HeroError, match="safetensors"):
        family.load_quantized(Weights(None), "nf4")
    if not torch.cuda.is_available():
        with pytest.raises(HeroError, match="needs an NVIDIA GPU"):
            family.load_quantized(Weights(base), "nf4")
    asked = quantised.settings()
    assert (asked.load_in_4bit, asked.bnb_4bit_quant_type, asked.bnb_4bit_use_double_quant) == (True, "nf4", True)
