"""Settings of preferences: TRL's names and values, and mistakes in words."""

from __future__ import annotations

from typing import get_args

import pytest

from realm.config.layers import hyperparameters_for, load
from realm.config.schema.training import DpoLoss
from realm.errors import ConfigError


def test_losses_may_be_one_name_or_several() -> None:
    settings = load(overrides=["training.loss_type=ipo", "training.method=dpo"], env={})
    assert hyperparameters_for(settings, "hatchling").loss_type == ("ipo",)
    settings = load(overrides=["training.loss_type=sigmoid,sft", "training.loss_weights=[1.0, 0.2]"], env={})
    chosen = hyperparameters_for(settings, "hatchling")
    assert (chosen.loss_type, chosen.loss_weights) == (("sigmoid", "sft"), (1.0, 0.2))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["training.loss_type=sigmoyd"], "training.loss_type"),
        (["training.loss_type=sigmoid,sft", "training.loss_weights=[1.0]"], "loss_weights has 1 values for 2"),
        (["training.loss_type=exo_pair"], "needs label_smoothing above 0"),
        (["training.beta=0"], "training.beta"),
        (["training.method=dop"], "did you mean 'dpo'"),
    ],
)
def test_mistakes_are_said_before_anything_is_loaded(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        load(overrides=overrides, env={})


def test_the_losses_are_those_that_trl_knows() -> None:
    from trl import DPOConfig

    told = str(DPOConfig.__dataclass_fields__["loss_type"].metadata["help"])
    assert all(f"`'{name}'`" in told for name in get_args(DpoLoss)) and told.count("`'") == len(get_args(DpoLoss))
