"""Whether an adapter that was asked for can be trained on this machine. Loads nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from realm.config.hardware import Machine, detect
from realm.config.run_spec import RunSpec
from realm.errors import MissingExtra, UsageError


def require_trainable(
    spec: RunSpec,
    machine: Callable[[], Machine] = detect,
    installed: Callable[[str], bool] = lambda package: find_spec(package) is not None,
) -> None:
    """Said before anything is loaded or started. Raises UsageError or MissingExtra, with the setting to change.

    Only a base in 4 bits asks anything of the machine: its kernels run on NVIDIA cards.
    """
    if spec.adapter is None or spec.adapter.quantize != "nf4":
        return
    setting = f"adapters.{spec.adapter_name}.quantize"
    if not machine().gpus:
        raise UsageError(
            f"{spec.hero} is to learn on a base in 4 bits ({setting} = '{spec.adapter.quantize}'), which needs an "
            "NVIDIA GPU; this machine has none.",
            hint=f"Without quantisation: realm config set {setting} none. Or train where there is such a card.",
        )
    if not installed("bitsandbytes"):
        raise MissingExtra(
            f"{setting} = '{spec.adapter.quantize}' needs the package 'bitsandbytes', which is not installed.",
            hint="Install it: pip install 'realm[gpu]'",
        )
