from __future__ import annotations

import pytest

from realm.config.adapters import require_trainable
from realm.config.hardware import Gpu, Machine
from realm.config.layers import load
from realm.config.run_spec import RunSpec, campaign_spec
from realm.errors import MissingExtra, UsageError

BARE = Machine("Linux-x86_64", 2, 24.0, ())
CARD = Machine("Linux-x86_64", 2, 24.0, (Gpu("NVIDIA A100", 40.0, "8.0"),))


def spec(*overrides: str) -> RunSpec:
    return campaign_spec(load(overrides=["campaign.hero=FLO", *overrides], env={}), versions={})


def unasked() -> Machine:
    raise AssertionError("the machine is asked only for what needs a card")


@pytest.mark.parametrize("adapter", ["none", "minimal", "standard", "full"])
def test_the_catalogues_adapters_train_anywhere(adapter: str) -> None:
    require_trainable(spec(f"heroes.FLO.adapter={adapter}"), unasked)


def test_four_bits_need_a_card_and_bitsandbytes() -> None:
    quantised = spec("adapters.standard.quantize=nf4")
    with pytest.raises(UsageError, match=r"adapters.standard.quantize = 'nf4'.*needs an NVIDIA GPU") as refused:
        require_trainable(quantised, lambda: BARE)
    assert refused.value.exit_code == 2
    with pytest.raises(MissingExtra, match="bitsandbytes") as missing:
        require_trainable(quantised, lambda: CARD, lambda package: package != "bitsandbytes")
    assert "realm[gpu]" in missing.value.hint
    require_trainable(quantised, lambda: CARD, lambda package: True)


def test_a_base_in_bfloat16_asks_nothing_of_the_machine() -> None:
    require_trainable(spec("adapters.standard.quantize=bf16"), unasked)


def test_an_unknown_quantisation_is_refused() -> None:
    with pytest.raises(UsageError, match="quantize"):
        spec("adapters.standard.quantize=int3")
