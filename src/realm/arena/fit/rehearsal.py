"""A training step on tensors without storage: what memory it would take, counted by torch itself. Loads no weights.

The hero's real network, loss and optimizer run under torch's fake tensors, which have shapes and no contents, while
`MemTracker` adds up what lives. So attention, adapters and optimizers need no formula. A step for a GPU is gone through
with the kernels of the CPU, whose needs differ a little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.optim import Optimizer

from realm.arena.batches import Part
from realm.arena.fit.frozen import held
from realm.arena.fit.memory import bytes_of
from realm.arena.methods.sft import summed_loss
from realm.arena.optim import build
from realm.arena.optim.low_rank import LowRank
from realm.arena.packing import CPU_PART_TOKENS
from realm.arena.precision import prepare
from realm.config.estimate import FLOAT32_BYTES, RUNTIME_BYTES, MemoryEstimate
from realm.config.run_spec import RunSpec
from realm.config.schema import Hyperparameters
from realm.heroes.families import families

WORDS = "a training step gone through without storage"


def rehearse(spec: RunSpec, make: Callable[[], Any], hidden_matrices: Callable[[Any], list[str]]) -> MemoryEstimate:
    """Memory of one training process at its peak: the second step, of full rows, all of whose tokens are trained.

    `make` makes the network with first weights. Raises whatever the network raises when it is run.
    """
    used, device = spec.hyperparameters, spec.hardware.device if spec.hardware else "cpu"
    with torch.device("meta"):
        model = _adapted(make(), spec)
    with FakeTensorMode():
        _to_fake(model)
        if used.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        model.train()
        optimizer = build(model, _without_pages(used), hidden_matrices=hidden_matrices(model))
        shape, passes = part_shape(used, device)
        tracker = _Total()
        tracker.track_external(model, *_stand_ins(optimizer))
        with tracker:
            for _ in range(2):
                _step(model, optimizer, used, shape, passes, tracker.reset_mod_stats)
        total = _peak(tracker)
        trained = [p for p in model.parameters() if p.requires_grad]
        weights, gradients = bytes_of({*model.parameters(), *model.buffers()}), bytes_of(trained)
        states = sum(map(_bytes, _states(optimizer)))
        return MemoryEstimate(
            weights=weights + (gradients if used.ema_decay else 0),
            gradients=gradients,
            optimizer=states,
            activations=max(0, total - weights - gradients - states),
            runtime=RUNTIME_BYTES[device],
            trained_parameters=sum(p.numel() for p in trained),
            source=f"{WORDS}: {type(model).__name__}",
            logits=FLOAT32_BYTES * shape[0] * shape[1] * model.get_output_embeddings().weight.shape[0],
        )


class _Total(MemTracker):  # type: ignore[no-untyped-call]
    """Without the hooks that tell gradients from other tensors: they cannot be put on weights that are not trained."""

    def _track_module_params_and_buffers(
        self, module: torch.nn.Module, install_grad_hooks: bool = True
    ) -> tuple[int, int]:
        return super()._track_module_params_and_buffers(module, install_grad_hooks=False)


def part_shape(settings: Hyperparameters, device: str) -> tuple[tuple[int, int], int]:
    """(rows, tokens in each) of the largest part that is computed at once, and whether a step has 1 or more of them."""
    rows, width = settings.batch_rows, settings.max_length
    if device == "cpu" and settings.packing:
        rows = min(rows, max(1, CPU_PART_TOKENS // width))
    several = rows < settings.batch_rows or settings.gradient_accumulation_steps > 1
    return (rows, width), 2 if several else 1


def _step(
    model: Any,
    optimizer: Optimizer,
    settings: Hyperparameters,
    shape: tuple[int, int],
    passes: int,
    before_pass: Callable[[], object],
) -> None:
    bf16 = prepare(model, settings.bf16)
    for _ in range(passes):
        before_pass()
        with torch.autocast("cpu", torch.bfloat16, bf16):
            loss = summed_loss(model, model.get_output_embeddings(), _part(*shape))
        torch.autograd.backward(loss)
        del loss
    optimizer.step()
    model.zero_grad(set_to_none=True)


def _part(rows: int, width: int) -> Part:
    ids = torch.zeros(rows, width, dtype=torch.long)
    places = torch.arange(width).expand(rows, width)
    at = torch.arange(rows * width)
    return {"input_ids": ids, "position_ids": places, "trained_at": at, "targets": ids.reshape(-1)}


def _adapted(model: Any, spec: RunSpec) -> Any:
    if spec.adapter is None:
        return model
    from realm.heroes.adapters import attach, configuration  # noqa: PLC0415 - peft takes a second to import

    adapted = attach(model, configuration(spec.adapter, families.get(spec.profile.family), model), seed="rehearsal")
    return held(adapted, spec.adapter.quantize)


def _to_fake(model: torch.nn.Module) -> None:
    """Give a model on the meta device, which computes nowhere, fake tensors that seem to lie on the CPU.

    Not by `Module.to`: it swaps tensors, which those of the fake mode do not allow.
    """
    made: dict[int, torch.nn.Parameter] = {}  # shared parameters stay shared
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False, remove_duplicate=False):
            if id(p) not in made:
                fake = torch.empty(p.shape, dtype=p.dtype, device="cpu")
                made[id(p)] = torch.nn.Parameter(fake, requires_grad=p.requires_grad)
            module._parameters[name] = made[id(p)]
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")


def _without_pages(settings: Hyperparameters) -> Hyperparameters:
    """Paged moments are as large as others; where they lie, only a GPU's driver knows."""
    return settings.model_copy(update={"optim": settings.optim.removeprefix("paged_")})


def _peak(tracker: MemTracker) -> int:
    return sum(snapshot["Total"] for snapshot in tracker.get_tracker_snapshot("peak").values())


def _states(optimizer: Optimizer) -> Iterator[Any]:
    """State of an optimizer, and of one that it has within, with that one's stand-ins for matrices."""
    yield from optimizer.state.values()
    yield from _stand_ins(optimizer)
    if isinstance(optimizer, LowRank):
        yield from _states(optimizer.within)


def _stand_ins(optimizer: Optimizer) -> list[Any]:
    return list(optimizer.within.param_groups[0]["params"]) if isinstance(optimizer, LowRank) else []


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0
