"""Every check by its id. Built-in ones are listed here; packages bring theirs by the entry-point group `realm.checks`.

A part is a factory that returns a `Check`; a group's checks stand in the module of its name.
"""

from __future__ import annotations

from collections.abc import Callable

from realm.registry import Registry
from realm.temple.check import Check
from realm.temple.checks import api, checkpoint, deep, evaluation, hardware, inference, processes, quick, skills

MODULES = (quick, hardware, processes, api, checkpoint, inference, skills, evaluation, deep)


def checks() -> Registry[Check]:
    """All checks that ship with Realm, and those of other packages."""
    registry: Registry[Check] = Registry("check", "realm.checks")
    for module in MODULES:
        for check in module.CHECKS:
            registry.register(check.id, _as_it_is(check))
    return registry


def _as_it_is(check: Check) -> Callable[[], Check]:
    return lambda: check
