from __future__ import annotations

import numpy as np
import pytest
import torch

from realm.arena.batches import Loader, collate
from realm.arena.data import Examples
from realm.arena.methods.sft import require_isolation, summed_loss
from realm.arena.packing import Plan, Rows
from realm.errors import TrainingError

from .arena_support import small_hero


def examples(lengths: list[int], *, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    tokens = random.integers(6, 300, offsets[-1]).astype(np.int32)
    trained = np.ones(offsets[-1], dtype=bool)
    return Examples(tokens, trained, offsets)


def rows(*groups: list[int]) -> Rows:
    return Rows(np.concatenate(groups), np.cumsum([0, *map(len, groups)]))


def test_layout_of_a_batch() -> None:
    batch = collate(examples([3, 2, 4]), rows([0, 1], [2]), pad_id=0)
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 3, 4]]
    assert batch["input_ids"][1, 4] == 0
    assert batch["trained_at"].tolist() == [0, 1, 3, 5, 6, 7]  # no example's first token is a target
    assert batch["targets"].tolist() == batch["input_ids"].flatten()[batch["trained_at"] + 1].tolist()
    assert int(batch["useful"]) == 9


def test_only_marked_tokens_are_targets() -> None:
    made = examples([4])
    made.trained[:] = [True, False, False, True]
    assert collate(made, rows([0]), pad_id=0)["trained_at"].tolist() == [2]


def test_packed_examples_give_the_logits_they_give_alone() -> None:
    model = small_hero().model.eval()
    made = examples([7, 12, 3, 20])
    packed = collate(made, rows([0, 1, 2], [3]), pad_id=0)
    with torch.no_grad():
        together = model(input_ids=packed["input_ids"], position_ids=packed["position_ids"], use_cache=False).logits
        place = 0
        for index, length in enumerate([7, 12, 3]):
            ids = torch.from_numpy(made.tokens[made.offsets[index] : made.offsets[index + 1]].astype(np.int64))[None]
            alone = model(input_ids=ids, use_cache=False).logits[0]
            assert torch.allclose(together[0, place : place + length], alone, atol=1e-5)
            place += length


def test_the_loss_is_that_of_plain_cross_entropy_on_each_example() -> None:
    model = small_hero().model.eval()
    made = examples([7, 12, 3, 20])
    batch = collate(made, rows([0, 1, 2], [3]), pad_id=0)
    with torch.no_grad():
        ours = summed_loss(model, model.get_output_embeddings(), batch)
        theirs = 0.0
        for index in range(4):
            ids = torch.from_numpy(made.tokens[made.offsets[index] : made.offsets[index + 1]].astype(np.int64))[None]
            theirs += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    assert float(ours) == pytest.approx(theirs, rel=1e-5)


def test_a_model_that_mixes_packed_examples_is_refused() -> None:
    model = small_hero().model
    require_isolation(model)
    original = model.forward
    model.forward = lambda position_ids=None, **rest: original(**rest)  # ignores where examples begin
    with pytest.raises(TrainingError, match="attend to each other"):
        require_isolation(model)


def test_a_loader_has_the_length_that_it_yields() -> None:
    made = examples([5] * 40)
    plan = Plan(made.lengths, seed="s", batch_rows=1, max_length=64, packing=True)
    loader = Loader(made, plan, pad_id=0, max_length=64, first=1)
    assert len(list(loader)) == len(loader) == plan.batches - 1


def test_a_batch_in_parts_has_the_loss_of_the_batch_whole() -> None:
    model = small_hero().model.eval()
    made = examples([7, 12, 3, 200, 40, 9, 90, 15])
    plan = Plan(made.lengths, seed="s", batch_rows=4, max_length=256, packing=True)
    head = model.get_output_embeddings()

    def loss(part_tokens: int | None) -> tuple[float, int]:
        (batch,) = Loader(made, plan, pad_id=0, max_length=256, part_tokens=part_tokens)
        return sum(float(summed_loss(model, head, part).detach()) for part in batch), len(batch)

    whole, one = loss(None)
    divided, several = loss(128)
    assert (one, several > 1) == (1, True)
    assert divided == pytest.approx(whole, rel=1e-5)
