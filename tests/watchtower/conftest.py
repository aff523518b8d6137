"""Settings of the property tests of this room."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("busy-machine", deadline=None)  # a pure rule may wait 200 ms for its turn on a busy machine
settings.load_profile("busy-machine")
