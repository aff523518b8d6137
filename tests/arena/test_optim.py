from __future__ import annotations

import copy
import io

import pytest
import torch

from realm.arena.optim import build
from realm.arena.optim.muon import Muon, MuonWithAdamW, orthogonal, split
from realm.errors import TrainingError
from realm.heroes.hero import LoadedHero

from .arena_support import settings, small_hero
from .optim_support import made, moves_at_rate_zero, step


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest() -> None:
    hero = small_hero()
    named = dict(hero.model.named_parameters())
    hidden = hero.family.hidden_matrices(hero.model)
    for_muon, for_adamw = split(named, hidden)
    names = {id(p): n for n, p in named.items()}
    assert all(p.ndim == 2 and ".layers." in names[id(p)] for p in for_muon)
    assert {names[id(p)] for p in for_adamw if p.ndim == 2} == {"model.embed_tokens.weight"}
    assert len(for_muon) + len(for_adamw) == len(named)
    assert len(for_muon) == 2 * 7


def test_muon_refuses_what_is_no_matrix() -> None:
    with pytest.raises(TrainingError, match="matrices only"):
        Muon([torch.nn.Parameter(torch.zeros(3))], lr=0.1, momentum=0.9)


def test_orthogonal_brings_singular_values_near_one() -> None:
    made = orthogonal(torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0)))
    values = torch.linalg.svdvals(made)
    assert float(values.min()) > 0.5 and float(values.max()) < 1.5


def test_it_is_torchs_muon_with_matrices_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realm.arena.optim.muon._iteration_dtype", lambda device: torch.bfloat16)
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 8), (8, 8), (24, 8), (8, 24)]
    ours = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    theirs = copy.deepcopy(ours)
    mine = Muon(ours, lr=0.02, momentum=0.95, weight_decay=0.1)
    stock = torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.1)
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        stock.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=2e-3)


@pytest.mark.parametrize("optim", ["adamw", "muon"])
def test_state_goes_to_disk_and_back_exactly(optim: str) -> None:
    def steps(hero: LoadedHero, optimizer: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            step(hero.model, optimizer, lambda p, draw=generator: torch.randn(p.shape, generator=draw))

    hero, optimizer = made(optim, weight_decay=0.1)
    steps(hero, optimizer, range(3))
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    other, fresh = made(optim, weight_decay=0.1)
    other.model.load_state_dict(hero.model.state_dict())
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    steps(hero, optimizer, range(3, 6))
    steps(other, fresh, range(3, 6))
    for a, b in zip(hero.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_norms_do_not_decay() -> None:
    hero = small_hero()
    optimizer = build(hero.model, settings(weight_decay=0.1), hidden_matrices=[])
    assert {g["weight_decay"]: {p.ndim for p in g["params"]} for g in optimizer.param_groups} == {0.1: {2}, 0.0: {1}}


def test_one_list_of_groups_serves_schedules() -> None:
    hero, optimizer = made("muon")
    assert isinstance(optimizer, MuonWithAdamW)
    optimizer.load_state_dict(optimizer.state_dict())
    assert not moves_at_rate_zero(hero, optimizer)
