"""How several processes of one training are started, and what shards a model over them. Pure: starts nothing.

The launcher is torch's `torchrun`, told never to restart a process itself: after the loss of one, all begin anew from
the last sealed checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realm.config.run_spec import RunSpec
from realm.errors import UsageError

PORT = 29_500
HEAD = "$HEAD_NODE"
"""Stands in the printed command for the address of the first machine."""


def processes(spec: RunSpec) -> int:
    """Processes of a run over all its machines."""
    return spec.hardware.processes * spec.hardware.nodes if spec.hardware else 1


def launch_arguments(spec: RunSpec, command: Sequence[str], *, head: str = HEAD) -> list[str]:
    """Arguments of `torchrun` that start `command` (a module and its arguments) in all processes of this machine.

    On several machines the same arguments are used on each, at about the same time.
    """
    hardware = spec.hardware
    each, nodes = (hardware.processes, hardware.nodes) if hardware else (1, 1)
    where = (
        ["--standalone"]
        if nodes == 1
        else [
            f"--nnodes={nodes}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={head}:{PORT}",
            f"--rdzv-id=realm-{spec.preset or spec.campaign}",
        ]
    )
    return [*where, f"--nproc-per-node={each}", "--max-restarts=0", "-m", *command]


def sharding(spec: RunSpec) -> dict[str, Any]:
    """Arguments of transformers' TrainingArguments for the profile's `sharding`; none for `ddp`.

    Raises UsageError where the hardware cannot do it: on the CPU `fsdp` would become something else in silence.
    """
    hardware = spec.hardware
    if hardware is None or hardware.sharding == "ddp":
        return {}
    if hardware.device != "cuda":
        raise UsageError(
            f"sharding = '{hardware.sharding}' needs NVIDIA GPUs; {spec.hardware_name} trains on {hardware.device}.",
            hint=f"Set hardware.{spec.hardware_name}.sharding = 'ddp': each process then holds the whole model.",
        )
    return _fsdp2(spec) if hardware.sharding == "fsdp2" else {"deepspeed": _zero(spec, int(hardware.sharding[-1]))}


def _fsdp2(spec: RunSpec) -> dict[str, Any]:
    """Weights, gradients and optimizer state lie on all cards in slices (torch's `fully_shard`)."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "reshard_after_forward": True,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "FULL_STATE_DICT",  # one file that every program reads
            "activation_checkpointing": spec.hyperparameters.gradient_checkpointing,
            "cpu_ram_efficient_loading": True,
        },
    }


def _zero(spec: RunSpec, stage: int) -> dict[str, Any]:
    """DeepSpeed's ZeRO with the optimizer (stage 3: the weights too) in the machine's memory."""
    used = spec.hyperparameters
    host = {"device": "cpu", "pin_memory": True}
    zero: dict[str, Any] = {
        "stage": stage,
        "offload_optimizer": host,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "reduce_scatter": True,
    }
    if stage == 3:
        zero |= {"offload_param": host, "stage3_gather_16bit_weights_on_model_save": True}
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": used.bf16 is not False},
        "gradient_clipping": used.max_grad_norm,
        "gradient_accumulation_steps": used.gradient_accumulation_steps,
        "train_micro_batch_size_per_gpu": used.batch_rows,
        "zero_allow_untested_optimizer": True,  # the engine's own optimizers
    }
