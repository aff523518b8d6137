"""One run's dealings with memory: its batch, what is computed at once, its peak. Joins the search to what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from realm.arena.fit.remembered import Remembered, memory_settings, shape_key
from realm.config.estimate import GB, state_bytes
from realm.config.run_spec import RunSpec
from realm.config.schema import Hyperparameters

ROWS, TOKENS = "rows", "tokens at once"


@dataclass(slots=True)
class Fit:
    """What is known of a model's memory on this machine. By default nothing is known, allowed or kept."""

    model: str = ""
    adapter: str = ""
    allowed_rows: int | None = None
    limit_bytes: float = float("inf")
    remembered: Remembered = field(default_factory=lambda: Remembered(None))
    part_tokens: int | None = None
    """Tokens that are computed at once at most, since memory once ran out with more; None: no such limit."""

    @classmethod
    def of(cls, spec: RunSpec, remembered: Remembered) -> Fit:
        """A run's: its model, its adapter, and the limits of its hardware profile."""
        limits = spec.hardware
        return cls(
            model=spec.profile.base_model,
            adapter=adapter_words(spec),
            allowed_rows=limits.max_batch_size if limits else None,
            limit_bytes=limits.available_memory_gb * GB if limits else float("inf"),
            remembered=remembered,
        )

    def settle(self, model: Any, settings: Hyperparameters) -> Hyperparameters:
        """The settings with a number of rows where they say `auto`: the one found before, or one found now."""
        self.part_tokens = self.remembered.number(TOKENS, self._key(model, settings))
        if settings.per_device_train_batch_size != "auto":
            return settings
        key = self._key(model, settings)
        rows = self.remembered.number(ROWS, key)
        if rows is None:
            rows = self._search(model, settings)
            self.remembered.keep(ROWS, key, rows)
        return settings.model_copy(update={"per_device_train_batch_size": rows})

    def lighten(self, model: Any, settings: Hyperparameters, tokens: int) -> None:
        """From now on, and in later runs, no more than so many tokens are computed at once."""
        self.part_tokens = tokens
        self.remembered.keep(TOKENS, self._key(model, settings), tokens)

    def begin(self, model: Any) -> None:
        """A run begins: its peak is measured from here."""
        from realm.arena.fit.memory import begin_peak  # noqa: PLC0415 - torch stays behind the door

        begin_peak(model.device)

    def end(self, model: Any, settings: Hyperparameters) -> None:
        """A run ended: its peak is noted."""
        from realm.arena.fit.memory import device_name, peak_bytes  # noqa: PLC0415 - torch stays behind the door

        told = memory_settings(settings, self.adapter)
        self.remembered.keep_peak(self.model, device_name(model.device), told, peak_bytes(model.device))

    def _search(self, model: Any, settings: Hyperparameters) -> int:
        from realm.arena.fit.batch import find_rows  # noqa: PLC0415 - torch stays behind the door

        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        reserved = state_bytes(settings.optim) * trained + (4 * trained if settings.ema_decay else 0)
        return find_rows(model, settings, allowed=self.allowed_rows, limit=self.limit_bytes, reserved=reserved)

    def _key(self, model: Any, settings: Hyperparameters) -> str:
        from realm.arena.fit.memory import device_name  # noqa: PLC0415 - torch stays behind the door

        return shape_key(self.model, settings, self.adapter, device_name(model.device))


def adapter_words(spec: RunSpec) -> str:
    """An adapter's rank, places and base: what its memory depends on."""
    if (adapter := spec.adapter) is None:
        return ""
    base = "" if adapter.quantize == "none" else f" in {adapter.quantize}"
    return f"{adapter.r} on {','.join(adapter.target_modules)}{base}"
