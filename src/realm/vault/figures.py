"""What lies in each zone, in figures."""

from __future__ import annotations

from typing import Any

from realm.vault.keeper import Keeper
from realm.vault.retention import ZONES


def zone_figures(keeper: Keeper) -> list[dict[str, Any]]:
    """Count, bytes, limit and damaged copies of each zone, the workspace first."""
    limits = {"hot": keeper.policy.max_bytes}
    limits |= {name: zone.room.max_bytes for name, zone in keeper.storage.zones.items()}
    totals = keeper.ledger.zone_totals()
    found = []
    for name in ZONES:
        if name in limits:
            checkpoints, size_bytes, damaged = totals.get(name, (0, 0, 0))
            found.append(
                {"name": name, "checkpoints": checkpoints, "size_bytes": size_bytes, "max_bytes": limits[name],
                 "damaged": damaged}
            )  # fmt: skip
    return found
