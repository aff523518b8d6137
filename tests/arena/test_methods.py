from __future__ import annotations

import pytest

from realm.arena.methods import methods
from realm.arena.methods.sft import SupervisedFineTuning
from realm.errors import UsageError


def test_methods_are_found_by_name() -> None:
    assert {"sft", "sparring"} <= set(methods.names())
    assert methods.get("sft") is SupervisedFineTuning


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        methods.get("stf")
    assert "sft" in caught.value.hint
