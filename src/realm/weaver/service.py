"""What a supervised process is, and when a crashed one is started again. Pure: no process, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from realm.errors import ServiceError

State = Literal["starting", "up", "backing-off", "gave-up", "stopped"]


@dataclass(frozen=True, slots=True)
class Service:
    """One process. It is healthy when `health_url` answers 200, or when `beat` was touched lately."""

    name: str
    command: Sequence[str]
    health_url: str | None = None
    beat: Path | None = None
    """A file that the process touches while it makes progress."""
    beat_seconds: float = 300.0
    """Silence after which the process counts as hung."""
    depends_on: Sequence[str] = ()
    optional: bool = False
    """The realm counts as up without it, and goes on when it gives up."""
    port: int | None = None
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 30.0
    """Time to end by itself after SIGTERM."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Wait longer after each crash; give up when crashes come too close together."""

    first_wait_seconds: float = 0.1
    factor: float = 3.0
    longest_wait_seconds: float = 30.0
    give_up_after: int = 5
    forgive_seconds: float = 60.0
    """A process that stayed up that long starts with a clean slate."""

    def wait_seconds(self, crashes: int, up_seconds: float) -> float | None:
        """Seconds to wait before start number `crashes + 1`; None means give up.

        `crashes` counts this one and those before it that were not forgiven.
        """
        if up_seconds >= self.forgive_seconds:
            return self.first_wait_seconds
        if crashes >= self.give_up_after:
            return None
        return min(self.first_wait_seconds * self.factor ** (crashes - 1), self.longest_wait_seconds)


def start_order(services: Sequence[Service]) -> list[Service]:
    """Each service after those it depends on. Raises ServiceError for a circle or an unknown name."""
    by_name = {s.name: s for s in services}
    order: list[Service] = []
    visiting: set[str] = set()

    def visit(service: Service) -> None:
        if service in order:
            return
        if service.name in visiting:
            raise ServiceError(f"'{service.name}' depends on itself.", hint="Mend depends_on.")
        visiting.add(service.name)
        for name in service.depends_on:
            if name not in by_name:
                raise ServiceError(f"'{service.name}' depends on '{name}', which is not started.", hint="Add it.")
            visit(by_name[name])
        order.append(service)

    for service in services:
        visit(service)
    return order
