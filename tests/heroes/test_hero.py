"""Loading heroes: the hatchling from its seed, folders, the package, and clear words when weights are absent."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from realm.errors import HeroError, MissingExtra, WeightsMissing
from realm.heroes import load, weights
from realm.heroes.chat import render
from realm.heroes.families import families
from realm.heroes.generation import answer


@dataclass
class Profile:
    base_model: str
    revision: str | None = None
    chat_template: str | None = None
    family: str = "transformers"
    data_profile: str = "none"
    penalties: tuple = ()
    status: str = "available"
    reason: str = ""


def weights_of(hero) -> torch.Tensor:
    return torch.cat([p.flatten() for p in hero.model.parameters()])


def test_a_seed_names_the_first_weights() -> None:
    one, same, other = load("hatchling", seed=1), load("hatchling", seed=1), load("hatchling", seed=2)
    assert torch.equal(weights_of(one), weights_of(same))
    assert not torch.equal(weights_of(one), weights_of(other))


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load("hatchling", seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_hatchling_is_about_a_million_parameters() -> None:
    hero = load("hatchling")
    assert 300_000 < sum(p.numel() for p in hero.model.parameters()) < 2_000_000
    assert hero.model.config.model_type == "qwen3"


def test_a_checkpoint_brings_model_tokenizer_and_template_back(tmp_path) -> None:
    hero = load("hatchling", seed=3)
    hero.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    hero.model.save_pretrained(tmp_path)
    hero.tokenizer.save_pretrained(tmp_path)
    again = load(Profile("hatchling", chat_template="not this"), checkpoint=tmp_path)
    assert torch.equal(weights_of(hero), weights_of(again))
    assert again.tokenizer.chat_template == hero.tokenizer.chat_template


def test_a_folder_below_the_workspace_is_found(tmp_path) -> None:
    hero = load("hatchling", seed=3)
    hero.model.save_pretrained(tmp_path / "mine")
    hero.tokenizer.save_pretrained(tmp_path / "mine")
    again = load(Profile("mine", chat_template="{{ messages }}"), models=tmp_path)
    assert torch.equal(weights_of(hero), weights_of(again))
    assert again.tokenizer.chat_template == "{{ messages }}"


def test_absent_weights_are_said_with_every_place(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsMissing) as caught:
        weights.find("nobody/no-such-model-here", models_folder=tmp_path)
    assert str(tmp_path / "no-such-model-here") in str(caught.value)
    assert "hub" in str(caught.value)
    assert "hatchling" in caught.value.hint


def test_a_folder_without_weights_says_what_is_missing(tmp_path) -> None:
    with pytest.raises(WeightsMissing, match=r"config\.json is missing"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(WeightsMissing, match="safetensors"):
        load(str(tmp_path))


def test_an_absent_extra_is_named() -> None:
    with pytest.raises(MissingExtra) as caught:
        weights.require_extra("no_such_package", "smol", "The hero smol")
    assert "realm[smol]" in caught.value.hint


def test_adapters_find_their_modules() -> None:
    hero = load("hatchling")
    assert hero.family.adapter_targets(hero.model, "attention") == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert "down_proj" in hero.family.adapter_targets(hero.model, "all")


class Bare(torch.nn.Module):
    """A network whose only linear layer is the head."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(8, 8)

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head


def test_a_model_without_places_for_adapters_says_so() -> None:
    with pytest.raises(HeroError, match="no attention modules"):
        families.get("transformers").adapter_targets(Bare(), "attention")


def test_gpt2_has_its_places_in_conv1d() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=8, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    assert families.get("transformers").adapter_targets(GPT2LMHeadModel(config), "attention") == ["c_attn"]


def test_hidden_matrices_leave_embeddings_and_norms_out() -> None:
    hero = load("hatchling")
    named = dict(hero.model.named_parameters())
    hidden = hero.family.hidden_matrices(hero.model)
    assert all(named[name].ndim == 2 and "layers" in name for name in hidden)
    assert len(hidden) == 7 * hero.model.config.num_hidden_layers


def test_the_transformers_family_is_built_in() -> None:
    assert "transformers" in families.names()


def test_importing_the_heroes_imports_no_torch() -> None:
    code = "import sys, realm.heroes, realm.heroes.chat; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def smol():
    return load("smol")


@pytest.mark.slow
def test_smol_answers_a_question(smol) -> None:
    said = answer(smol.model, smol.tokenizer, ["What is the capital of France?"], max_new_tokens=24)
    assert "Paris" in said[0]


@pytest.mark.slow
def test_smol_trains_its_answers_only(smol) -> None:
    rendered = render(smol.tokenizer, {"prompt": "Who is there?", "completion": "A friend."})
    trained = [i for i, on in zip(rendered.token_ids, rendered.trained, strict=True) if on]
    assert smol.tokenizer.decode(trained) == "A friend.<|im_end|>"


@pytest.mark.slow
def test_smol_takes_training_steps(smol) -> None:
    rendered = render(smol.tokenizer, {"prompt": "①⓪ + ① = ?", "completion": "①⓪ + ① = ①①"})
    input_ids = torch.tensor([rendered.token_ids])
    labels = torch.where(torch.tensor([rendered.trained]), input_ids, -100)
    optimizer = torch.optim.AdamW(smol.model.parameters(), lr=1e-4)
    losses = []
    smol.model.train()
    for _ in range(4):
        loss = smol.model(input_ids=input_ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert all(loss == loss and loss < float("inf") for loss in losses)
    assert losses[-1] < losses[0]
